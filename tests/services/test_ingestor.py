"""The worker's hold on its jobs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag_api.backends.doorbell import Doorbell
from rag_api.backends.files import FileStore
from rag_api.db import collections, jobs
from rag_api.db.database import Database, migrate
from rag_api.db.jobs import Work
from rag_api.db.rows import JobRow
from rag_api.services.ingestor import Ingestor, IngestorOptions
from rag_api.services.progress import Progress


class SlowLabour:
    """Counts how often a job was begun, and takes its time."""

    def __init__(self) -> None:
        self.begun = 0

    async def work(self, job: JobRow, progress: Progress) -> None:
        self.begun += 1
        await asyncio.sleep(60)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    await asyncio.to_thread(migrate, url)
    database = Database(url)
    yield database
    await database.close()


async def queue(db: Database) -> str:
    async with db.write() as rows:
        collection = await collections.create(rows, "faq")
        return await jobs.queue(rows, Work(collection.id, "lines.jsonl", "application/jsonl", "file"))


async def run_for(ingestor: Ingestor, seconds: float) -> None:
    task = asyncio.create_task(ingestor.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_job_in_hand_is_not_begun_again_though_its_lease_has_run_out(db: Database, tmp_path: Path) -> None:
    await queue(db)
    labour = SlowLabour()
    options = IngestorOptions(jobs=4, attempts=3, lease_s=-1)
    await run_for(
        Ingestor(db, FileStore(tmp_path / "files"), {"ingest": labour}, options, Doorbell(tmp_path / "doorbell")), 1.0
    )
    assert labour.begun == 1


async def test_a_cancelled_job_whose_worker_died_ends_without_being_begun(db: Database, tmp_path: Path) -> None:
    job_id = await queue(db)
    async with db.write() as rows:
        await jobs.claim(rows, "a worker that died", count=1, lease_s=-1)
        assert await jobs.cancel(rows, job_id)
    labour = SlowLabour()
    options = IngestorOptions(jobs=4, attempts=3, lease_s=30)
    await run_for(
        Ingestor(db, FileStore(tmp_path / "files"), {"ingest": labour}, options, Doorbell(tmp_path / "doorbell")), 1.0
    )
    async with db.read() as rows:
        job = await jobs.get(rows, job_id)
    assert job and (job.state, labour.begun) == ("cancelled", 0)
