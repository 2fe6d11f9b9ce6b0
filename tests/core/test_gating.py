"""The gate before answers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Span
from rag_api.core.calibrating import FEWEST_TEXTS, Background, count_words
from rag_api.core.extracting import Candidate, Comparison
from rag_api.core.gating import Evidence, judge, weigh
from rag_api.core.words import roots
from tests.core.values import passage

SHARES = st.floats(0, 0.999)
NEAR = st.floats(-1, 1)
KINDS = st.sampled_from([0.0, 0.5, 1.0])
PASSAGES_ALONE = st.builds(Evidence, NEAR, st.none(), st.none(), st.none(), SHARES, SHARES, SHARES | st.none())
WITH_SENTENCES = st.builds(Evidence, NEAR, NEAR, NEAR, KINDS, SHARES, SHARES, SHARES | st.none())
EVIDENCE = PASSAGES_ALONE | WITH_SENTENCES
TEXTS = ["The ferry to Rona leaves at noon.", "The ferry takes dogs.", "The office is closed."]
BACKGROUND = Background(0.2, len(TEXTS), count_words(TEXTS))


def compared(text: str, bare: float) -> Comparison:
    return Comparison((Candidate(passage(text), Span(0, len(text)), text),), (bare,), (bare,))


def rarity(word: str) -> float:
    [root] = roots(word)
    return BACKGROUND.rarity(root)


@given(EVIDENCE, st.floats(0, 1))
def test_a_score_is_a_share_and_the_threshold_alone_decides(evidence: Evidence, threshold: float) -> None:
    gate = judge(evidence, threshold=threshold)
    assert 0 <= gate.score <= 1
    assert judge(evidence, threshold=0).passed
    if abs(gate.score - threshold) > 0.001:
        assert gate.passed == (gate.score > threshold)


@given(EVIDENCE, st.floats(0.01, 0.5), st.sampled_from(["closeness", "sentence", "quoted", "held", "words"]))
def test_more_of_what_speaks_for_an_answer_never_lowers_the_score(evidence: Evidence, more: float, figure: str) -> None:
    values = {name: getattr(evidence, name) for name in Evidence.__dataclass_fields__}
    if values[figure] is not None:
        raised = Evidence(**values | {figure: values[figure] + more})
        assert judge(raised, threshold=0.5).score >= judge(evidence, threshold=0.5).score


@given(st.floats(-0.5, 0.95), NEAR)
def test_unrelated_questions_are_at_nought_and_the_text_itself_is_at_one(unrelated: float, cosine: float) -> None:
    background = Background(unrelated, 1, {})
    assert background.relative(unrelated) == 0
    assert background.relative(1.0) == pytest.approx(1)
    assert (background.relative(cosine) > 0) == (cosine > unrelated)


def test_an_embedder_whose_cosines_are_all_high_is_judged_as_one_whose_are_low() -> None:
    low, high = Background(0.2, 1, {}), Background(0.8, 1, {})
    question, comparison = "When does the ferry leave?", None
    seen = weigh(question, [passage("x", similarity=0.6)], low, comparison)
    other = weigh(question, [passage("x", similarity=0.9)], high, comparison)
    assert seen is not None
    assert other is not None
    assert seen.closeness == pytest.approx(other.closeness)


def test_a_rare_word_that_is_held_or_missing_weighs_more_than_a_common_one() -> None:
    assert rarity("ferry") < rarity("Rona") < rarity("zebra") == pytest.approx(1)
    assert rarity("ferry") > 0.5  # of three texts nobody can tell which words are common
    many = Background(0.2, FEWEST_TEXTS, {"ferry": FEWEST_TEXTS})
    assert many.rarity("ferry") == pytest.approx(0, abs=0.01)


def test_words_of_the_title_are_neither_held_nor_missing() -> None:
    seen = weigh("ferry zebra dogs", [passage("Dogs travel free.", title="Ferry")], BACKGROUND)
    assert seen is not None
    dogs, zebra = rarity("dogs"), rarity("zebra")
    assert seen.held == pytest.approx(dogs / (1 + dogs))
    assert seen.missing == pytest.approx(zebra / (1 + zebra))


def test_the_nearest_passage_is_weighed_wherever_it_stands() -> None:
    far, near = passage("One is this.", 1, similarity=0.3), passage("Dogs are that.", 2, similarity=0.6)
    seen = weigh("dogs", [far, near], BACKGROUND)
    assert seen is not None
    assert seen.closeness == pytest.approx(0.5)
    assert seen.missing == 0


def test_a_sentence_that_holds_what_is_asked_for_is_told_from_one_that_does_not() -> None:
    def kind(question: str, text: str) -> float | None:
        seen = weigh(question, [passage(text)], BACKGROUND, compared(text, 0.5))
        return seen.kind if seen else None

    assert kind("How many dogs are there?", "There are 12 dogs.") == 1
    assert kind("How many dogs are there?", "There are some dogs.") == 0
    assert kind("Why are there dogs?", "There are some dogs.") == 0.5


def test_the_sentence_that_would_be_quoted_counts_besides_the_nearest() -> None:
    texts = ("Are there dogs at all?", "There are 12 dogs.")
    candidates = tuple(Candidate(passage(text), Span(0, len(text)), text) for text in texts)
    seen = weigh("How many dogs are there?", [passage("x")], BACKGROUND, Comparison(candidates, (0.6, 0.5), (0.6, 0.5)))
    assert seen is not None
    assert seen.sentence == pytest.approx(BACKGROUND.relative(0.6))
    assert seen.quoted == pytest.approx(BACKGROUND.relative(0.5))


def test_the_greatest_share_of_words_counts_whatever_passage_has_it_and_is_unknown_where_none_has() -> None:
    def words(*shares: float | None) -> float | None:
        shown = [replace(passage("x", n), lexical=share) for n, share in enumerate(shares, start=1)]
        seen = weigh("dogs", shown, BACKGROUND)
        assert seen is not None
        return seen.words

    assert words(0.2, None, 0.4) == 0.4
    assert words(None, None) is None


def test_without_a_similarity_nothing_can_be_said() -> None:
    assert weigh("dogs", [passage("Dogs travel free.", similarity=None)], BACKGROUND) is None
    assert weigh("dogs", [], BACKGROUND) is None


def test_roots_bring_forms_of_a_word_together() -> None:
    assert roots("filming films film filmed") == {"film"}
    assert roots("The who of a") == set()


@given(st.lists(st.text(), max_size=5))
def test_a_root_is_counted_once_in_a_text(texts: list[str]) -> None:
    assert all(1 <= count <= len(texts) for count in count_words(texts).values())
