"""The worker's housekeeping, one thing at a time: indexes that agree with the catalogue, and nothing left behind."""

import asyncio
import time
from typing import Protocol

from rag_api.db import collections, upkeep
from rag_api.db.database import Database
from rag_api.errors import Unavailable, VectorStoreBroken, VectorStoreUnavailable
from rag_api.services.indexing import patiently
from rag_api.services.reaper import Reaper
from rag_api.services.reconciler import Reconciler
from rag_api.telemetry import log

PAUSE_S = 1.0
CHECKED_FACT = "vector store checked"
RESTART_S = 60.0
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

    async def empty(self) -> bool:
        """Asks for a start with empty files; False where it is not ours to ask."""
        ...


class Upkeep:
    def __init__(self, db: Database, reaper: Reaper, reconciler: Reconciler, process: VectorStoreProcess) -> None:
        self._db = db
        self._reaper = reaper
        self._reconciler = reconciler
        self._process = process
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
        for _ in range(round(RESTART_S / POLL_S)):
            now = await self._process.incarnation()
            if now and now != before:
                await patiently(self._reconciler.ping, patience_s=RESTART_S)  # it runs before it listens
                await self.check(now)
                return True
            await asyncio.sleep(POLL_S)
        raise VectorStoreUnavailable(f"Chroma has not been started again within {RESTART_S:.0f} s")

    async def reap_all(self) -> None:
        while await self._reaper.reap_some():
            pass
        async with self._db.write() as db:
            for file in await upkeep.forget_gone(db):
                await self._reaper.delete_file(file)
