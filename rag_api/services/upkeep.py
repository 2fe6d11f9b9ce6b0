"""The worker's housekeeping, one thing at a time: indexes that agree with the catalogue, and nothing left behind."""

import asyncio
import time
from typing import Protocol

from rag_api.db import collections, upkeep
from rag_api.db.database import Database
from rag_api.errors import Unavailable, VectorStoreBroken, VectorStoreUnavailable
from rag_api.services.indexing import CatalogueSink, patiently
from rag_api.services.reaper import Reaper
from rag_api.services.reconciler import Reconciler
from rag_api.telemetry import log

PAUSE_S = 1.0
CHECKED_FACT = "vector store checked"
RESTART_S = 60.0
RELIEF_S = 60.0
SWEEP_S = 3600.0
POLL_S = 0.1


class VectorStoreProcess(Protocol):
    """The vector store's process, where this service runs it."""

    async def incarnation(self) -> str | None:
        """Changes whenever it is started anew; None while it does not run, a constant where it is not ours."""
        ...

    async def cannot_start(self) -> bool:
        """It ends by itself again and again, as it does over files that it can't read."""
        ...

    async def memory_bytes(self) -> int:
        """0 where it is not ours, or nobody knows."""
        ...

    async def restart(self) -> None:
        """Asks for an end and a start."""
        ...

    async def empty(self) -> bool:
        """Asks for a start with empty files; False where it is not ours to ask."""
        ...


class Upkeep:
    """Whoever has the turn of the `sink` keeps others from writing to the indexes. A vector store with more than
    `memory_bytes` is started again, as it keeps every index that was ever asked for; 0: never."""

    def __init__(
        self,
        db: Database,
        reaper: Reaper,
        reconciler: Reconciler,
        process: VectorStoreProcess,
        sink: CatalogueSink,
        *,
        memory_bytes: int = 0,
    ) -> None:
        self._db = db
        self._reaper = reaper
        self._reconciler = reconciler
        self._process = process
        self._sink = sink
        self._memory_bytes = memory_bytes
        self._relief_at = 0.0
        self._checked: str | None = None
        self._sweep_at = 0.0
        self.turn = asyncio.Lock()

    async def run(self) -> None:
        while True:
            busy = False
            try:
                async with self.turn:
                    busy = await self.once()
            except Unavailable as error:
                log(__name__).warning("waiting", reason=str(error))
            if not busy:
                await asyncio.sleep(PAUSE_S)

    async def once(self) -> bool:
        """A little of everything; whether there may be more."""
        incarnation = await self._process.incarnation()
        if incarnation and incarnation != self._checked:
            await self.check(incarnation)
        elif await self._process.cannot_start():
            log(__name__).error("vector store does not start, it begins anew with empty files")
            await self.begin_anew()
        if self._memory_bytes and time.monotonic() >= self._relief_at:
            await self._relieve()
        if time.monotonic() >= self._sweep_at:
            await self._reaper.remove_unknown_files()
            self._sweep_at = time.monotonic() + SWEEP_S
        return await self._reaper.reap_some()

    async def check(self, incarnation: str) -> None:
        """Compares the indexes with the catalogue, and mends them; a store beyond mending is begun anew."""
        try:
            await self._reconciler.reconcile()
        except VectorStoreBroken as error:
            log(__name__).error("vector store beyond mending", reason=str(error))
            if not await self.begin_anew():
                raise
            return
        await self._db.change(collections.note, CHECKED_FACT, incarnation)
        self._checked = incarnation

    async def begin_anew(self) -> bool:
        """An empty vector store, filled from the catalogue; False where the store is not ours to empty."""
        before = await self._process.incarnation()
        await self._reconciler.announce()
        if not await self._process.empty():
            return False
        await self.check(await self._another(before))
        return True

    async def _relieve(self) -> None:
        """Nothing is written meanwhile, so what the store has in its files is whole and need not be compared again."""
        has = await self._process.memory_bytes()
        if has <= self._memory_bytes:
            return
        async with self._sink.turn:
            before = await self._process.incarnation()
            if before is None or before != self._checked:
                return
            log(__name__).info("vector store started again", bytes=has, limit=self._memory_bytes)
            await self._process.restart()
            now = await self._another(before)
        await self._db.change(collections.note, CHECKED_FACT, now)
        self._checked = now
        self._relief_at = time.monotonic() + RELIEF_S

    async def _another(self, before: str | None) -> str:
        """The incarnation that follows, when it listens."""
        for _ in range(round(RESTART_S / POLL_S)):
            now = await self._process.incarnation()
            if now and now != before:
                await patiently(self._reconciler.ping, patience_s=RESTART_S)  # it runs before it listens
                return now
            await asyncio.sleep(POLL_S)
        raise VectorStoreUnavailable(f"Chroma has not been started again within {RESTART_S:.0f} s")

    async def reap_all(self) -> None:
        while await self._reaper.reap_some():
            pass
        async with self._db.write() as db:
            for file in await upkeep.forget_gone(db):
                await self._reaper.delete_file(file)
