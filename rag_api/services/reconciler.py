"""Keeps the two indexes what the catalogue says they are.

Purpose: a crash, a damaged disk or a restored copy must not show in what is found.
Mechanism: when the worker starts, and whenever the vector store has been started anew, every generation is compared id
by id: what the catalogue does not know of is removed, what is missing is written again from the vectors it keeps. As
an index can list ids whose vectors it has lost, a sample of vectors is looked for, too. One that fails the test or
can't be read is dropped and filled anew; its progress stands in the generation's row, where searches see it and go on
with words alone. Embeds nothing. Ingestion goes on meanwhile: what differs is looked at again in the turn of those who
write, as it may only have been on its way.
Does not promise: to notice a loss of less than a hundredth of the vectors that leaves the ids in place.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterator, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from ingest.ports import EmbeddedChunk
from rag_api.core.ports import LexicalIndex, VectorStore
from rag_api.db import generations, indexes
from rag_api.db.database import Database
from rag_api.errors import VectorStoreBroken
from rag_api.telemetry import log

SAMPLE = 300
SAME = 0.99  # a vector is its own nearest neighbour, up to rounding
ROWS_A_STEP = 500
TURN_S = 5.0
MUCH = 200  # more than what was on its way when a process died


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


@dataclass(slots=True)
class _Mended:
    extra: int = 0
    missing: int = 0


class Reconciler:
    """Whoever has the `turn` sees neither index change."""

    def __init__(self, db: Database, store: VectorStore, lexical: LexicalIndex, turn: asyncio.Lock) -> None:
        self._db = db
        self._store = store
        self._lexical = lexical
        self._turn = turn
        self._turn_s = TURN_S  # it is waited for

    async def ping(self) -> None:
        await self._store.ping()

    async def reconcile(self) -> list[Drift]:
        """Every generation in turn; what was wrong. Raises VectorStoreUnavailable when the store is away."""
        self._turn_s = TURN_S
        rows = await self._db.ask(generations.alive)
        found = [await self._one(row.id, is_unfinished=not row.is_whole) for row in rows]
        for drift in found:
            if drift:
                log(__name__).warning("indexes mended", **{name: getattr(drift, name) for name in Drift.__slots__})
        return found

    async def _one(self, generation_id: str, *, is_unfinished: bool) -> Drift:
        words = await self._mend_words(generation_id)
        try:
            vectors = None if is_unfinished else await self._mend_vectors(generation_id)
        except VectorStoreBroken as error:
            log(__name__).warning("vector index unreadable", generation_id=generation_id, reason=str(error))
            vectors = None
        if vectors is None:
            await self.rebuild(generation_id)
            return Drift(generation_id, 0, 0, words.extra, words.missing, rebuilt=True)
        return Drift(generation_id, vectors.extra, vectors.missing, words.extra, words.missing)

    async def _mend_vectors(self, generation_id: str) -> _Mended | None:
        """None: of ids that are there the vectors are lost, and all are to be written anew.

        The index is read first: whatever it has, the catalogue had before.
        """
        there = await self._store.ids(generation_id)
        known = await indexes.ids(self._db, generation_id)
        if not await self._is_sound(generation_id, known & there):
            return None
        mended, done, total = _Mended(), len(known & there), len(known)
        for ids in _steps(known ^ there):
            async with self._settled() as is_alone:
                extra, missing = await self._differing(self._store, generation_id, ids)
                if mended.missing + len(missing) > MUCH:  # so many that searches would miss them, which is announced
                    await self._note(generation_id, done + mended.missing, total)
                if extra:
                    await self._store.delete(generation_id, extra)
                await self._upsert(generation_id, missing, are_new=is_alone)
            mended.extra += len(extra)
            mended.missing += len(missing)
        if mended.missing > MUCH:
            await self._note(generation_id, None, None)
        return mended

    async def _mend_words(self, generation_id: str) -> _Mended:
        there = await self._lexical.ids(generation_id)
        known = await indexes.ids(self._db, generation_id)
        mended = _Mended()
        for ids in _steps(known ^ there):
            async with self._settled():
                extra, missing = await self._differing(self._lexical, generation_id, ids)
                if extra:
                    await self._lexical.delete(generation_id, extra)
                if missing:
                    await self._lexical.write(generation_id, missing)
                    await self._lexical.commit(generation_id)
            mended.extra += len(extra)
            mended.missing += len(missing)
        return mended

    async def _differing(
        self, index: VectorStore | LexicalIndex, generation_id: str, ids: Sequence[str]
    ) -> tuple[list[str], list[EmbeddedChunk]]:
        """Of some ids those that the index has and the catalogue has not, and the chunks of those it should have."""
        there = await index.present(generation_id, ids)
        known = {_id(item): item for item in await self._db.ask(indexes.some, generation_id, ids)}
        return sorted(there - known.keys()), [item for id_, item in known.items() if id_ not in there]

    async def _is_sound(self, generation_id: str, there: Collection[str]) -> bool:
        """Whether the vectors of ids that are there are found by asking for them."""
        sample = random.sample(sorted(there), min(SAMPLE, len(there)))
        chunks = await self._db.ask(indexes.some, generation_id, sample)
        if not chunks:
            return True
        try:
            unfound = await self._unfound(generation_id, chunks)
        except VectorStoreBroken:  # as Chroma answers for a moment of one that is being written to for the first time
            async with self._settled():
                unfound = await self._unfound(generation_id, chunks)
        if not unfound:
            return True
        async with self._settled():  # one that is taken back leaves the index before the catalogue
            wanted = [_id(item) for item in await self._db.ask(indexes.some, generation_id, unfound)]
            return not await self._store.lost(generation_id, wanted)

    async def _unfound(self, generation_id: str, chunks: Sequence[EmbeddedChunk]) -> list[str]:
        nearest = await self._store.nearest(generation_id, np.stack([item.vector for item in chunks]))
        return [_id(item) for item, similarity in zip(chunks, nearest, strict=True) if similarity < SAME]

    @asynccontextmanager
    async def _settled(self) -> AsyncIterator[bool]:
        """In the turn of those who write; or without it, if they don't end, as they may wait for what is mended: that
        is found out once."""
        try:
            async with asyncio.timeout(self._turn_s):
                await self._turn.acquire()
        except TimeoutError:
            self._turn_s = 0.0
            yield False
            return
        try:
            yield True
        finally:
            self._turn.release()

    async def _note(self, generation_id: str, done: int | None, total: int | None) -> None:
        await self._db.change(generations.note_rebuilding, generation_id, done, total)

    async def _upsert(self, generation_id: str, chunks: Sequence[EmbeddedChunk], *, are_new: bool = True) -> None:
        if chunks:
            vectors = np.stack([item.vector for item in chunks])
            await self._store.upsert(generation_id, [_id(item) for item in chunks], vectors, are_new=are_new)

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
            async with self._settled():  # some may have been taken back since they were read
                there = await self._db.ask(indexes.some, generation_id, [*map(_id, chunks)])
                await self._upsert(generation_id, there)
            done += len(chunks)
            await self._note(generation_id, done, max(total, done))
        await self._note(generation_id, None, None)
        log(__name__).info("vector index rebuilt", generation_id=generation_id, chunks=done)

    async def rewrite_words(self, generation_id: str) -> None:
        """The lexical index anew, from the catalogue: nothing of what was deleted is left in its files."""
        await self._lexical.begin_anew(generation_id)
        async for chunks in indexes.everything(self._db, generation_id, limit=ROWS_A_STEP):
            await self._lexical.write_anew(generation_id, chunks)
        await self._lexical.replace(generation_id)


def _id(item: EmbeddedChunk) -> str:
    return item.version.chunk_id(item.chunk.index)


def _steps(ids: Set[str]) -> Iterator[list[str]]:
    every = sorted(ids)
    for at in range(0, len(every), ROWS_A_STEP):
        yield every[at : at + ROWS_A_STEP]
