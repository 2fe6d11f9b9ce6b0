"""What clients' messages are read as."""

from typing import Any

import pytest

from rag_api.core.prompts import PastTurn
from rag_api.errors import InvalidParameter
from rag_api.web.dialects.dialogue import QUESTION_CHARS, Dialogue, read


def said(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def test_the_last_question_stands_after_its_turns() -> None:
    messages = [
        said("system", "Be brief."),
        said("assistant", "Good morning!"),
        said("user", "Who built it?"),
        said("assistant", "Ines Karlow [1][2]."),
        said("developer", [{"type": "text", "text": "In French."}]),
        said("user", [{"type": "input_text", "text": "When,"}, {"type": "text", "text": "and why?"}]),
    ]
    turns = (PastTurn("Who built it?", "Ines Karlow ."),)
    assert read(messages) == Dialogue("When,\n\nand why?", turns, "Be brief.\n\nIn French.")


def test_an_answer_that_did_not_come_about_is_no_turn() -> None:
    messages = [said("user", "Who?"), said("assistant", ""), said("user", "When?")]
    assert read(messages) == Dialogue("When?")


def test_what_is_said_in_several_messages_in_a_row_is_one() -> None:
    messages = [said("user", "I live in Ayton."), said("tool", "x"), said("user", "When is the market?")]
    assert read(messages).question == "I live in Ayton.\n\nWhen is the market?"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([said("user", "  ")], "messages"),
        ([said("user", "Who?"), said("assistant", "Ines.")], "messages"),
        ([said("user", "x" * (QUESTION_CHARS + 1))], "messages"),
        ([said("system", "x" * (QUESTION_CHARS + 1)), said("user", "Who?")], "messages"),
        ([said("user", 7)], "messages.0.content"),
        ([said("user", "Who?"), said("king", "I")], "messages.1.role"),
        ([said("user", [{"type": "input_image", "image_url": "x"}])], "messages.0.content.0"),
        ([{"role": "user", "parts": [{"type": "text", "text": "x"}, {"type": "file"}]}], "messages.0.parts.1"),
    ],
)
def test_what_can_not_be_read_is_named(messages: list[dict[str, Any]], param: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(messages)
    assert caught.value.details
    assert caught.value.details[0]["field"] == param
