"""The best hits once more, read together with the question."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rag_api.core.hits import Hit
from rag_api.errors import RerankerUnavailable


class Reranker(Protocol):
    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """The relevance of each text. Raises RerankerUnavailable."""
        ...


class Reranking:
    """`candidates`: how many hits are read; `timeout_s`: how long a search waits for that."""

    def __init__(self, reranker: Reranker, *, candidates: int, timeout_s: float) -> None:
        self._reranker = reranker
        self._timeout_s = timeout_s
        self.candidates = candidates

    async def reranked(self, query: str, hits: Sequence[Hit]) -> list[Hit]:
        """The best `candidates` of the hits in their new order, then the others. Raises RerankerUnavailable."""
        read = hits[: self.candidates]
        texts = [f"{hit.chunk.title}\n{hit.chunk.text}" if hit.chunk.title else hit.chunk.text for hit in read]
        try:
            async with asyncio.timeout(self._timeout_s):
                scores = await self._reranker.rerank(query, texts)
        except TimeoutError as error:
            raise RerankerUnavailable(f"the reranker took longer than {self._timeout_s:g} s") from error
        order = sorted(range(len(read)), key=lambda at: (-scores[at], at))
        best = [replace(read[at], scores=read[at].scores._replace(rerank=scores[at])) for at in order]
        return [replace(hit, rank=rank) for rank, hit in enumerate([*best, *hits[len(read) :]], start=1)]
