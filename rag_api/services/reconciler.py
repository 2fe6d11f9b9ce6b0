"""Keeps the two indexes what the catalogue says they are.

Purpose: a crash, a damaged disk or a restored copy must not show in what is found.
Mechanism: when the worker starts, and whenever the vector store has been started anew, every generation is compared id
by id: what the catalogue does not know of is removed, what is missing is written again from the vectors it keeps. As
an index can list ids whose vectors it has lost, a sample of vectors is looked for, too. One that fails the test or
can't be read is dropped and filled anew; its progress stands in the generation's row, where searches see it and go on
with words alone. Embeds nothing.
Does not promise: to notice a loss of less than a hundredth of the vectors that leaves the ids in place.
"""

import asyncio
import random
from collections.abc import Collection, Set
from dataclasses import dataclass

import numpy as np

from rag_api.core.ports import LexicalIndex, VectorStore
from rag_api.db import generations, indexes
from rag_api.db.database import Database
from rag_api.errors import VectorStoreBroken
from rag_api.telemetry import log

SAMPLE = 300
SAME = 0.99  # a vector is its own nearest neighbour, up to rounding
ROWS_A_STEP = 500
MUCH = 200  # more than what was on its way when a process died
_NOTHING = (frozenset[str](), frozenset[str](), frozenset[str]())


@dataclass(frozen=True, slots=True)
class Drift:
    """What was found wrong in one generation, and mended: ids too many and missing, or an index filled anew."""

    generation_id: str
    vectors_extra: int = 0
    vectors_missing: int = 0
    words_extra: int = 0
    words_missing: int = 0
    rebuilt: bool = False

    def __bool__(self) -> bool:
        return self != Drift(self.generation_id)


class Reconciler:
    def __init__(self, db: Database, store: VectorStore, lexical: LexicalIndex) -> None:
        self._db = db
        self._store = store
        self._lexical = lexical

    async def ping(self) -> None:
        await self._store.ping()

    async def reconcile(self) -> list[Drift]:
        """Every generation in turn; what was wrong. Raises VectorStoreUnavailable when the store is away."""
        rows = await self._db.ask(generations.alive)
        found = [await self._one(row.id, is_unfinished=not row.is_whole) for row in rows]
        for drift in found:
            if drift:
                log(__name__).warning("indexes mended", **{name: getattr(drift, name) for name in Drift.__slots__})
        return found

    async def _one(self, generation_id: str, *, is_unfinished: bool) -> Drift:
        words_extra, words_missing = await self._words(generation_id)
        try:
            extra, missing, both = await self._difference(generation_id) if not is_unfinished else _NOTHING
            is_sound = not is_unfinished and await self._is_sound(generation_id, both)
        except VectorStoreBroken as error:
            log(__name__).warning("vector index unreadable", generation_id=generation_id, reason=str(error))
            is_sound = False
        if not is_sound:
            await self.rebuild(generation_id)
            return Drift(generation_id, 0, 0, words_extra, words_missing, rebuilt=True)
        if extra:
            await self._store.delete(generation_id, sorted(extra))
        if missing:
            await self._refill(generation_id, sorted(missing), len(both))
        return Drift(generation_id, len(extra), len(missing), words_extra, words_missing)

    async def _difference(self, generation_id: str) -> tuple[Set[str], Set[str], Set[str]]:
        """Ids too many, ids missing, and those that are in both.

        The index is read first: whatever it has, the catalogue had before.
        """
        there = await self._store.ids(generation_id)
        known = await indexes.ids(self._db, generation_id)
        return there - known, known - there, known & there

    async def _is_sound(self, generation_id: str, there: Collection[str]) -> bool:
        """Whether the vectors of ids that are there are found by asking for them."""
        sample = random.sample(sorted(there), min(SAMPLE, len(there)))
        chunks = await self._db.ask(indexes.some, generation_id, sample)
        if not chunks:
            return True
        nearest = await self._store.nearest(generation_id, np.stack([item.vector for item in chunks]))
        unfound = [
            item.version.chunk_id(item.chunk.index)
            for item, similarity in zip(chunks, nearest, strict=True)
            if similarity < SAME
        ]
        return not await self._store.lost(generation_id, unfound)

    async def _refill(self, generation_id: str, missing: list[str], there: int) -> None:
        """So many that searches would miss them are announced, and how far it is."""
        is_much = len(missing) > MUCH
        if is_much:
            await self._note(generation_id, there, there + len(missing))
        for at in range(0, len(missing), ROWS_A_STEP):
            await self._upsert(generation_id, missing[at : at + ROWS_A_STEP])
            if is_much:
                await self._note(generation_id, there + at, there + len(missing))
        if is_much:
            await self._note(generation_id, None, None)

    async def _note(self, generation_id: str, done: int | None, total: int | None) -> None:
        await self._db.change(generations.note_rebuilding, generation_id, done, total)

    async def _upsert(self, generation_id: str, ids: list[str]) -> None:
        chunks = await self._db.ask(indexes.some, generation_id, ids)
        if chunks:
            vectors = np.stack([item.vector for item in chunks])
            ids = [item.version.chunk_id(item.chunk.index) for item in chunks]
            await self._store.upsert(generation_id, ids, vectors, are_new=True)

    async def announce(self) -> None:
        """Says of all generations that their vectors are to be rebuilt, before they are gone."""
        async with self._db.write() as db:
            for row in await generations.alive(db):
                await generations.note_rebuilding(db, row.id, 0, await indexes.count(db, row.id))

    async def rebuild(self, generation_id: str) -> None:
        """The vector index anew, from the catalogue."""
        async with self._db.write() as db:
            total = await indexes.count(db, generation_id)
            await generations.note_rebuilding(db, generation_id, 0, total)
        await self._store.drop(generation_id)
        done = 0
        async for chunks in indexes.everything(self._db, generation_id, limit=ROWS_A_STEP):
            vectors = np.stack([item.vector for item in chunks])
            ids = [item.version.chunk_id(item.chunk.index) for item in chunks]
            await self._store.upsert(generation_id, ids, vectors, are_new=True)
            done += len(chunks)
            await self._note(generation_id, done, max(total, done))
        await self._note(generation_id, None, None)
        log(__name__).info("vector index rebuilt", generation_id=generation_id, chunks=done)

    async def _words(self, generation_id: str) -> tuple[int, int]:
        """Mends the lexical index; how many ids were too many, and how many missing."""
        there = await self._lexical.ids(generation_id)
        known = await indexes.ids(self._db, generation_id)
        extra, missing = there - known, sorted(known - there)
        if extra:
            await self._lexical.delete(generation_id, sorted(extra))
        for at in range(0, len(missing), ROWS_A_STEP):
            chunks = await self._db.ask(indexes.some, generation_id, missing[at : at + ROWS_A_STEP])
            await self._lexical.write(generation_id, chunks)
            await asyncio.sleep(0)
        if missing:
            await self._lexical.commit(generation_id)
        return len(extra), len(missing)

    async def rewrite_words(self, generation_id: str) -> None:
        """The lexical index anew, from the catalogue: nothing of what was deleted is left in its files."""
        await self._lexical.begin_anew(generation_id)
        async for chunks in indexes.everything(self._db, generation_id, limit=ROWS_A_STEP):
            await self._lexical.write_anew(generation_id, chunks)
        await self._lexical.replace(generation_id)
