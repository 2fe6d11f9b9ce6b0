"""Jobs are rows: claimed with a lease, kept alive by a heartbeat, free for another worker when that stops."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import and_, bindparam, func, insert, or_, select, update

from ingest.documents import new_id
from rag_api.db.database import Connection, now
from rag_api.db.prepared import prepared
from rag_api.db.rows import JobRow, Page, decode_cursor, encode_cursor
from rag_api.db.tables import jobs

_COLUMNS = [jobs.c[name] for name in JobRow.__dataclass_fields__]
_ONE = prepared(select(*_COLUMNS).where(jobs.c.id == bindparam("job_id")))


@dataclass(frozen=True, slots=True)
class Work:
    """What a job is to do: one file of a collection, as one document's version or, without one, as a bulk load.

    `owner` wants it, who sees what these `groups` see; None: everything."""

    collection_id: str
    source: str
    media_type: str
    file: str
    document_id: str | None = None
    version: int | None = None
    metadata: Mapping[str, Any] | None = None
    acl: Sequence[str] = ()
    title: str = ""
    owner: str = ""
    groups: Sequence[str] | None = None

    def of_version(self, document_id: str, version: int) -> "Work":
        return replace(self, document_id=document_id, version=version)


async def queue(db: Connection, work: Work) -> str:
    job_id, moment = new_id("job"), now()
    await db.execute(
        insert(jobs).values(
            id=job_id,
            collection_id=work.collection_id,
            document_id=work.document_id,
            version=work.version,
            source=work.source,
            title=work.title,
            media_type=work.media_type,
            file=work.file,
            metadata=dict(work.metadata or {}),
            acl=list(work.acl),
            owner=work.owner,
            groups=None if work.groups is None else list(work.groups),
            state="queued",
            stage="queued",
            documents_total=1 if work.document_id else 0,
            failures=[],
            run_after=moment,
            created_at=moment,
        )
    )
    return job_id


async def has_free(db: Connection) -> bool:
    return (await db.execute(select(jobs.c.id).where(_is_free(now())).limit(1))).first() is not None


def _is_free(moment: str) -> Any:
    return or_(
        and_(jobs.c.state == "queued", jobs.c.run_after <= moment),
        and_(jobs.c.state == "running", jobs.c.lease_until < moment),
    )


async def claim(
    db: Connection, worker: str, *, count: int, lease_s: float, besides: Collection[str] = ()
) -> list[JobRow]:
    """The oldest jobs that nobody has in hand, now this worker's until the lease ends.

    `besides`: those that it has in hand itself, though their leases may have run out while the machine slept.
    """
    moment = now()
    query = select(*_COLUMNS).where(_is_free(moment), jobs.c.id.not_in(besides))
    query = query.order_by(jobs.c.created_at, jobs.c.id).limit(count)
    query = query.with_for_update(skip_locked=True)  # SQLite's writers take turns anyway
    found = [JobRow(**row) for row in (await db.execute(query)).mappings()]
    if found:
        await db.execute(
            update(jobs)
            .where(jobs.c.id.in_([job.id for job in found]))
            .values(
                state="running",
                stage="parse",
                worker=worker,
                lease_until=_later(lease_s),
                attempts=jobs.c.attempts + 1,
                started_at=func.coalesce(jobs.c.started_at, moment),
            )
        )
    return found


async def heartbeat(
    db: Connection, worker: str, job_ids: Sequence[str], *, lease_s: float, news: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """Renews the leases and notes how far some of the jobs are; gives those that this worker must let go, as they were
    cancelled or are another's."""
    mine = and_(jobs.c.id.in_(job_ids), jobs.c.worker == worker, jobs.c.state == "running")
    await db.execute(update(jobs).where(mine).values(lease_until=_later(lease_s)))
    for job_id, values in news.items():
        await progress(db, job_id, worker, values)
    kept = (await db.execute(select(jobs.c.id).where(mine, jobs.c.cancel.is_(False)))).scalars()
    return set(job_ids) - set(kept)


async def progress(db: Connection, job_id: str, worker: str, values: Mapping[str, Any]) -> None:
    mine = (jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == "running")
    await db.execute(update(jobs).where(*mine).values(**values))


async def finish(
    db: Connection, job_id: str, worker: str, state: str, *, code: str | None = None, message: str | None = None
) -> bool:
    """False when the job is another worker's by now."""
    ended = await db.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == "running")
        .values(state=state, stage=state, error_code=code, error_message=message, finished_at=now(), lease_until=None)
    )
    return bool(ended.rowcount)


async def postpone(db: Connection, job_id: str, worker: str, *, wait_s: float, message: str) -> None:
    """Back into the queue, to be tried again after a while."""
    await db.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.state == "running")
        .values(state="queued", stage="queued", run_after=_later(wait_s), lease_until=None, error_message=message)
    )


async def give_back(db: Connection, worker: str) -> None:
    """A worker that ends in order leaves its jobs to the next one; that try does not count."""
    await db.execute(
        update(jobs)
        .where(jobs.c.worker == worker, jobs.c.state == "running")
        .values(state="queued", stage="queued", lease_until=None, attempts=jobs.c.attempts - 1)
    )


async def cancel(db: Connection, job_id: str) -> bool:
    """Ends a queued job at once and tells a running one's worker. False when it has ended already."""
    moment = now()
    ended = {"state": "cancelled", "stage": "cancelled", "finished_at": moment}
    queued = await db.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state == "queued").values(**ended))
    running = await db.execute(update(jobs).where(jobs.c.id == job_id, jobs.c.state == "running").values(cancel=True))
    return bool(queued.rowcount or running.rowcount)


async def cancel_of_document(db: Connection, document_id: str, *, before: int | None = None) -> None:
    """Overtaken or deleted: what is queued for older versions ends as superseded, what runs is told to stop."""
    await _cancel_all(db, jobs.c.document_id == document_id, *([jobs.c.version < before] if before else []))


async def cancel_of_collection(db: Connection, collection_id: str) -> None:
    await _cancel_all(db, jobs.c.collection_id == collection_id)


async def _cancel_all(db: Connection, *mine: Any) -> None:
    await db.execute(
        update(jobs)
        .where(*mine, jobs.c.state == "queued")
        .values(
            state="cancelled",
            stage="cancelled",
            finished_at=now(),
            error_code="superseded",
            error_message="a newer version of the document has been accepted, or it has been deleted",
        )
    )
    await db.execute(update(jobs).where(*mine, jobs.c.state == "running").values(cancel=True))


async def retry(db: Connection, job_id: str) -> bool:
    again = await db.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.state.in_(("failed", "cancelled")))
        .values(
            state="queued",
            stage="queued",
            cancel=False,
            attempts=0,
            run_after=now(),
            error_code=None,
            error_message=None,
            finished_at=None,
            failures=[],
            chunks_done=0,
            documents_done=0,
        )
    )
    return bool(again.rowcount)


async def get(db: Connection, job_id: str) -> JobRow | None:
    row = (await db.execute(_ONE, {"job_id": job_id})).first()
    return JobRow(*row) if row else None


async def page(
    db: Connection, *, state: str | None, limit: int, cursor: str | None, kind: str | None = None
) -> Page[JobRow]:
    """The newest first."""
    query = select(*_COLUMNS)
    if kind:
        query = query.where(jobs.c.kind == kind)
    if state:
        query = query.where(jobs.c.state == state)
    if cursor:
        created_at, id_ = decode_cursor("jobs", cursor)
        query = query.where((jobs.c.created_at < created_at) | and_(jobs.c.created_at == created_at, jobs.c.id < id_))
    query = query.order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit + 1)
    rows = [JobRow(**row) for row in (await db.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode_cursor("jobs", last.created_at, last.id) if last else None)


async def counts(db: Connection) -> dict[str, int]:
    found = await db.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state))
    known = {state: int(count) for state, count in found}
    return {state: known.get(state, 0) for state in ("queued", "running", "done", "failed", "cancelled")}


def _later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
