"""The vectors of a generation as one matrix in a mapped file, for exact scores where a filter lets few chunks pass.

Derived from the catalogue like the indexes, and a cache of one process: it alone writes its file, a second process on
the same folder maps one without a name. A row is a record: chunk, number of chunks in its version, checksum, vector.
Whole versions are appended; a row counts when its checksum holds and its version's rows are all there, so whatever a
kill, a full disk or a power cut left of the last ones is no row. Removing blanks the records; when most are blank, the
others move to a new file that takes the old one's name. Who reads while rows come and go sees those of before or after,
and checks its hits against the catalogue anyway. Takes 64 bytes and 4 a dimension for each chunk, in memory only as
far as the system has it to spare.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ingest.ports import Vectors
from rag_api.backends.matrix_file import HEAD_FLOATS, Run, VectorFile
from rag_api.backends.matrix_scores import Query, Rows, State, best_of
from rag_api.backends.sharing import SharedCalls
from rag_api.core.hits import Scored
from rag_api.core.matrices import NOBODY, VersionVectors

Mask: TypeAlias = npt.NDArray[np.bool_]
SUFFIX = ".vectors"
BLANK_ROWS = 4_096  # that are no reason for a new file
ROWS_AT_ONCE, QUERIES_AT_ONCE = 8_192, 8  # are scored in less time than a thread takes to be asked
QUERIES_A_PASS, FEW_QUERIES = 50, 8


class Matrix:
    """Of one generation; for one event loop. `append` and `remove` are for one caller at a time."""

    def __init__(self, file: VectorFile, runs: Sequence[Run]) -> None:
        self._file = file
        self._state = _state(file, runs)
        self._owned: tuple[int, Rows] | None = None
        self._shared = SharedCalls(self._nearest, most=QUERIES_A_PASS, few=FEW_QUERIES)
        self._asked: list[tuple[Query, asyncio.Future[Sequence[Scored]]]] = []
        self.changes = 0

    @classmethod
    async def open(cls, path: Path, *, dimension: int) -> "Matrix":
        """With the whole versions that the file holds; with none where it can't be read as one."""
        return cls(*await asyncio.to_thread(VectorFile.open, path, dimension))

    @property
    def chunks(self) -> int:
        state = self._state
        return int(state.counts[list(state.slots.values())].sum())

    def versions(self) -> dict[str, int]:
        """What is there: the number of chunks by `document:version`."""
        state = self._state
        return {name: int(state.counts[slot]) for name, slot in state.slots.items()}

    async def append(self, versions: Sequence[VersionVectors]) -> None:
        """Whole versions that are not there yet. Raises OSError; none is there then."""
        fresh = [(f"{one.document_id}:{one.version}", one) for one in versions if len(one.vectors)]
        if not fresh:
            return
        start = await asyncio.to_thread(self._file.append, [one for _, one in fresh])
        old = self._state
        self.changes += 1
        counts = np.array([len(one.vectors) for _, one in fresh], dtype=np.int64)
        for name, _ in fresh:
            old.slots[name] = len(old.names)
            old.names.append(name)
        self._state = State(
            self._file.records,
            old.slots,
            old.names,
            np.concatenate([old.starts, start + np.cumsum(counts) - counts]),
            np.concatenate([old.counts, counts]),
            np.concatenate([old.owners, np.full(len(fresh), NOBODY)]),
        )

    async def remove(self, names: Iterable[str]) -> None:
        """Their rows are overwritten, so that nothing of them is left in the file."""
        old = self._state
        gone = [slot for name in names if (slot := old.slots.pop(name, None)) is not None]
        if not gone:
            return
        old.owners[gone] = NOBODY
        self.changes += 1
        await asyncio.to_thread(self._file.blank, [(int(old.starts[slot]), int(old.counts[slot])) for slot in gone])
        if self._file.length > 2 * self.chunks + BLANK_ROWS:
            await self._move()

    async def _move(self) -> None:
        """To a file without what was removed."""
        old = self._state
        kept = sorted(old.slots.values())
        owners = old.owners[kept]
        runs = [Run(old.names[slot], int(old.starts[slot]), int(old.counts[slot])) for slot in kept]
        self._file, moved = await asyncio.to_thread(self._file.move, runs)
        self._state = _state(self._file, moved)
        self._state.owners[:] = owners
        self.changes += 1

    def own(self, owners: Mapping[str, int]) -> set[str]:
        """Tells by which numbers masks know the documents of these versions. Those that are not there."""
        state = self._state
        self.changes += 1
        unknown: set[str] = set()
        for name, owner in owners.items():
            slot = state.slots.get(name)
            if slot is None:
                unknown.add(name)
            else:
                state.owners[slot] = owner
        return unknown

    def covered(self, mask: Mask) -> Mask:
        """Those of the numbers in a mask whose version is here."""
        owners = self._state.owners
        found = np.zeros_like(mask)
        found[owners[(owners != NOBODY) & (owners < len(mask))]] = True
        return found & mask

    def vectors(self, chunk_ids: Sequence[str]) -> Vectors:
        """Of shape (n, dimension); a row of a chunk that is not here is of NaN."""
        state = self._state
        rows = [NOBODY] * len(chunk_ids)
        for i, chunk_id in enumerate(chunk_ids):
            name, _, index = chunk_id.rpartition(":")
            slot = state.slots.get(name)
            if slot is not None and int(index) < state.counts[slot]:
                rows[i] = int(state.starts[slot]) + int(index)
        at = np.array(rows, dtype=np.int64)
        found = np.full((len(rows), state.records.shape[1] - HEAD_FLOATS), np.nan, dtype=np.float32)
        found[at != NOBODY] = state.records[at[at != NOBODY], HEAD_FLOATS:]
        return found

    async def best(self, vector: Vectors, mask: Mask, *, top_k: int) -> Sequence[Scored]:
        """The chunks with the highest scalar products, best first, of the documents that a mask lets pass."""
        state = self._state
        owners = np.where(state.owners < len(mask), state.owners, NOBODY)  # some came after the mask was made
        slots = np.flatnonzero(np.append(mask, False)[owners])
        [found] = await asyncio.to_thread(lambda: best_of(state, Rows.of(state, slots), [(vector, top_k)]))
        return found

    async def nearest(self, vector: Vectors, *, top_k: int) -> Sequence[Scored]:
        """The same of all documents that have a number. Of few rows for all who ask in one turn of the loop, else in a
        thread for all who wait."""
        if self._file.length > ROWS_AT_ONCE:
            return await self._shared.ask((vector, top_k))
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[Scored]] = loop.create_future()
        self._asked.append(((vector, top_k), answer))
        if len(self._asked) == 1:
            loop.call_soon(self._answer, loop)
        return await answer

    def _answer(self, loop: asyncio.AbstractEventLoop) -> None:
        asked, self._asked = self._asked[:QUERIES_AT_ONCE], self._asked[QUERIES_AT_ONCE:]
        if self._asked:
            loop.call_soon(self._answer, loop)
        asked = [(query, answer) for query, answer in asked if not answer.done()]
        try:
            found = best_of(self._state, self._all(), [query for query, _ in asked])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who asked
            for _, answer in asked:
                answer.set_exception(error)
            return
        for (_, answer), scored in zip(asked, found, strict=True):
            answer.set_result(scored)

    async def _nearest(self, queries: Sequence[Query]) -> list[Sequence[Scored]]:
        return await asyncio.to_thread(best_of, self._state, self._all(), queries)

    def _all(self) -> Rows:
        """Of all documents that have a number."""
        if self._owned is None or self._owned[0] != self.changes:
            self._owned = self.changes, Rows.of(self._state, np.flatnonzero(self._state.owners != NOBODY))
        return self._owned[1]

    async def close(self) -> None:
        await asyncio.to_thread(self._file.close)


class MatrixFolder:
    """The matrices of a process, by the names of their indexes. Raises OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Matrix] = {}

    async def open(self, index: str, *, dimension: int) -> Matrix:
        if index not in self._open:
            self._open[index] = await Matrix.open(self._folder / f"{index}{SUFFIX}", dimension=dimension)
        return self._open[index]

    def vectors(self, index: str, chunk_ids: Sequence[str]) -> Vectors | None:
        matrix = self._open.get(index)
        return matrix.vectors(chunk_ids) if matrix else None

    async def drop(self, index: str) -> None:
        if matrix := self._open.pop(index, None):
            await matrix.close()
        await asyncio.to_thread((self._folder / f"{index}{SUFFIX}").unlink, missing_ok=True)

    async def names(self) -> list[str]:
        """Of all that are there, open or not."""
        files = await asyncio.to_thread(lambda: list(self._folder.glob(f"*{SUFFIX}")))
        return sorted({file.name.removesuffix(SUFFIX) for file in files} | self._open.keys())

    async def close(self) -> None:
        for matrix in self._open.values():
            await matrix.close()
        self._open.clear()


def _state(file: VectorFile, runs: Sequence[Run]) -> State:
    return State(
        file.records,
        {run.name: slot for slot, run in enumerate(runs)},
        [run.name for run in runs],
        np.array([run.start for run in runs], dtype=np.int64),
        np.array([run.count for run in runs], dtype=np.int64),
        np.full(len(runs), NOBODY, dtype=np.int64),
    )
