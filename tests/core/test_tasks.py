"""What front ends ask beside the conversation, without a language model."""

import json

import pytest

from rag_api.core.tasks import is_task, reply_by_rule

SAID = [
    "USER: Where does the river Ouse rise, and how long is the river?",
    "ASSISTANT: It rises in the hills [1].",
    "USER: Is the river deep?\nASSISTANT said so.",
]


def task(wanted: str, *said: str) -> str:
    history = "\n".join(said)
    return f"### Task:\nDo it.\n### Output:\nJSON format: {wanted}\n<chat_history>\n{history}\n</chat_history>"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ('{ "title": "t" }', {"title": "Where does the river Ouse rise…"}),
        ('{ "tags": ["t"] }', {"tags": ["River", "Ouse", "Rise"]}),
        ('{ "follow_ups": ["q"] }', {"follow_ups": []}),
        ('{\n  "queries": ["q"]\n}', {"queries": ["Is the river deep?\nASSISTANT said so."]}),
        ('{ "text": "t" }', {"text": ""}),
        ("none that is known", {}),
    ],
)
def test_the_reply_is_the_json_that_is_asked_for(wanted: str, expected: dict[str, object]) -> None:
    assert is_task(task(wanted, *SAID))
    assert json.loads(reply_by_rule(task(wanted, *SAID))) == expected


def test_one_question_has_no_themes_yet() -> None:
    assert json.loads(reply_by_rule(task('{ "tags": ["t"] }', "USER: Is the river deep?"))) == {"tags": ["General"]}


@pytest.mark.parametrize("history", ["", "ASSISTANT: hello", "USER: ?!"])
def test_an_empty_history_has_a_title_all_the_same(history: str) -> None:
    assert json.loads(reply_by_rule(task('{ "title": "t" }', history))) == {"title": "Conversation"}


@pytest.mark.parametrize(
    "text",
    [
        "What is a task?",
        "### Task:\nRespond to the user query using the provided context\n<context>\nx\n</context>",
        "Please explain ### Task: <chat_history>",
    ],
)
def test_a_question_is_no_task(text: str) -> None:
    assert not is_task(text)
