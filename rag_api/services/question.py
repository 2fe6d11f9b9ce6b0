"""A question's vector, asked for once, and before it is known where to look: by the embedder that the collection had
last, which it most often still has."""

import asyncio

from ingest.ports import Vectors
from rag_api.core.ports import Embedders


class Question:
    """For one search, which ends it."""

    def __init__(self, embedders: Embedders, text: str) -> None:
        self._embedders = embedders
        self._text = text
        self._model: str | None = None
        self._asked: asyncio.Task[Vectors] | None = None

    def begin(self, model: str | None) -> None:
        if self._asked is None or self._model != model:
            self.end()
            self._model = model
            self._asked = asyncio.create_task(self._embed(model))

    async def vector(self, model: str | None) -> Vectors:
        """Raises what the embedder does."""
        self.begin(model)
        assert self._asked
        return await self._asked

    def end(self) -> None:
        """Whatever comes of it is nobody's any more."""
        if self._asked and not self._asked.cancel() and not self._asked.cancelled():
            self._asked.exception()

    async def _embed(self, model: str | None) -> Vectors:
        return await self._embedders.of(model).embed_query(self._text)
