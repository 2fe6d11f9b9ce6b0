"""Whether the parts that an answer needs are there."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rag_api.core.ports import VectorStore
from rag_api.db import collections, generations, jobs, upkeep
from rag_api.db.database import Database
from rag_api.errors import RagError
from rag_api.services.upkeep import CHECKED_FACT

CHECK_S = 5.0
BYTES_S = 10.0  # for which the measured bytes count
SILENT_S = 30.0
COMING = ("starting", "restarting")


class Pinged(Protocol):
    async def ping(self) -> None: ...


class Processes(Protocol):
    async def states(self) -> Mapping[str, str]:
        """The supervised processes by name: starting, running, restarting or failed; empty without a supervisor."""
        ...

    async def incarnation(self) -> str | None:
        """Of the vector store's process; None while it does not run."""
        ...


class Resting(Protocol):
    """A language model; its condition is what is wrong while it is left alone."""

    @property
    def name(self) -> str: ...

    def condition(self) -> str | None: ...


class Disk(Protocol):
    def measure(self) -> dict[str, int | None]:
        """Bytes by what they are for; None for what is kept elsewhere. Blocks."""
        ...


@dataclass(frozen=True, slots=True)
class Readiness:
    ready: bool
    checks: Mapping[str, str]


class Health:
    def __init__(
        self,
        db: Database,
        embedder: Pinged,
        store: VectorStore,
        processes: Processes,
        models: Sequence[Resting] = (),
        *,
        disk: Disk,
    ) -> None:
        self._db = db
        self._embedder = embedder
        self._store = store
        self._processes = processes
        self._models = models
        self._disk = disk
        self._measured: dict[str, int | None] = {}
        self._measured_at = -BYTES_S
        self._measuring = asyncio.Lock()
        self.starting = "the service is starting"

    async def check(self) -> Readiness:
        """Each dependency by name with `ok` or what is wrong.

        A worker that is being started again is only shown, and so are language models: search goes on without them.
        """
        asked = {
            "catalogue": self._catalogue,
            "embedder": self._embed,
            "chroma": self._store.ping,
            "vectors": self._vectors,
            "worker": self._worker,
        }
        results = await asyncio.gather(*(_said(check) for check in asked.values()))
        checks = dict(zip(asked, results, strict=True))
        if self.starting:
            checks["start"] = self.starting
        ready = all(said in ("ok", *COMING) for said in checks.values())
        return Readiness(ready, checks | self._language_models())

    def _language_models(self) -> dict[str, str]:
        names = [model.name for model in self._models]
        numbers = [names[: i + 1].count(name) for i, name in enumerate(names)]
        shown = [f"language_model {name}{f' ({n})' if n > 1 else ''}" for name, n in zip(names, numbers, strict=True)]
        return {name: model.condition() or "ok" for name, model in zip(shown, self._models, strict=True)}

    async def _vectors(self) -> str | None:
        """The indexes are compared with the catalogue after each start of the vector store."""
        async with self._db.read() as db:
            unfinished = [row for row in await generations.alive(db) if not row.is_whole]
            checked = await collections.fact(db, CHECKED_FACT)
        if unfinished:
            done, total = (
                sum(column) for column in zip(*((row.rebuilt, row.to_rebuild) for row in unfinished), strict=True)
            )
            return f"being rebuilt from the catalogue, {done:,} of {total:,} are in; search is lexical meanwhile"
        return None if checked == await self._processes.incarnation() else "being compared with the catalogue"

    async def _worker(self) -> str | None:
        """Who does not take jobs must not take uploads in silence."""
        state = (await self._processes.states()).get("worker")
        if state in COMING or state == "failed":
            return state
        async with self._db.read() as db:
            silent_s = await upkeep.worker_silent_s(db)
            waiting = (await jobs.counts(db))["queued"]
        if silent_s is not None and silent_s < SILENT_S:
            return None
        since = "has ever been seen" if silent_s is None else f"has given a sign of life for {silent_s:.0f} s"
        return f"no worker {since}, {waiting} jobs wait; see to the worker's process, its log says more"

    async def _catalogue(self) -> None:
        await self._db.ask(jobs.has_free)

    async def _embed(self) -> None:
        await self._embedder.ping()

    async def stats(self) -> dict[str, Any]:
        async with self._db.read() as db:
            counts = await collections.counts(db)
            by_state = await jobs.counts(db)
        return {**counts, "vectors": counts["chunks"], "jobs": by_state, "bytes": await self._bytes()}

    async def _bytes(self) -> dict[str, int | None]:
        """Many files take a while, so who asks again soon, or at the same time, gets the same."""
        async with self._measuring:
            if time.monotonic() - self._measured_at >= BYTES_S:
                self._measured = await asyncio.to_thread(self._disk.measure)
                self._measured_at = time.monotonic()
        return self._measured


async def _said(check: Callable[[], Awaitable[str | None]]) -> str:
    try:
        async with asyncio.timeout(CHECK_S):
            return await check() or "ok"
    except TimeoutError:
        return f"no reply within {CHECK_S:g} s"
    except RagError as error:
        return str(error)
