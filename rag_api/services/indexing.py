"""Where the pipeline's chunks go: the catalogue first, which is the truth, then the two indexes derived from it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from typing import TypeVar

import numpy as np

from ingest.documents import VersionKey
from ingest.ports import EmbeddedChunk, Vectors
from rag_api.core.ports import Embedder, LexicalIndex, VectorStore
from rag_api.db import chunks, versions
from rag_api.db.database import Database
from rag_api.errors import Unavailable
from rag_api.telemetry import log

T = TypeVar("T")
FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 1.0


async def patiently(call: Callable[[], Awaitable[T]], *, patience_s: float) -> T:
    """Repeats a call while what it needs is starting or busy, for a limited time. The last refusal is raised."""
    loop = asyncio.get_running_loop()
    deadline, wait_s = loop.time() + patience_s, FIRST_WAIT_S
    while True:
        try:
            return await call()
        except Unavailable as error:
            if loop.time() + wait_s > deadline:
                raise
            log(__name__).debug("waiting", reason=str(error))
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


class PatientEmbedder:
    """The pipeline's embedder: waits for one that is being started again."""

    def __init__(self, embedder: Embedder, *, patience_s: float) -> None:
        self._embedder = embedder
        self._patience_s = patience_s

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return await patiently(lambda: self._embedder.embed_documents(texts), patience_s=self._patience_s)


class CatalogueSink:
    """A ChunkSink. Chunks of several generations may share a batch."""

    def __init__(self, db: Database, store: VectorStore, lexical: LexicalIndex, *, patience_s: float) -> None:
        self._db = db
        self._store = store
        self._lexical = lexical
        self._patience_s = patience_s

    async def index(self, items: Sequence[EmbeddedChunk]) -> None:
        async with self._db.write() as db:
            await chunks.write(db, items)
        ordered = sorted(items, key=lambda item: item.version.generation_id)
        for generation_id, group in groupby(ordered, key=lambda item: item.version.generation_id):
            mine = list(group)
            ids = [item.version.chunk_id(item.chunk.index) for item in mine]
            vectors = np.stack([item.vector for item in mine])
            await asyncio.gather(
                self._lexical.write(generation_id, mine),
                self._upsert(generation_id, ids, vectors),
            )

    async def _upsert(self, generation_id: str, ids: Sequence[str], vectors: Vectors) -> None:
        await patiently(lambda: self._store.upsert(generation_id, ids, vectors), patience_s=self._patience_s)

    async def publish(self, keys: Sequence[VersionKey]) -> None:
        for generation_id in {key.generation_id for key in keys}:
            await self._lexical.commit(generation_id)
        async with self._db.write() as db:
            await versions.publish(db, keys)
