"""Whether the parts that an answer needs are there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rag_api.core.ports import VectorStore
from rag_api.db import collections, jobs
from rag_api.db.database import Database
from rag_api.errors import RagError

CHECK_S = 5.0


class Pinged(Protocol):
    async def ping(self) -> None: ...


class Processes(Protocol):
    async def states(self) -> Mapping[str, str]:
        """The supervised processes by name: starting, running, restarting or failed; empty without a supervisor."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    ready: bool
    checks: Mapping[str, str]


class Health:
    def __init__(self, db: Database, embedder: Pinged, store: VectorStore, processes: Processes) -> None:
        self._db = db
        self._embedder = embedder
        self._store = store
        self._processes = processes
        self.starting = "the service is starting"

    async def check(self) -> Readiness:
        """Each dependency by name with `ok` or what is wrong. A worker that is being started again is only shown."""
        names = ("catalogue", "embedder", "chroma")
        results = await asyncio.gather(*(_said(check) for check in (self._catalogue, self._embed, self._store.ping)))
        checks = dict(zip(names, results, strict=True))
        worker = (await self._processes.states()).get("worker", "unknown")
        if self.starting:
            checks["start"] = self.starting
        ready = all(said == "ok" for said in checks.values()) and worker != "failed"
        return Readiness(ready, checks | {"worker": "ok" if worker == "running" else worker})

    async def _catalogue(self) -> None:
        async with self._db.read() as db:
            await jobs.has_free(db)

    async def _embed(self) -> None:
        await self._embedder.ping()

    async def stats(self) -> dict[str, Any]:
        async with self._db.read() as db:
            counts = await collections.counts(db)
            by_state = await jobs.counts(db)
        return {**counts, "vectors": counts["chunks"], "jobs": by_state}


async def _said(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            await check()
    except TimeoutError:
        return f"no reply within {CHECK_S:g} s"
    except RagError as error:
        return str(error)
    return "ok"
