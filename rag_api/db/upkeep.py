"""Jobs that are no ingestions, and what becomes of old jobs; who takes jobs at all."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, delete, func, insert, select

from ingest.documents import new_id
from rag_api.db.database import Connection, now
from rag_api.db.tables import documents, jobs, versions, workers

FORGET_WORKERS_S = 3600


async def queue_upkeep(
    db: Connection, kind: str, source: str, *, collection_id: str | None = None, generation_id: str | None = None
) -> str:
    """A job without a file: `reindex` of a collection into a generation, or `purge`."""
    job_id, moment = new_id("job"), now()
    await db.execute(
        insert(jobs).values(
            id=job_id,
            kind=kind,
            collection_id=collection_id,
            generation_id=generation_id,
            source=source,
            title="",
            media_type="",
            file="",
            metadata={},
            acl=[],
            state="queued",
            stage="queued",
            failures=[],
            run_after=moment,
            created_at=moment,
        )
    )
    return job_id


async def unfinished(db: Connection, kind: str, collection_id: str | None) -> str | None:
    """The job of that kind that waits or runs."""
    query = select(jobs.c.id).where(
        jobs.c.kind == kind, jobs.c.collection_id.is_not_distinct_from(collection_id), _IS_UNFINISHED
    )
    return (await db.execute(query.limit(1))).scalar_one_or_none()


async def waiting(db: Connection, kind: str) -> str | None:
    """A job of that kind that nobody has begun with."""
    query = select(jobs.c.id).where(jobs.c.kind == kind, jobs.c.state == "queued").limit(1)
    return (await db.execute(query)).scalar_one_or_none()


async def being_built(db: Connection) -> list[str]:
    """The generations that reindexing jobs build."""
    query = select(jobs.c.generation_id).where(jobs.c.kind == "reindex", _IS_UNFINISHED)
    return [generation_id for generation_id in (await db.execute(query)).scalars() if generation_id]


async def forget_gone(db: Connection) -> list[str]:
    """Removes ended jobs of documents that are no more; gives the files of bulk loads that ended without success."""
    is_gone = and_(jobs.c.document_id.is_not(None), jobs.c.document_id.not_in(select(documents.c.id)))
    await db.execute(delete(jobs).where(is_gone, ~_IS_UNFINISHED))
    bulk = and_(jobs.c.kind == "ingest", jobs.c.document_id.is_(None), ~_IS_UNFINISHED)
    return list((await db.execute(select(jobs.c.file).where(bulk))).scalars())


async def known_files(db: Connection) -> set[str]:
    """The originals that are kept: of versions, and of bulk loads that are not done."""
    of_versions = select(versions.c.file).where(versions.c.file.is_not(None))
    bulk = select(jobs.c.file).where(jobs.c.kind == "ingest", jobs.c.document_id.is_(None), jobs.c.state != "done")
    return {*(await db.execute(of_versions)).scalars(), *(await db.execute(bulk)).scalars()}


_IS_UNFINISHED = jobs.c.state.in_(("queued", "running"))


async def note_worker(db: Connection, worker: str) -> None:
    """A sign of life."""
    moment = datetime.now(UTC)
    old = (moment - timedelta(seconds=FORGET_WORKERS_S)).isoformat(timespec="milliseconds")
    await db.execute(delete(workers).where((workers.c.id == worker) | (workers.c.seen_at < old)))
    await db.execute(insert(workers).values(id=worker, seen_at=now()))


async def forget_worker(db: Connection, worker: str) -> None:
    await db.execute(delete(workers).where(workers.c.id == worker))


async def worker_silent_s(db: Connection) -> float | None:
    """For how long no worker has given a sign of life; None when none ever has."""
    seen = (await db.execute(select(func.max(workers.c.seen_at)))).scalar_one_or_none()
    return (datetime.now(UTC) - datetime.fromisoformat(seen)).total_seconds() if seen else None
