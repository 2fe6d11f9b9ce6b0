from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.hits import Scored, Scores
from rag_api.core.ranking import Fusion, fuse, only

CANDIDATES = 8
IDS = st.sampled_from([f"doc:1:{i}" for i in range(8)])
RANKINGS = st.dictionaries(IDS, st.floats(0, 1).map(lambda score: round(score, 3)), max_size=CANDIDATES).map(
    lambda scores: sorted((Scored(id_, score) for id_, score in scores.items()), key=lambda row: -row.score)
)
FUSIONS = st.builds(Fusion, st.floats(0, 1), st.floats(0, 1))


def ids(ranked: Sequence[tuple[str, Scores]]) -> list[str]:
    return [chunk_id for chunk_id, _ in ranked]


def sums(
    dense: list[Scored], lexical: list[Scored], fusion: Fusion, *, candidates: int = CANDIDATES
) -> dict[str, float]:
    return {id_: scores.fused for id_, scores in fuse(dense, lexical, fusion=fusion, candidates=candidates)}


@given(RANKINGS, RANKINGS, FUSIONS)
def test_every_chunk_of_either_list_is_ranked_once_with_its_own_scores(
    dense: list[Scored], lexical: list[Scored], fusion: Fusion
) -> None:
    ranked = fuse(dense, lexical, fusion=fusion, candidates=CANDIDATES)
    in_dense = {row.chunk_id: row.score for row in dense}
    in_lexical = {row.chunk_id: row.score for row in lexical}
    assert sorted(ids(ranked)) == sorted(in_dense.keys() | in_lexical.keys())
    for chunk_id, scores in ranked:
        assert (scores.dense, scores.lexical) == (in_dense.get(chunk_id), in_lexical.get(chunk_id))


@given(RANKINGS, RANKINGS, FUSIONS)
def test_fused_scores_are_within_their_bounds_best_first_and_ties_go_by_id(
    dense: list[Scored], lexical: list[Scored], fusion: Fusion
) -> None:
    ranked = fuse(dense, lexical, fusion=fusion, candidates=CANDIDATES)
    assert all(-1e-9 <= scores.fused <= 1 + fusion.neighbour_weight + 1e-9 for _, scores in ranked)
    order = [(-scores.fused, chunk_id) for chunk_id, scores in ranked]
    assert order == sorted(order)


@given(RANKINGS, RANKINGS, st.floats(0, 1))
def test_a_chunk_that_is_no_worse_in_both_lists_is_no_worse_fused(
    dense: list[Scored], lexical: list[Scored], weight: float
) -> None:
    fused = dict(fuse(dense, lexical, fusion=Fusion(weight), candidates=CANDIDATES))
    both = [scores for scores in fused.values() if scores.dense is not None and scores.lexical is not None]
    for one in both:
        for other in both:
            if one.dense >= other.dense and one.lexical >= other.lexical:  # type: ignore[operator]
                assert one.fused >= other.fused


@given(RANKINGS, RANKINGS, st.floats(0, 1), st.floats(0, 0.9))
def test_an_embedder_whose_cosines_begin_higher_ranks_alike_when_its_floor_is_told(
    dense: list[Scored], lexical: list[Scored], weight: float, floor: float
) -> None:
    raised = [Scored(row.chunk_id, floor + (1 - floor) * row.score) for row in dense]
    expected = sums(dense, lexical, Fusion(weight))
    assert sums(raised, lexical, Fusion(weight, floor=floor)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("weight", "expected"), [(1, ["a", "b", "c"]), (0, ["c", "b", "a"])])
def test_a_weight_of_0_or_1_ranks_by_one_list_alone(weight: float, expected: list[str]) -> None:
    dense = [Scored("a", 0.9), Scored("b", 0.5), Scored("c", 0.1)]
    lexical = [Scored("c", 0.6), Scored("b", 0.4), Scored("a", 0.1)]
    assert ids(fuse(dense, lexical, fusion=Fusion(weight), candidates=CANDIDATES)) == expected


def test_what_a_full_list_does_not_name_counts_as_its_last() -> None:
    dense = [Scored("a", 0.9), Scored("b", 0.6)]
    lexical = [Scored("b", 0.5), Scored("c", 0.2)]
    expected = {"a": 0.75 * 0.9 + 0.25 * 0.2, "b": 0.75 * 0.6 + 0.25 * 0.5, "c": 0.75 * 0.6 + 0.25 * 0.2}
    assert sums(dense, lexical, Fusion(0.75), candidates=2) == pytest.approx(expected)


def test_what_a_lexical_list_with_room_does_not_name_has_none_of_the_words() -> None:
    found = sums([Scored("a", 0.9), Scored("b", 0.6)], [Scored("b", 0.5)], Fusion(0.5), candidates=2)
    assert found == pytest.approx({"a": 0.45, "b": 0.55})


def test_a_chunk_beside_a_good_one_is_worth_more_than_the_same_elsewhere() -> None:
    dense = [
        Scored("x:1:4", 0.9),
        Scored("y:1:5", 0.5),
        Scored("x:1:5", 0.5),
        Scored("x:10:3", 0.3),
        Scored("z:1:9", 0.1),
    ]
    found = sums(dense, [], Fusion(1, 0.5))
    expected = {"x:1:4": 0.9 + 0.2, "x:1:5": 0.5 + 0.4, "y:1:5": 0.5, "x:10:3": 0.3, "z:1:9": 0.1}
    assert found == pytest.approx(expected)


def test_without_one_index_the_other_ranks_alone() -> None:
    ranking = [Scored("a:1:0", 0.9), Scored("b:1:0", 0.6)]
    assert sums(ranking, [], Fusion(0.5)) == pytest.approx({"a:1:0": 0.45, "b:1:0": 0.3})
    assert sums([], ranking, Fusion(0.5)) == pytest.approx({"a:1:0": 0.45, "b:1:0": 0.3})


def test_empty_lists_rank_nothing() -> None:
    assert list(fuse([], [], fusion=Fusion(0.5, 0.5), candidates=CANDIDATES)) == list(only([], is_dense=True)) == []


def test_one_ranking_alone_stays_as_it_is() -> None:
    ranking = [Scored("b", 7.5), Scored("a", 2.0)]
    assert list(only(ranking, is_dense=True)) == [("b", Scores(7.5, None, 7.5)), ("a", Scores(2.0, None, 2.0))]
    assert list(only(ranking, is_dense=False)) == [("b", Scores(None, 7.5, 7.5)), ("a", Scores(None, 2.0, 2.0))]
