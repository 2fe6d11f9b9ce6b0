import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Span
from rag_api.core.verifying import PARTIAL_FROM, SUPPORTED_FROM, Verdict, support, uncited

PASSAGE = "The ferry leaves Pier 3 at noon. Dogs travel free of charge. A bicycle costs 4.50 euros."
WORDS = st.sampled_from(
    "ferry ferries Pier 3 4.50 noon dogs free bicycle. costs euros? the of \n\n [1] 猫 ! .".split(" ")
)
TEXTS = st.lists(WORDS, max_size=20).map(" ".join) | st.text(max_size=60)


@given(TEXTS, TEXTS)
def test_support_is_a_stretch_of_the_passage_with_a_score_that_fits_its_verdict(claim: str, passage: str) -> None:
    found = support(claim, passage)
    assert 0 <= found.span.start <= found.span.end <= len(passage)
    assert 0 <= found.score <= 1
    expected = (
        Verdict.SUPPORTED
        if found.score >= SUPPORTED_FROM
        else Verdict.PARTIAL
        if found.score >= PARTIAL_FROM
        else Verdict.UNSUPPORTED
    )
    assert found.verdict is expected


@pytest.mark.parametrize("sentence", PASSAGE.split(". "))
def test_a_quotation_is_supported_by_the_sentence_it_quotes(sentence: str) -> None:
    found = support(sentence, PASSAGE)
    assert found.span.of(PASSAGE).rstrip(".") == sentence.rstrip(".")
    assert (found.score, found.verdict) == (1.0, Verdict.SUPPORTED)


def test_a_claim_in_other_words_is_supported_in_part() -> None:
    found = support("Dogs and cats travel on weekdays for nothing", PASSAGE)
    assert found.span.of(PASSAGE) == "Dogs travel free of charge."
    assert (found.score, found.verdict) == (0.4, Verdict.PARTIAL)


def test_a_wrong_number_supports_nothing() -> None:
    right, wrong = support("A bicycle costs 4.5 euros", PASSAGE), support("A bicycle costs 7 euros", PASSAGE)
    assert right.score >= 3 / 4 and right.verdict is Verdict.SUPPORTED
    assert wrong.score == pytest.approx(right.score / 4) and wrong.verdict is Verdict.UNSUPPORTED
    assert right.span == wrong.span


@pytest.mark.parametrize("claim", ["Submarines dive", "", "the of and", "[1]"])
def test_a_claim_that_shares_nothing_gets_the_whole_passage_and_nothing_for_it(claim: str) -> None:
    found = support(claim, PASSAGE)
    assert (found.span, found.score, found.verdict) == (Span(0, len(PASSAGE)), 0.0, Verdict.UNSUPPORTED)


def test_a_passage_without_a_sentence_supports_nothing() -> None:
    assert support("The ferry", " \n ") == support("Dogs", " \n ")
    assert support("The ferry", "").span == Span(0, 0)


def test_plurals_support_singulars() -> None:
    assert support("Ferries leave piers", "The ferry leaves the pier.").verdict is Verdict.SUPPORTED


@pytest.mark.parametrize(
    "claim",
    [
        "Dogs do not travel free of charge.",
        "The ferry never leaves Pier 3 at noon.",
        "Dogs don't travel free of charge.",
    ],
)
def test_what_the_passage_does_not_deny_is_not_supported_when_it_is_denied(claim: str) -> None:
    assert support(claim, PASSAGE).verdict is Verdict.UNSUPPORTED
    assert support(claim, claim).verdict is Verdict.SUPPORTED


def test_a_denial_of_something_else_in_the_sentence_is_no_contradiction() -> None:
    passage = "Bicycles are not insured, but dogs travel free of charge on all ferries."
    assert support("Dogs travel free of charge", passage).verdict is Verdict.SUPPORTED


def test_a_name_that_nobody_knows_costs_half_and_one_of_the_title_nothing() -> None:
    claim = "At noon the ferry Hilda leaves Pier 3"
    assert support(claim, PASSAGE).score == pytest.approx(support(claim, PASSAGE, "The Hilda").score / 2)


def test_a_count_may_be_a_word() -> None:
    assert support("The ferry has 6 decks", "The ferry has six decks.").verdict is Verdict.SUPPORTED
    assert support("The ferry has seven decks", "The ferry has six decks.").verdict is Verdict.UNSUPPORTED


def test_what_states_something_without_a_citation_is_found() -> None:
    answer = "Dogs travel free of charge. The ferry leaves at noon from Pier 3. Is that all? Yes."
    assert [span.of(answer) for span in uncited(answer, [Span(0, 26)])] == ["The ferry leaves at noon from Pier 3."]
