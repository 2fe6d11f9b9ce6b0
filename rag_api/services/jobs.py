"""Work in the background, as those who ask for it and wait for it see it."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict

from rag_api.core.ports import Embedders
from rag_api.db import collections, generations, jobs, upkeep, versions
from rag_api.db.database import Database
from rag_api.db.rows import JobRow, Page
from rag_api.errors import InvalidRequest, JobFinished, JobNotFound, JobRunning

FINAL_STATES = ("done", "failed", "cancelled")
POLL_S = 0.25
REAP_S = 5.0  # within the time that open requests get when the service is stopped


class Jobs:
    def __init__(self, db: Database, embedders: Embedders) -> None:
        self._db = db
        self._embedders = embedders

    async def reindex(self, collection: str, *, embedder: str | None = None, back: bool = False) -> JobRow:
        """Builds a new generation with the embedder (None: the one of the settings), or catches up with the previous.

        Raises EmbedderUnavailable for a model that can't be loaded.
        """
        if embedder and back:
            raise InvalidRequest("`back` returns to the previous index and its embedder: leave `embedder` out")
        if not back:
            await self._embedders.of(embedder).identity()
        async with self._db.write() as db:
            row = await collections.get(db, collection)
            if running := await upkeep.unfinished(db, "reindex", row.id):
                raise JobRunning(f"collection {collection!r} is being indexed anew by job {running}; wait or cancel it")
            if back:
                if not row.previous_generation_id:
                    raise InvalidRequest(f"collection {collection!r} has no previous index to go back to")
                generation_id = row.previous_generation_id
            else:
                generation_id = await generations.create(db, row.id, embedder)
            job_id = await upkeep.queue_upkeep(
                db, "reindex", collection, collection_id=row.id, generation_id=generation_id
            )
        return await self.get(job_id)

    async def purge(self) -> JobRow:
        """Takes what is deleted out of all files; one that waits already is given instead of another."""
        async with self._db.write() as db:
            job_id = await upkeep.waiting(db, "purge") or await upkeep.queue_upkeep(db, "purge", "everything deleted")
        return await self.get(job_id)

    async def get(self, job_id: str) -> JobRow:
        row = await self._db.glance(jobs.get, job_id)
        if row is None:
            raise JobNotFound(job_id)
        return row

    async def page(self, *, state: str | None, limit: int, cursor: str | None) -> Page[JobRow]:
        return await self._db.ask(jobs.page, state=state, limit=limit, cursor=cursor)

    async def watch(self, job_id: str) -> AsyncGenerator[JobRow, None]:
        """The job now and after each change, until it has ended."""
        seen = None
        while True:
            row = await self.get(job_id)
            if asdict(row) != seen:
                seen = asdict(row)
                yield row
            if row.state in FINAL_STATES:
                return
            await asyncio.sleep(POLL_S)

    async def cancel(self, job_id: str) -> JobRow:
        row = await self.get(job_id)
        async with self._db.write() as db:
            if not await jobs.cancel(db, job_id):
                raise JobFinished(f"job {job_id!r} is {row.state} already and can't be cancelled")
            if row.document_id and row.version and row.state == "queued":
                await versions.fail(db, row.document_id, row.version, "cancelled", "its job was cancelled")
        return await self.get(job_id)

    async def _await_reaper(self, row: JobRow) -> None:
        """The worker first removes what a failed try left, or it might remove what the next one writes."""
        if not row.document_id or not row.version:
            return
        for _ in range(round(REAP_S / POLL_S)):
            async with self._db.read() as db:
                if await versions.is_reaped(db, row.document_id, row.version):
                    return
            await asyncio.sleep(POLL_S)
        raise JobFinished(f"what job {row.id!r} left is still being removed; try again when the worker runs")

    async def retry(self, job_id: str) -> JobRow:
        row = await self.get(job_id)
        await self._await_reaper(row)
        async with self._db.write() as db:
            if not await jobs.retry(db, job_id):
                raise JobFinished(f"job {job_id!r} is {row.state}; only failed and cancelled jobs can be tried again")
            if row.document_id and row.version and not await versions.requeue(db, row.document_id, row.version):
                raise JobFinished(f"job {job_id!r} is for a version that was replaced or deleted; upload the file anew")
        return await self.get(job_id)
