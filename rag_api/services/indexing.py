"""Where the pipeline's chunks go: the catalogue first, which is the truth, then the two indexes derived from it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from ingest.documents import VersionKey
from ingest.ports import EmbeddedChunk, NewChunk, Vectors
from rag_api.core.ports import LexicalIndex, VectorStore
from rag_api.db import chunks, generations, indexes, versions
from rag_api.db.database import Connection, Database
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


class CatalogueSink:
    """A ChunkSink. Chunks of several generations may share a batch.

    Rows go first, so that the indexes never hold what the catalogue does not know of; and only rows of versions that
    may yet be seen. One that is given up while its batch is on its way is removed again by whoever comes last: this
    sink, which looks once more when it has written, or the reaper.
    """

    def __init__(self, db: Database, store: VectorStore, lexical: LexicalIndex, *, patience_s: float) -> None:
        self._db = db
        self._store = store
        self._lexical = lexical
        self._patience_s = patience_s
        self.turn = asyncio.Lock()  # whoever holds it sees neither index change

    async def known(self, wanted: Sequence[NewChunk]) -> list[Vectors | None]:
        found: list[Vectors | None] = [None] * len(wanted)
        places_of: dict[str, list[int]] = {}
        for at, item in enumerate(wanted):
            places_of.setdefault(item.version.generation_id, []).append(at)
        for generation_id, places in places_of.items():
            vectors = await self._db.ask(indexes.known_vectors, generation_id, [wanted[at] for at in places])
            for at, vector in zip(places, vectors, strict=True):
                found[at] = vector
        return found

    async def index(self, items: Sequence[EmbeddedChunk]) -> None:
        async with self.turn:
            await self._index(items)

    async def _index(self, items: Sequence[EmbeddedChunk]) -> None:
        alive, are_new = await self._db.change(_write_living, items)
        items = [item for item in items if item.version in alive]
        for generation_id, mine in by_generation(items).items():
            ids = [item.version.chunk_id(item.chunk.index) for item in mine]
            vectors = np.stack([item.vector for item in mine])
            both = (self._write_words(generation_id, mine), self._upsert(generation_id, ids, vectors, are_new))
            for result in await asyncio.gather(*both, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
        given_up = alive - await self._db.ask(indexes.alive, alive)
        if given_up:
            await self._take_back([(item.version, item.chunk.index) for item in items if item.version in given_up])

    async def _write_words(self, generation_id: str, items: Sequence[EmbeddedChunk]) -> None:
        """Committed before the next batch comes: nothing waits in this process that could be lost with it."""

        async def write() -> None:
            await self._lexical.write(generation_id, items)
            await self._lexical.commit(generation_id)

        await patiently(write, patience_s=self._patience_s)

    async def _upsert(self, generation_id: str, ids: Sequence[str], vectors: Vectors, are_new: bool) -> None:
        still_new = are_new

        async def upsert() -> None:
            nonlocal still_new
            now, still_new = still_new, False  # a try that failed may have written some
            await self._store.upsert(generation_id, ids, vectors, are_new=now)

        await patiently(upsert, patience_s=self._patience_s)

    async def _take_back(self, given_up: Sequence[tuple[VersionKey, int]]) -> None:
        """From both indexes, then from the catalogue."""
        ids: dict[str, list[str]] = {}
        for key, index in given_up:
            ids.setdefault(key.generation_id, []).append(key.chunk_id(index))
        for generation_id, mine in ids.items():
            await self._remove(generation_id, mine)
        await self._db.change(chunks.forget, given_up)

    async def _remove(self, generation_id: str, ids: Sequence[str]) -> None:
        await patiently(lambda: self._store.delete(generation_id, ids), patience_s=self._patience_s)
        await self._lexical.delete(generation_id, ids)

    async def trim(self, counts: Mapping[VersionKey, int]) -> None:
        """Removes what earlier tries at these versions wrote after the chunks that they have now."""
        given_up = await self._db.ask(indexes.beyond, counts)
        if given_up:
            async with self.turn:
                await self._take_back(given_up)

    async def publish(self, counts: Mapping[VersionKey, int]) -> set[VersionKey]:
        async with self.turn:
            return await self._db.change(_publish, counts)


async def _write_living(db: Connection, items: Sequence[EmbeddedChunk]) -> tuple[set[VersionKey], bool]:
    """Writes the chunks of those versions that may yet be seen, which are given. Whether no index can have them yet."""
    alive = await indexes.alive(db, {item.version for item in items})
    living = [item for item in items if item.version in alive]
    return alive, await chunks.write(db, living) if living else True


async def _publish(db: Connection, counts: Mapping[VersionKey, int]) -> set[VersionKey]:
    alive = await indexes.alive(db, counts)
    whole = await indexes.whole(db, {key: counts[key] for key in alive})
    if whole:
        await generations.note_indexed(db, whole)
    refused = await generations.unused(db, alive) | (alive - whole.keys())
    await versions.publish(db, [key for key in counts if key in whole and key not in refused])
    return refused


def by_generation(items: Sequence[EmbeddedChunk]) -> dict[str, list[EmbeddedChunk]]:
    found: dict[str, list[EmbeddedChunk]] = {}
    for item in items:
        found.setdefault(item.version.generation_id, []).append(item)
    return found
