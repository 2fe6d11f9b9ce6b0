import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.condensing import leans_on_earlier, standalone
from rag_api.core.words import content_words


@pytest.mark.parametrize(
    "question",
    ["And in winter?", "Who wrote it?", "What about rye bread?", "Why?", "When were they founded?", "Und im Winter?"],
)
def test_a_question_that_leaves_something_out_leans_on_the_one_before(question: str) -> None:
    assert leans_on_earlier(question)
    assert "bakery" in standalone(question, ["When does the Oslo bakery open?"])


@pytest.mark.parametrize(
    "question", ["When does the town library in Bergen open?", "List the planets of the solar system"]
)
def test_a_question_that_stands_alone_stays_as_it_is(question: str) -> None:
    assert standalone(question, ["When does the Oslo bakery open?"]) == question


def test_a_chain_of_follow_ups_reaches_back_to_what_they_are_about() -> None:
    asked = ["When does the Oslo bakery open?", "And in winter?"]
    assert {"oslo", "bakery", "winter", "close"} <= set(content_words(standalone("And when does it close?", asked)))


def test_what_came_before_a_question_that_stands_alone_is_another_matter() -> None:
    asked = ["Who painted the ceiling of the chapel?", "When does the Oslo bakery open?"]
    assert "ceiling" not in standalone("And in winter?", asked)


@given(st.text(), st.lists(st.text(), max_size=4))
def test_the_question_itself_is_never_lost(question: str, earlier: list[str]) -> None:
    said = standalone(question, earlier)
    assert question.strip() in said
    assert standalone(question, []) == question
