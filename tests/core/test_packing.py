from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.packing import pack
from tests.core.values import hit

LENGTHS = st.lists(st.integers(0, 50), max_size=10)


@given(LENGTHS, st.integers(0, 200))
def test_the_best_hits_that_fit_are_passages_in_order(lengths: list[int], budget: int) -> None:
    hits = [hit("x" * length, rank) for rank, length in enumerate(lengths, start=1)]
    passages = pack(hits, budget_chars=budget)
    assert [passage.chunk for passage in passages] == [hit.chunk for hit in hits[: len(passages)]]
    assert [passage.n for passage in passages] == list(range(1, len(passages) + 1))
    if len(passages) > 1:
        assert sum(lengths[: len(passages)]) <= budget
    if len(passages) < len(hits):
        assert sum(lengths[: len(passages) + 1]) > budget


def test_the_first_always_fits_and_nothing_follows_what_does_not() -> None:
    assert [passage.chunk.text for passage in pack([hit("long"), hit("")], budget_chars=1)] == ["long"]
    packed = pack([hit("one"), hit("too long"), hit("x")], budget_chars=5)
    assert [passage.chunk.text for passage in packed] == ["one"]


def test_no_hits_are_no_passages() -> None:
    assert pack([], budget_chars=100) == []


def test_a_passage_keeps_its_score_and_its_similarity_to_the_question() -> None:
    dense, lexical = pack([hit("a", fused=0.9, dense=0.7), hit("b", fused=0.2, dense=None)], budget_chars=100)
    assert (dense.score, dense.similarity) == (0.9, 0.7)
    assert (lexical.score, lexical.similarity) == (0.2, None)
