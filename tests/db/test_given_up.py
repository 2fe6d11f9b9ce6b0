"""Versions and jobs that were given up: nothing is written for them any more, and nothing of them stays."""

from sqlalchemy import func, select

from rag_api.db import documents, jobs, reaping, upkeep
from rag_api.db.database import Database
from rag_api.db.jobs import Work
from rag_api.db.tables import texts
from tests.db.catalogue import accept, add, key_of, new_collection, status, write_chunks


async def reap(db: Database) -> None:
    async with db.write() as rows:
        await reaping.forget(rows, await reaping.remains(rows, limit=50))


async def kept_texts(db: Database) -> int:
    async with db.read() as rows:
        return int((await rows.execute(select(func.count()).select_from(texts))).scalar_one())


async def queue(db: Database, file: str = "file", document_id: str | None = None) -> str:
    collection = await new_collection(db, f"of-{file}")
    async with db.write() as rows:
        return await jobs.queue(rows, Work(collection.id, "a.txt", "text/plain", file, document_id, 1))


async def test_what_parsing_finds_out_after_the_document_was_deleted_is_not_kept(db: Database) -> None:
    key = key_of(collection := await new_collection(db), await accept(db, collection, "a.txt"))
    async with db.write() as rows:
        await documents.delete_document(rows, key.document_id)
    await reap(db)
    await write_chunks(db, key, "late one", "late two")
    assert await kept_texts(db) == 0


async def test_a_queued_version_that_is_overtaken_is_reaped_whatever_becomes_of_the_newer_one(db: Database) -> None:
    collection = await new_collection(db)
    first = key_of(collection, await accept(db, collection, "a.txt", "first"))
    second = key_of(collection, await accept(db, collection, "a.txt", "second"))
    assert (await status(db, first), await status(db, second)) == ("superseded", "queued")
    await reap(db)
    assert await status(db, first) is None


async def test_a_published_version_stays_until_the_next_one_is_published(db: Database) -> None:
    collection = await new_collection(db)
    first = await add(db, collection, "a.txt", "first")
    await accept(db, collection, "a.txt", "second")
    await reap(db)
    assert await status(db, first) == "ready"


async def test_a_worker_does_not_claim_what_it_has_in_hand_after_its_lease_ran_out(db: Database) -> None:
    job_id = await queue(db)
    async with db.write() as rows:
        assert [job.id for job in await jobs.claim(rows, "worker", count=1, lease_s=-1)] == [job_id]
        assert await jobs.claim(rows, "worker", count=1, lease_s=30, besides=[job_id]) == []
        assert [job.id for job in await jobs.claim(rows, "other", count=1, lease_s=30)] == [job_id]


async def test_a_job_that_is_another_workers_by_now_can_not_be_finished(db: Database) -> None:
    job_id = await queue(db)
    async with db.write() as rows:
        await jobs.claim(rows, "first", count=1, lease_s=-1)
        await jobs.claim(rows, "second", count=1, lease_s=30)
        assert not await jobs.finish(rows, job_id, "first", "cancelled")
        assert await jobs.finish(rows, job_id, "second", "done")


async def test_files_are_known_as_long_as_a_version_or_an_unfinished_bulk_load_has_them(db: Database) -> None:
    bulk = await queue(db, "bulk")
    async with db.write() as rows:
        assert await upkeep.known_files(rows) == {"bulk"}
        await jobs.claim(rows, "worker", count=1, lease_s=30)
        await jobs.finish(rows, bulk, "worker", "done")
        assert await upkeep.known_files(rows) == set()
