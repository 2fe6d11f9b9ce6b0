"""Every metric against values worked out by hand, and the laws they keep."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.evaluation.metrics import flat, holds, ndcg, percentile, recall, reciprocal_rank, relevance

RANKINGS = st.lists(st.booleans(), max_size=30)


def test_a_document_ranks_where_its_best_hit_is() -> None:
    hits = [["a"], ["b"], ["a"], ["c"], ["b"]]
    assert relevance(hits, {"b"}) == [False, True, False]


def test_a_text_that_several_documents_hold_counts_for_each_that_is_wanted() -> None:
    assert relevance([["x", "b", "a"], ["b"], ["c"]], {"a", "b"}) == [True, True, False]
    assert relevance([["x", "b"], ["x"]], {"b"}) == [True, False]


def test_recall_is_the_share_of_the_wanted_that_is_found() -> None:
    ranking = [False, True, False, True]
    assert recall(ranking, 3, 1) == 0
    assert recall(ranking, 3, 2) == pytest.approx(1 / 3)
    assert recall(ranking, 3, 10) == pytest.approx(2 / 3)


def test_the_reciprocal_rank_is_of_the_first_one() -> None:
    assert reciprocal_rank([False, False, True, True]) == pytest.approx(1 / 3)
    assert reciprocal_rank([True]) == 1
    assert reciprocal_rank([False]) == 0
    assert reciprocal_rank([]) == 0


def test_ndcg_by_hand() -> None:
    # one wanted document, at rank 2: 1 / log2(3) over 1 / log2(2)
    assert ndcg([False, True], 1, 10) == pytest.approx(0.6309297535714575)
    # two of three wanted, at ranks 1 and 3: (1 + 0.5) / (1 + 0.6309297535714575 + 0.5)
    assert ndcg([True, False, True], 3, 10) == pytest.approx(1.5 / 2.1309297535714575)
    # cut at 2, where the ideal has two: 1 / 1.6309297535714575
    assert ndcg([True, False, True], 3, 2) == pytest.approx(1 / 1.6309297535714575)
    assert ndcg([False] * 5, 2, 5) == 0


@given(RANKINGS, st.integers(0, 5), st.integers(1, 40))
def test_ndcg_is_between_0_and_1_and_1_only_in_the_ideal_order(ranking: list[bool], unfound: int, k: int) -> None:
    wanted = sum(ranking) + unfound
    if not wanted:
        return
    value = ndcg(ranking, wanted, k)
    assert 0 <= value <= 1 + 1e-12
    is_ideal = all(ranking[: min(k, wanted)]) and len(ranking) >= min(k, wanted)
    assert math.isclose(value, 1) == is_ideal


@given(RANKINGS, st.integers(1, 30))
def test_an_earlier_rank_is_never_worth_less(ranking: list[bool], k: int) -> None:
    if sum(ranking):
        better = sorted(ranking, reverse=True)
        assert ndcg(better, sum(ranking), k) >= ndcg(ranking, sum(ranking), k) - 1e-12
        assert recall(better, sum(ranking), k) >= recall(ranking, sum(ranking), k)
        assert reciprocal_rank(better) >= reciprocal_rank(ranking)


@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=3)), st.sets(st.sampled_from("abcdefg")))
def test_no_document_is_counted_twice(hits: list[list[str]], wanted: set[str]) -> None:
    ranking = relevance(hits, wanted)
    found = {holder for holders in hits for holder in holders} & wanted
    assert sum(ranking) == len(found)
    assert ranking.count(False) <= len({holders[0] for holders in hits} - wanted)


def test_percentiles_by_hand() -> None:
    values = [40.0, 10.0, 30.0, 20.0]
    assert percentile(values, 50) == 25
    assert percentile(values, 95) == pytest.approx(38.5)  # at rank 0.95 * 3 = 2.85 of 10, 20, 30, 40
    assert percentile([7.0], 99) == 7


def test_white_space_and_case_do_not_matter_to_a_phrase() -> None:
    assert flat("  A\n\tb ") == "a b"
    assert holds("the Managing\nDirector signs", ["nobody", "managing  director"])
    assert not holds("the director", ["managing director"])
    assert not holds("anything", [])
