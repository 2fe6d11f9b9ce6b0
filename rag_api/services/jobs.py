"""Ingestions in the background, as those who wait for them see them."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import asdict

from rag_api.db import jobs, versions
from rag_api.db.database import Database
from rag_api.db.rows import JobRow, Page
from rag_api.errors import JobFinished, JobNotFound

FINAL_STATES = ("done", "failed", "cancelled")
POLL_S = 0.25
REAP_S = 10.0


class Jobs:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, job_id: str) -> JobRow:
        async with self._db.read() as db:
            row = await jobs.get(db, job_id)
        if row is None:
            raise JobNotFound(job_id)
        return row

    async def page(self, *, state: str | None, limit: int, cursor: str | None) -> Page[JobRow]:
        async with self._db.read() as db:
            return await jobs.page(db, state=state, limit=limit, cursor=cursor)

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
