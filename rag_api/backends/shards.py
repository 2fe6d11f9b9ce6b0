"""Indexes cut into shards, each an index of another store.

Purpose: Chroma keeps a collection in memory as a whole as soon as it is written to or asked, 2 KB a chunk; of an index
in several collections it can let go those that nobody needs at the moment.
Mechanism: the first shard has the name of the index, the others a number after it. Rows go to the last shard that has
any until it is full, except those whose ids another one has already; as looking for them has Chroma read every shard,
nobody looks for new ones. Questions go to all shards at once.
Several processes: a shard is made when the one before it is half full, and every process looks for the next one at
most `LOOK_S` after the last time; so nobody asks without one that has rows, unless half a shard is filled in less time.
Does not promise: that a shard is never a little larger than `rows`, or that what was deleted leaves room for others.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from heapq import nlargest
from typing import Protocol

import numpy as np

from ingest.ports import Vectors
from rag_api.core.hits import Scored
from rag_api.core.ports import VectorStore

LOOK_S = 1.0


class ShardStore(VectorStore, Protocol):
    async def make(self, index: str) -> None:
        """An empty index, unless it is there."""
        ...

    async def has(self, index: str) -> bool: ...


class _Shards:
    """Of one index. `filling`: the place of the one that is written to, with some `filled` rows; -1: not known."""

    def __init__(self, index: str) -> None:
        self.names = [index]
        self.looked = -math.inf
        self.filling = -1
        self.filled = 0

    @property
    def next(self) -> str:
        return f"{self.names[0]}.{len(self.names) + 1}"

    def take(self, name: str) -> None:
        """A next one that is there; somebody else may have found it meanwhile."""
        if name == self.next:
            self.names.append(name)


class ShardedStore:
    """`rows`: of a shard; 0 never cuts."""

    def __init__(self, store: ShardStore, *, rows: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._rows = rows
        self._indexes: dict[str, _Shards] = {}
        self._writing = asyncio.Lock()

    async def upsert(self, index: str, ids: Sequence[str], vectors: Vectors, *, are_new: bool = False) -> None:
        async with self._writing:
            shards = await self._filling(index)
            left = list(range(len(ids)))
            others = [name for place, name in enumerate(shards.names) if place != shards.filling]
            for name in [] if are_new else others:
                present = await self._store.present(name, [ids[i] for i in left])
                await self._write(name, ids, vectors, [i for i in left if ids[i] in present])
                left = [i for i in left if ids[i] not in present]
            await self._write(shards.names[shards.filling], ids, vectors, left)
            await self._move_on(shards, len(left))

    async def _write(self, name: str, ids: Sequence[str], vectors: Vectors, which: Sequence[int]) -> None:
        if which:
            await self._store.upsert(name, [ids[i] for i in which], vectors[which])

    async def _filling(self, index: str) -> _Shards:
        shards = await self._all(index)
        if shards.filling > 0 and not await self._store.has(shards.names[shards.filling]):
            del self._indexes[index]  # another process has dropped it
            shards = await self._all(index)
        if shards.filling < len(shards.names) - 1:  # not known, or another process may have filled it meanwhile
            for place in reversed(range(len(shards.names))):
                shards.filling, shards.filled = place, await self._store.count(shards.names[place])
                if shards.filled:
                    break
            await self._move_on(shards, 0)
        return shards

    async def _move_on(self, shards: _Shards, written: int) -> None:
        shards.filled += written
        if not self._rows:
            return
        if shards.filled >= self._rows:  # or fewer, as some of them were there before
            shards.filled = await self._store.count(shards.names[shards.filling])
        if 2 * shards.filled >= self._rows and shards.filling == len(shards.names) - 1:
            name = shards.next
            await self._store.make(name)
            shards.take(name)
        if shards.filled >= self._rows:
            shards.filling, shards.filled = shards.filling + 1, 0

    async def query(self, index: str, vector: Vectors, *, top_k: int) -> Sequence[Scored]:
        shards = self._shards(index)
        names = list(shards.names)
        if not self._is_to_look(shards):
            return await self._query(names, vector, top_k)
        found, _ = await asyncio.gather(self._query(names, vector, top_k), self._look(shards))
        if len(shards.names) > len(names):
            found = _best([found, await self._query(shards.names[len(names) :], vector, top_k)], top_k)
        return found

    async def _query(self, names: Sequence[str], vector: Vectors, top_k: int) -> Sequence[Scored]:
        if len(names) == 1:
            return await self._store.query(names[0], vector, top_k=top_k)
        every = await asyncio.gather(*(self._store.query(name, vector, top_k=top_k) for name in names))
        return _best(every, top_k)

    async def nearest(self, index: str, vectors: Vectors) -> list[float]:
        best = np.full(len(vectors), -1.0)
        for name in (await self._all(index)).names:
            best = np.maximum(best, await self._store.nearest(name, vectors))
        found: list[float] = best.tolist()
        return found

    async def lost(self, index: str, chunk_ids: Sequence[str]) -> list[str]:
        left = list(chunk_ids)
        for name in (await self._all(index)).names:
            left = await self._store.lost(name, left)
        return left

    async def ids(self, index: str) -> set[str]:
        found: set[str] = set()
        for name in (await self._all(index)).names:
            found |= await self._store.ids(name)
        return found

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for name in (await self._all(index)).names:
            found |= await self._store.present(name, ids)
        return found

    async def delete(self, index: str, ids: Sequence[str]) -> None:
        names = (await self._all(index)).names
        for name in names:
            there = ids if len(names) == 1 else sorted(await self._store.present(name, ids))
            if there:
                await self._store.delete(name, there)

    async def drop(self, index: str) -> None:
        """From the last one on, so that those which are left when it is cut off are found."""
        async with self._writing:
            shards = await self._all(index)
            self._indexes.pop(index, None)
            for name in reversed(shards.names):
                await self._store.drop(name)

    async def count(self, index: str) -> int:
        return sum([await self._store.count(name) for name in (await self._all(index)).names])

    async def ping(self) -> None:
        await self._store.ping()

    def _shards(self, index: str) -> _Shards:
        return self._indexes.setdefault(index, _Shards(index))

    async def _all(self, index: str) -> _Shards:
        shards = self._shards(index)
        if self._rows:
            await self._look(shards)
        return shards

    def _is_to_look(self, shards: _Shards) -> bool:
        return bool(self._rows) and self._clock() >= shards.looked + LOOK_S

    async def _look(self, shards: _Shards) -> None:
        """For shards that another process has made."""
        shards.looked = self._clock()
        while await self._store.has(name := shards.next):
            shards.take(name)


def _best(every: Sequence[Sequence[Scored]], top_k: int) -> Sequence[Scored]:
    scores: dict[str, float] = {}
    for found in every:
        for scored in found:
            scores[scored.chunk_id] = max(scored.score, scores.get(scored.chunk_id, -1.0))
    return nlargest(top_k, (Scored(*item) for item in scores.items()), key=lambda scored: scored.score)
