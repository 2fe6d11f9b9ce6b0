import pytest

from rag_api.db import jobs
from rag_api.db.database import Database
from rag_api.db.jobs import Work
from rag_api.db.rows import JobRow

EXPIRED_S = -1.0


async def queue(db: Database, source: str = "a.txt", document_id: str | None = "doc_1", version: int = 1) -> str:
    work = Work("col_1", source, "text/plain", "file", metadata={"year": 2024}, acl=["staff"], title="A title")
    async with db.write() as rows:
        return await jobs.queue(rows, work.of_version(document_id, version) if document_id else work)


async def claim(db: Database, worker: str = "w1", *, count: int = 10, lease_s: float = 60) -> list[str]:
    async with db.write() as rows:
        return [job.id for job in await jobs.claim(rows, worker, count=count, lease_s=lease_s)]


async def finish(db: Database, job_id: str, worker: str = "w1", state: str = "done") -> None:
    async with db.write() as rows:
        await jobs.finish(rows, job_id, worker, state, code="c" if state == "failed" else None, message="m")


async def heartbeat(db: Database, worker: str, *job_ids: str, lease_s: float = 60) -> set[str]:
    async with db.write() as rows:
        return await jobs.heartbeat(rows, worker, job_ids, lease_s=lease_s, news={})


async def cancel(db: Database, job_id: str) -> bool:
    async with db.write() as rows:
        return await jobs.cancel(rows, job_id)


async def retry(db: Database, job_id: str) -> bool:
    async with db.write() as rows:
        return await jobs.retry(rows, job_id)


async def job(db: Database, job_id: str) -> JobRow:
    async with db.read() as rows:
        found = await jobs.get(rows, job_id)
    assert found
    return found


async def state(db: Database, job_id: str) -> str:
    return (await job(db, job_id)).state


async def test_a_job_comes_back_as_it_was_queued(db: Database) -> None:
    row = await job(db, await queue(db))
    assert (row.collection_id, row.source, row.media_type, row.file) == ("col_1", "a.txt", "text/plain", "file")
    assert (row.document_id, row.version, row.title) == ("doc_1", 1, "A title")
    assert (row.metadata, row.acl, row.failures) == ({"year": 2024}, ["staff"], [])
    assert (row.state, row.stage, row.attempts, row.documents_total, row.started_at) == ("queued", "queued", 0, 1, None)
    assert (await job(db, await queue(db, document_id=None))).documents_total == 0
    async with db.read() as rows:
        assert await jobs.get(rows, "job_unknown") is None


async def test_the_oldest_jobs_are_claimed_first_and_each_by_one_worker(db: Database) -> None:
    ids = [await queue(db, f"{i}.txt") for i in range(5)]
    by_age = sorted([await job(db, id_) for id_ in ids], key=lambda row: (row.created_at, row.id))
    first, second = await claim(db, "w1", count=3), await claim(db, "w2", count=3)
    assert first + second == [row.id for row in by_age]
    assert await claim(db, "w3") == []
    claimed = await job(db, first[0])
    assert (claimed.state, claimed.stage, claimed.attempts) == ("running", "parse", 1)
    assert claimed.started_at is not None


async def test_a_job_whose_lease_has_ended_is_another_workers(db: Database) -> None:
    job_id = await queue(db)
    assert await claim(db, "dead", lease_s=EXPIRED_S) == [job_id]
    async with db.read() as rows:
        assert await jobs.has_free(rows)
    assert await claim(db, "alive") == [job_id]
    assert (await job(db, job_id)).attempts == 2
    assert await heartbeat(db, "dead", job_id) == {job_id}
    assert await heartbeat(db, "alive", job_id) == set()
    await finish(db, job_id, "dead", "failed")
    async with db.write() as rows:
        await jobs.progress(rows, job_id, "dead", {"chunks_done": 99})
    row = await job(db, job_id)
    assert (row.state, row.chunks_done) == ("running", 0)


async def test_a_heartbeat_keeps_a_job(db: Database) -> None:
    job_id = await queue(db)
    await claim(db, "w1", lease_s=EXPIRED_S)
    assert await heartbeat(db, "w1", job_id) == set()
    assert await claim(db, "w2") == []
    async with db.read() as rows:
        assert not await jobs.has_free(rows)


async def test_progress_is_seen_while_a_job_runs(db: Database) -> None:
    job_id = await queue(db)
    await claim(db)
    async with db.write() as rows:
        await jobs.progress(rows, job_id, "w1", {"stage": "embed", "chunks_done": 3, "failures": [{"source": "x"}]})
    row = await job(db, job_id)
    assert (row.stage, row.chunks_done, row.failures) == ("embed", 3, [{"source": "x"}])


async def test_a_finished_job_is_not_claimed_again(db: Database) -> None:
    job_id = await queue(db)
    await claim(db, lease_s=EXPIRED_S)
    await finish(db, job_id, state="failed")
    row = await job(db, job_id)
    assert (row.state, row.stage, row.error_code, row.error_message) == ("failed", "failed", "c", "m")
    assert row.finished_at is not None
    assert await claim(db) == []


async def test_cancelling_ends_a_queued_job_and_tells_the_worker_of_a_running_one(db: Database) -> None:
    running = await queue(db)
    await claim(db)
    queued = await queue(db, "b.txt")
    assert await cancel(db, queued) and await cancel(db, running)
    assert (await state(db, queued), await state(db, running)) == ("cancelled", "running")
    assert await claim(db, "w2") == []
    assert await heartbeat(db, "w1", running) == {running}
    await finish(db, running, state="cancelled")
    assert not await cancel(db, running)
    assert not await cancel(db, queued)
    assert not await cancel(db, "job_unknown")


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
async def test_a_job_that_ended_badly_can_be_tried_again_from_the_start(db: Database, ended: str) -> None:
    job_id = await queue(db)
    await claim(db)
    assert not await retry(db, job_id)
    async with db.write() as rows:
        await jobs.progress(rows, job_id, "w1", {"chunks_done": 3, "failures": [{"source": "x"}]})
    await cancel(db, job_id)
    await finish(db, job_id, state=ended)
    assert await retry(db, job_id)
    row = await job(db, job_id)
    assert (row.state, row.stage, row.attempts, row.cancel, row.chunks_done) == ("queued", "queued", 0, False, 0)
    assert (row.error_code, row.error_message, row.finished_at, row.failures) == (None, None, None, [])
    assert await claim(db, "w2") == [job_id]
    await finish(db, job_id, "w2")
    assert not await retry(db, job_id)


async def test_a_postponed_job_waits_its_time(db: Database) -> None:
    soon, later = await queue(db), await queue(db, "b.txt")
    await claim(db)
    async with db.write() as rows:
        await jobs.postpone(rows, soon, "w1", wait_s=EXPIRED_S, message="the embedder is away")
        await jobs.postpone(rows, later, "w1", wait_s=60, message="the embedder is away")
    assert (await job(db, later)).error_message == "the embedder is away"
    assert await claim(db, "w2") == [soon]
    assert (await job(db, soon)).attempts == 2


async def test_a_worker_that_ends_gives_its_jobs_back_as_if_untouched(db: Database) -> None:
    mine = await queue(db)
    await claim(db, "w1")
    others = await queue(db, "b.txt")
    await claim(db, "w2")
    async with db.write() as rows:
        await jobs.give_back(rows, "w1")
    row = await job(db, mine)
    assert (row.state, row.attempts) == ("queued", 0)
    assert await state(db, others) == "running"
    assert await claim(db, "w3") == [mine]


async def test_a_newer_version_ends_the_jobs_of_older_ones(db: Database) -> None:
    running = await queue(db, version=1)
    await claim(db)
    old, new, other = await queue(db, version=2), await queue(db, version=3), await queue(db, "b", "doc_2")
    async with db.write() as rows:
        await jobs.cancel_of_document(rows, "doc_1", before=3)
    assert [await state(db, id_) for id_ in (running, old, new, other)] == ["running", "cancelled", "queued", "queued"]
    assert (await job(db, old)).error_code == "superseded"
    assert await heartbeat(db, "w1", running) == {running}
    async with db.write() as rows:
        await jobs.cancel_of_document(rows, "doc_1")
    assert [await state(db, id_) for id_ in (new, other)] == ["cancelled", "queued"]


async def test_counts_name_every_state(db: Database) -> None:
    await queue(db)
    await claim(db)
    await cancel(db, await queue(db))
    async with db.read() as rows:
        assert await jobs.counts(rows) == {"queued": 0, "running": 1, "done": 0, "failed": 0, "cancelled": 1}
