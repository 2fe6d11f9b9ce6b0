import time

from rag_api.core.explaining import Stopwatch, explain
from rag_api.core.hits import Hit, Scores
from tests.core.values import hit

RANKED = [
    ("a:1:0", Scores(0.5, 0.9, 0.7)),
    ("b:1:0", Scores(0.8, 0.4, 0.6)),
    ("c:1:0", Scores(None, 0.8, 0.4)),
    ("d:1:0", Scores(0.3, None, 0.2)),
    ("e:1:0", Scores(0.2, None, 0.1)),
]


def named(chunk_id: str, text: str, rerank: float | None = None) -> Hit:
    one = hit(text)
    chunk = type(one.chunk)(**{name: getattr(one.chunk, name) for name in one.chunk.__slots__} | {"chunk_id": chunk_id})
    return Hit(1, chunk, Scores(None, None, 0.5, rerank))


def test_each_candidate_has_its_ranks_and_its_fate() -> None:
    texts = {"a:1:0": "ferry", "b:1:0": "gull", "c:1:0": "ferry", "d:1:0": "wind"}
    told = explain(RANKED, [named("a:1:0", "ferry")], top_k=1, texts=texts, passing={"a:1:0", "b:1:0", "c:1:0"})
    assert [one.chunk_id for one in told] == [chunk_id for chunk_id, _ in RANKED]
    assert [one.fate for one in told] == ["shown", "below_top_k", "same_text", "filtered_out", "not_current"]
    assert [one.dense_rank for one in told] == [2, 1, None, 3, 4]
    assert [one.lexical_rank for one in told] == [1, 3, 2, None, None]
    assert [one.fused_rank for one in told] == [1, 2, 3, 4, 5]
    assert {one.rerank_rank for one in told} == {None}


def test_what_was_reranked_has_that_rank_too() -> None:
    read = [named("b:1:0", "gull", 0.9), named("a:1:0", "ferry", 0.2)]
    texts = {"a:1:0": "ferry", "b:1:0": "gull"}
    told = explain(RANKED[:2], read, top_k=1, texts=texts, passing=texts.keys())
    assert [(one.chunk_id, one.rerank_rank, one.fate) for one in told] == [
        ("a:1:0", 2, "below_top_k"),
        ("b:1:0", 1, "shown"),
    ]


def test_a_stage_that_comes_twice_is_added_up_even_when_it_fails() -> None:
    watch = Stopwatch()
    for _ in range(2):
        try:
            with watch.of("dense"):
                time.sleep(0.01)
                raise OSError
        except OSError:
            pass
    assert watch.timings_ms["dense"] >= 20
