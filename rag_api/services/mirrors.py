"""What searches ask, kept in this process beside the catalogue: a table of the documents and a matrix of the vectors.

Purpose: a filter is answered without reading rows, and never by what was; few vectors are scored exactly.
Mechanism: a collection's count of changes says whether its mirror is behind; then the changed documents are read before
the filter is answered. The first look reads them all, some at a time. The matrix follows in the background: chunks that
it does not have yet are scored from the catalogue or found by the vector index.
Bounds: the collections asked last, up to a number of documents and of collections; the others are let go.
Does not promise: that a hit still passes when it is shown. Whoever shows hits checks them against their rows.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count

import numpy as np

from ingest.ports import Vectors
from rag_api.core.matrices import Matrices, Matrix
from rag_api.db import scopes
from rag_api.db.database import Database
from rag_api.db.rows import GenerationRow
from rag_api.db.scopes import CollectionState
from rag_api.services.mirror import Mirror
from rag_api.telemetry import log

CHANGES_A_STEP = 200
LACKING_CHUNKS, CATCH_UP_S = 500, 0.03  # what a search has the matrix get first, and how long it waits for that
SAMPLE = 100
LOOK_S = 1.0
AFTER_FAILURE_S = 30.0


class Mirrors:
    def __init__(self, db: Database, matrices: Matrices, *, documents: int, collections: int) -> None:
        self._db = db
        self._matrices = matrices
        self._most_documents = documents
        self._most_collections = collections
        self._mirrors: dict[str, Mirror] = {}
        self._let_go: set[str] = set()
        self._kept: set[str] = set()
        self._clock = count(1)
        self._fillings: set[asyncio.Task[None]] = set()

    async def of(self, state: CollectionState) -> Mirror:
        """A mirror that shows at least what the state does."""
        mirror = self._mirrors.setdefault(state.collection_id, Mirror())
        mirror.asked = next(self._clock)
        await self._read(mirror, state)
        return mirror

    def whole(self, state: CollectionState, *, most_chunks: int) -> Mirror | None:
        """The collection's mirror, when its matrix has every vector that the state shows, and no more than so many."""
        mirror = self._mirrors.get(state.collection_id)
        if not mirror or not mirror.matrix or mirror.index != state.generation.id or mirror.seen < state.changed:
            return None
        mirror.asked = next(self._clock)
        return mirror if mirror.table.total_chunks <= most_chunks and mirror.has_all else None

    async def caught_up(self, state: CollectionState, *, most_chunks: int) -> Mirror | None:
        """The same, after the matrix has got what it lacks, unless that is much or takes long."""
        mirror = self._mirrors.get(state.collection_id)
        if not mirror or not self._may_catch_up(mirror, state, most_chunks):
            return None
        await self._read(mirror, state)
        if not self._may_catch_up(mirror, state, most_chunks):
            return None
        if mirror.filling is None or mirror.filling.done():
            mirror.filling = asyncio.create_task(self._filled(mirror, state.generation))
            self._fillings.add(mirror.filling)
            mirror.filling.add_done_callback(self._fillings.discard)
        await asyncio.wait([mirror.filling], timeout=CATCH_UP_S)
        return self.whole(state, most_chunks=most_chunks)

    def _may_catch_up(self, mirror: Mirror, state: CollectionState, most_chunks: int) -> bool:
        return (
            mirror.matrix is not None
            and mirror.index == state.generation.id
            and mirror.table.total_chunks <= most_chunks
            and mirror.lacks_at_most(LACKING_CHUNKS)
            and time.monotonic() >= mirror.fails_until
        )

    async def _filled(self, mirror: Mirror, generation: GenerationRow) -> None:
        try:
            async with mirror.turn:
                if mirror.matrix and mirror.index == generation.id:
                    await self._append(mirror, generation)
        except Exception as error:  # noqa: BLE001 - searches do without it, and who keeps it tries again
            mirror.fails_until = time.monotonic() + AFTER_FAILURE_S
            log(__name__).warning("a matrix is behind", reason=f"{type(error).__name__}: {error}")

    def chunks(self, *, more_than: int) -> int:
        """Of all collections that are kept and have more than so many."""
        return sum(many for mirror in self._mirrors.values() if (many := mirror.table.total_chunks) > more_than)

    def vectors(self, index: str, chunk_ids: Sequence[str]) -> Vectors | None:
        """As `Matrix.vectors`; None while that matrix is not open."""
        return self._matrices.vectors(index, chunk_ids)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Up to date in the background, until the end of the block."""
        task = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            tasks = [task, *self._fillings]
            for one in tasks:
                one.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._matrices.close()

    async def _keep(self) -> None:
        while True:
            pause_s = LOOK_S
            try:
                await self.catch_up()
            except Exception as error:  # noqa: BLE001 - searches do without it, and the next look may go well
                log(__name__).warning("mirrors are not kept up to date", reason=f"{type(error).__name__}: {error}")
                pause_s = AFTER_FAILURE_S
            await asyncio.sleep(pause_s)

    async def catch_up(self) -> None:
        """Everything that is kept shows the catalogue as it was when this began, the matrices as well."""
        states = await self._db.ask(scopes.states)
        for gone in self._mirrors.keys() - {state.collection_id for state in states}:
            del self._mirrors[gone]
        for state in states:
            if state.collection_id not in self._mirrors and not self._has_room(state):
                continue
            mirror = self._mirrors.setdefault(state.collection_id, Mirror())
            await self._read(mirror, state)
            if mirror.has_missed or mirror.table.is_sparse:
                mirror = await self._begun_anew(mirror, state)
            if self._mirrors.get(state.collection_id) is mirror:
                async with mirror.turn:
                    await self._fill(mirror, state.generation)
        await self._keep_only({mirror.index for mirror in self._mirrors.values() if mirror.index})

    def _has_room(self, state: CollectionState) -> bool:
        """What was let go comes back when it is asked for."""
        return (
            state.collection_id not in self._let_go
            and len(self._mirrors) < self._most_collections
            and sum(len(mirror.table) for mirror in self._mirrors.values()) < self._most_documents
        )

    async def _read(self, mirror: Mirror, state: CollectionState) -> None:
        if mirror.seen >= state.changed:
            return
        async with mirror.lock:
            mirror.has_missed |= 0 <= mirror.seen < state.forgotten
            while mirror.seen < state.changed:
                page = await self._db.ask(scopes.changes, state.collection_id, mirror.place, limit=CHANGES_A_STEP)
                for change in page:
                    mirror.take(change)
                if page:
                    mirror.place = (page[-1].count, page[-1].document_id)
                if len(page) < CHANGES_A_STEP:
                    mirror.seen = max(state.changed, mirror.place[0])
                await asyncio.sleep(0)
        self._make_room(state.collection_id)

    def _make_room(self, wanted: str) -> None:
        """Lets go of what was asked for longest ago."""
        while len(self._mirrors) > 1 and (
            len(self._mirrors) > self._most_collections
            or sum(len(mirror.table) for mirror in self._mirrors.values()) > self._most_documents
        ):
            others = [one for one in self._mirrors if one != wanted]
            oldest = min(others, key=lambda one: self._mirrors[one].asked)
            del self._mirrors[oldest]
            self._let_go.add(oldest)

    async def _begun_anew(self, old: Mirror, state: CollectionState) -> Mirror:
        """Beside the old one, which goes on answering; searches on their way do without its matrix."""
        new = Mirror()
        await self._read(new, state)
        async with old.turn:
            if self._mirrors.get(state.collection_id) is not old:
                return old
            new.asked, matrix, old.matrix = old.asked, old.matrix, None
            if matrix:
                new.attach(matrix, old.index)
            self._mirrors[state.collection_id] = new
        return new

    async def _fill(self, mirror: Mirror, generation: GenerationRow) -> None:
        if generation.dimension is None:
            return
        if mirror.index != generation.id:
            matrix = await self._opened(mirror.versions, generation.id, generation.dimension)
            mirror.attach(matrix, generation.id)
        assert mirror.matrix
        leaving, mirror.leaving = mirror.leaving, set()
        await mirror.matrix.remove(leaving)
        await self._append(mirror, generation)

    async def _append(self, mirror: Mirror, generation: GenerationRow) -> None:
        assert mirror.matrix
        while some := mirror.some_lacking():
            try:
                found = await self._db.ask(scopes.vectors, generation.id, some)
                await mirror.matrix.append(found)
            except BaseException:
                mirror.lacking.update((key, number) for key, number in some if mirror.versions.get(key) == number)
                raise
            mirror.own(found)

    async def _opened(self, current: dict[str, int], index: str, dimension: int) -> Matrix:
        """What its file holds is looked at, as it may be of another time than the catalogue; then it begins empty."""
        matrix = await self._matrices.open(index, dimension=dimension)
        there = sorted(matrix.versions().keys() & {f"{key}:{number}" for key, number in current.items()})
        sample = random.sample(there, min(SAMPLE, len(there)))
        keys = [(name.rpartition(":")[0], int(name.rpartition(":")[2])) for name in sample]
        for one in await self._db.ask(scopes.vectors, index, keys):
            ids = [f"{one.document_id}:{one.version}:{i}" for i in range(len(one.vectors))]
            if not np.array_equal(matrix.vectors(ids), one.vectors):
                log(__name__).warning("matrix of another time, it begins anew", index=index)
                await self._matrices.drop(index)
                return await self._matrices.open(index, dimension=dimension)
        return matrix

    async def _keep_only(self, wanted: set[str]) -> None:
        if wanted != self._kept:
            await asyncio.gather(*self._fillings, return_exceptions=True)  # of mirrors that were let go
            for index in set(await self._matrices.names()) - wanted:
                await self._matrices.drop(index)
            self._kept = wanted
