"""From what a server said to scores, by hand."""

import pytest

from rag_api.evaluation.outcomes import Cited, Said
from rag_api.evaluation.questions import Question
from rag_api.evaluation.scoring import SHOWN_CHARS, depths, score_answer, score_hits, seen
from tests.evaluation.values import hit

ASKED = Question("How deep?", sources=("b.txt",), phrases=("42 metres", "42 m"))


def test_the_depths_are_the_customary_ones_and_the_last() -> None:
    assert depths(10) == [1, 5, 10]
    assert depths(7) == [1, 5, 7]
    assert depths(1) == [1]


def test_documents_and_phrases_are_scored_each_for_itself() -> None:
    hits = [hit("a", "The well is\n42 METRES deep."), hit("b", "A well.")]
    found = score_hits(ASKED, hits, frozenset({"b"}), 5)
    assert found["recall@1"] == 0
    assert found["recall@5"] == 1
    assert found["ndcg@5"] == pytest.approx(0.6309297535714575)
    assert found["mrr@5"] == 0.5
    assert found["phrase@1"] == 1


def test_a_twin_of_the_expected_document_is_as_good() -> None:
    found = score_hits(ASKED, [hit("a", also=["b"])], frozenset({"b"}), 5)
    assert found["recall@1"] == found["ndcg@5"] == 1


def test_what_is_not_there_counts_as_never_found() -> None:
    found = score_hits(ASKED, [hit("b")], frozenset({"b", "source gone.txt"}), 5)
    assert found["recall@5"] == 0.5


def test_only_what_is_expected_is_scored() -> None:
    assert not [name for name in score_hits(Question("x", phrases=("y",)), [], frozenset(), 5) if "phrase" not in name]
    assert not [name for name in score_hits(Question("x", sources=("y",)), [], frozenset({"y"}), 5) if "phrase" in name]


def test_answers_by_hand() -> None:
    said = Said("It is 42 metres deep. [1]", "answered", (Cited("A well.", "partial", True),))
    assert score_answer(ASKED, said) == {
        "refused_wrongly": 0,
        "answer_phrase": 1,
        "quote_phrase": 0,
        "quotes_exact": 1,
        "citations_supported": 0,
    }
    quotes = (Cited("42 m", "supported", True), Cited("x", "supported", False), Cited("y", "partial", None))
    found = score_answer(ASKED, Said("Deep. [1]", "answered", quotes))
    assert found["answer_phrase"] == 0
    assert found["quote_phrase"] == 1
    assert found["quotes_exact"] == 0.5  # of the two that could be checked
    assert found["citations_supported"] == pytest.approx(2 / 3)


def test_a_refusal_holds_nothing_even_if_it_names_it() -> None:
    found = score_answer(ASKED, Said("I found nothing on 42 metres.", "no_answer", ()))
    assert found == {"refused_wrongly": 1, "answer_phrase": 0, "quote_phrase": 0}


@pytest.mark.parametrize(("outcome", "score"), [("no_answer", 1), ("answered", 0), ("cancelled", 0)])
def test_what_cannot_be_answered_is_to_be_refused(outcome: str, score: float) -> None:
    assert score_answer(Question("x", answerable=False), Said("", outcome, ())) == {"refused_rightly": score}


def test_hits_are_kept_with_what_they_are_worth() -> None:
    [kept] = seen(ASKED, [hit("a", "word " * 1000 + "42 metres", also=["b"])], frozenset({"b"}))
    assert kept.is_wanted
    assert kept.holds_phrase
    assert len(kept.text) == SHOWN_CHARS
