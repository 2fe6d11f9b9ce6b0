from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Span
from rag_api.core.extracting import MARGIN, Candidate, Comparison, choose
from tests.core.values import passage

SENTENCES = ["Boats leave at noon.", "Dogs travel free.", "Opening hours", "Is it open?", "BOATS LEAVE AT NOON."]


def candidate(text: str, n: int = 1, *, similarity: float = 0.5, title: str = "Fares") -> Candidate:
    return Candidate(passage(text, n, similarity=similarity, title=title), Span(0, len(text)), text)


def compared(candidates: list[Candidate], similarities: list[float]) -> Comparison:
    return Comparison(tuple(candidates), tuple(similarities), tuple(similarities))


def chosen(question: str, candidates: list[Candidate], similarities: list[float], count: int = 9) -> list[str]:
    return [one.text for one in choose(question, compared(candidates, similarities), count=count)]


@given(st.lists(st.tuples(st.sampled_from(SENTENCES), st.floats(-1, 1)), max_size=8), st.integers(0, 5))
def test_at_most_so_many_are_chosen_and_none_twice(rows: list[tuple[str, float]], count: int) -> None:
    candidates = [candidate(text) for text, _ in rows]
    texts = chosen("When do boats leave?", candidates, [similarity for _, similarity in rows], count)
    assert len(texts) <= count
    assert len({text.casefold() for text in texts}) == len(texts)
    assert bool(texts) == bool(rows and count)


def test_the_closest_sentence_comes_first() -> None:
    assert chosen("x", [candidate("One is this."), candidate("Two is that.")], [0.5, 0.7]) == [
        "Two is that.",
        "One is this.",
    ]


def test_a_rare_word_of_the_question_counts_more_than_a_common_one() -> None:
    rows = [candidate(text, title="") for text in ("Prices for all.", "Prices for them.", "Dogs go free.")]
    assert chosen("prices dogs", rows, [0.5, 0.5, 0.5], 1) == ["Dogs go free."]
    assert chosen("prices", rows, [0.5, 0.5, 0.5], 1) == ["Prices for all."]


def test_a_word_of_the_title_counts_as_one_of_the_sentence() -> None:
    rows = [candidate("It is free.", title="Dogs"), candidate("It is not free.", title="Cats")]
    assert chosen("dogs", rows, [0.5, 0.6], 1) == ["It is free."]


def test_a_sentence_of_a_closer_passage_wins() -> None:
    rows = [candidate("One is this.", similarity=0.2), candidate("Two is that.", 2, similarity=0.8)]
    assert chosen("x", rows, [0.5, 0.4], 1) == ["Two is that."]


def test_headings_and_questions_come_after_sentences() -> None:
    rows = [candidate("When do boats leave?"), candidate("Boats and when they leave"), candidate("It is at noon.")]
    assert chosen("x", rows, [0.6, 0.6, 0.5])[0] == "It is at noon."


def test_a_sentence_that_only_repeats_the_question_comes_after_one_that_says_more() -> None:
    rows = [candidate("Boats leave the harbour."), candidate("Boats leave the harbour daily past noon.")]
    assert chosen("boats leave the harbour", rows, [0.5, 0.5], 1) == ["Boats leave the harbour daily past noon."]


def test_a_row_of_a_table_is_no_heading() -> None:
    assert chosen("x", [candidate("Adult: 4.50"), candidate("Adults")], [0.5, 0.6], 1) == ["Adult: 4.50"]


def test_what_is_much_worse_than_the_best_is_left_out() -> None:
    rows = [candidate("One is this."), candidate("Two is that."), candidate("Three is what.")]
    assert chosen("x", rows, [0.9, 0.9 - MARGIN + 0.01, 0.9 - MARGIN - 0.01]) == ["One is this.", "Two is that."]


def test_a_passage_of_unknown_similarity_counts_as_far() -> None:
    unknown = Candidate(passage("One is this.", similarity=None), Span(0, 12), "One is this.")
    assert chosen("x", [unknown, candidate("Two is that.", similarity=0.3)], [0.5, 0.45], 1) == ["Two is that."]


def test_no_candidates_give_nothing() -> None:
    assert choose("x", compared([], []), count=3) == []
