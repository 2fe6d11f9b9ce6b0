import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.hits import Scored, Scores
from rag_api.core.ranking import fuse, only

IDS = st.sampled_from([f"doc:{i}:0" for i in range(8)])
SCORES = st.floats(-10, 100).map(lambda score: round(score, 3))
RANKINGS = st.dictionaries(IDS, SCORES, max_size=8).map(
    lambda scores: sorted((Scored(id_, score) for id_, score in scores.items()), key=lambda row: -row.score)
)
WEIGHTS = st.floats(0, 1)


def ids(ranked: list[tuple[str, Scores]]) -> list[str]:
    return [chunk_id for chunk_id, _ in ranked]


@given(RANKINGS, RANKINGS, WEIGHTS)
def test_every_chunk_of_either_list_is_ranked_once_with_its_own_scores(
    dense: list[Scored], lexical: list[Scored], weight: float
) -> None:
    ranked = fuse(dense, lexical, dense_weight=weight)
    in_dense = {row.chunk_id: row.score for row in dense}
    in_lexical = {row.chunk_id: row.score for row in lexical}
    assert sorted(ids(ranked)) == sorted(in_dense.keys() | in_lexical.keys())
    for chunk_id, scores in ranked:
        assert (scores.dense, scores.lexical) == (in_dense.get(chunk_id), in_lexical.get(chunk_id))


@given(RANKINGS, RANKINGS, WEIGHTS)
def test_fused_scores_are_within_0_and_1_best_first_and_ties_go_by_id(
    dense: list[Scored], lexical: list[Scored], weight: float
) -> None:
    ranked = fuse(dense, lexical, dense_weight=weight)
    assert all(0 <= scores.fused <= 1 for _, scores in ranked)
    order = [(-scores.fused, chunk_id) for chunk_id, scores in ranked]
    assert order == sorted(order)


@given(RANKINGS, RANKINGS, WEIGHTS)
def test_a_chunk_that_is_no_worse_in_both_lists_is_no_worse_fused(
    dense: list[Scored], lexical: list[Scored], weight: float
) -> None:
    fused = dict(fuse(dense, lexical, dense_weight=weight))
    both = [scores for scores in fused.values() if scores.dense is not None and scores.lexical is not None]
    for one in both:
        for other in both:
            if one.dense >= other.dense and one.lexical >= other.lexical:  # type: ignore[operator]
                assert one.fused >= other.fused


@given(RANKINGS, RANKINGS, WEIGHTS, st.floats(0.5, 4), st.floats(-5, 5))
def test_only_the_distances_within_a_list_matter_not_its_scale(
    dense: list[Scored], lexical: list[Scored], weight: float, factor: float, shift: float
) -> None:
    stretched = [Scored(row.chunk_id, factor * row.score + shift) for row in lexical]
    before = dict(fuse(dense, lexical, dense_weight=weight))
    after = dict(fuse(dense, stretched, dense_weight=weight))
    assert {id_: scores.fused for id_, scores in after.items()} == pytest.approx(
        {id_: scores.fused for id_, scores in before.items()}, abs=1e-6
    )


@pytest.mark.parametrize(("weight", "expected"), [(1, ["a", "b", "c"]), (0, ["c", "b", "a"])])
def test_a_weight_of_0_or_1_ranks_by_one_list_alone(weight: float, expected: list[str]) -> None:
    dense = [Scored("a", 0.9), Scored("b", 0.5), Scored("c", 0.1)]
    lexical = [Scored("c", 12.0), Scored("b", 7.0), Scored("a", 3.0)]
    assert ids(fuse(dense, lexical, dense_weight=weight)) == expected


def test_scores_are_the_weighted_sum_of_both_lists_scaled() -> None:
    dense = [Scored("a", 0.9), Scored("b", 0.6), Scored("c", 0.4)]
    lexical = [Scored("b", 10.0), Scored("d", 4.0)]
    fused = {id_: scores.fused for id_, scores in fuse(dense, lexical, dense_weight=0.75)}
    assert fused == pytest.approx({"a": 0.75, "b": 0.75 * 0.4 + 0.25, "c": 0.0, "d": 0.0})


def test_chunks_of_one_score_all_count_fully() -> None:
    tied = [Scored("b", 3.0), Scored("a", 3.0)]
    assert [(id_, scores.fused) for id_, scores in fuse(tied, [], dense_weight=0.5)] == [("a", 0.5), ("b", 0.5)]
    assert fuse([Scored("a", -1.0)], [], dense_weight=1)[0][1].fused == 1


def test_empty_lists_rank_nothing() -> None:
    assert fuse([], [], dense_weight=0.5) == only([], is_dense=True) == []


def test_one_ranking_alone_stays_as_it_is() -> None:
    ranking = [Scored("b", 7.5), Scored("a", 2.0)]
    assert only(ranking, is_dense=True) == [("b", Scores(7.5, None, 7.5)), ("a", Scores(2.0, None, 2.0))]
    assert only(ranking, is_dense=False) == [("b", Scores(None, 7.5, 7.5)), ("a", Scores(None, 2.0, 2.0))]
