import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from rag_api.errors import InvalidSettings, RerankerUnavailable
from rag_api.services.reranking import Reranking
from rag_api.settings import EmbedderSettings, RerankerSettings, Settings
from rag_api.wiring_retrieval import open_reranking
from tests.core.values import hit

HITS = [hit("the ferry", 1), hit("a gull", 2), hit("the wind", 3)]


class LongestFirst:
    def __init__(self, *, takes_s: float = 0.0) -> None:
        self._takes_s = takes_s
        self.read: list[str] = []

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        self.read += texts
        await asyncio.sleep(self._takes_s)
        return [float(len(text)) for text in texts]


async def test_the_read_hits_come_first_in_their_new_order_then_the_others() -> None:
    reranker = LongestFirst()
    found = await Reranking(reranker, candidates=2, timeout_s=5).reranked("?", [HITS[1], HITS[0], HITS[2]])
    assert [one.chunk.text for one in found] == ["the ferry", "a gull", "the wind"]
    assert [one.rank for one in found] == [1, 2, 3]
    assert [one.scores.rerank is None for one in found] == [False, False, True]
    assert found[0].score == found[0].scores.rerank and found[2].score == HITS[2].score
    assert len(reranker.read) == 2


async def test_hits_that_the_reranker_finds_alike_stay_as_they_were() -> None:
    found = await Reranking(LongestFirst(), candidates=3, timeout_s=5).reranked("?", [HITS[2], HITS[1]])
    tied = await Reranking(LongestFirst(), candidates=3, timeout_s=5).reranked("?", [HITS[1], HITS[1]])
    assert [one.chunk.text for one in found] == ["the wind", "a gull"]
    assert [one.rank for one in tied] == [1, 2]


async def test_a_reranker_that_is_late_is_unavailable() -> None:
    with pytest.raises(RerankerUnavailable, match=r"longer than 0\.01 s"):
        await Reranking(LongestFirst(takes_s=60), candidates=3, timeout_s=0.01).reranked("?", HITS)


@pytest.mark.parametrize(
    ("reranker", "embedder_url", "says"),
    [
        (RerankerSettings(kind="http"), "", "RAG_RERANKER__BASE_URL"),  # type: ignore[call-arg]
        (RerankerSettings(kind="cross_encoder"), "unix:/e", "needs RAG_RERANKER__MODEL"),  # type: ignore[call-arg]
        (RerankerSettings(kind="cross_encoder", model="x"), "http://e/v1", "own embedder process"),  # type: ignore[call-arg]
    ],
)
async def test_half_a_reranker_is_refused_at_the_start(
    reranker: RerankerSettings, embedder_url: str, says: str
) -> None:
    settings = Settings(reranker=reranker, embedder=EmbedderSettings(url=embedder_url))  # type: ignore[call-arg]
    async with AsyncExitStack() as stack:
        with pytest.raises(InvalidSettings, match=says):
            await open_reranking(settings, stack)
