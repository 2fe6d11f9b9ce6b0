"""Versions of documents: what was accepted, described, published, or failed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, delete, func, insert, select, update

from ingest.documents import VersionKey, new_id
from rag_api.db.database import Connection, now
from rag_api.db.scopes import note_changed
from rag_api.db.tables import documents, texts, versions


@dataclass(frozen=True, slots=True)
class Incoming:
    """What is known of a document before it is parsed; `file` is None where its text is a line of a bulk load."""

    source: str
    sha256: str
    bytes: int
    media_type: str
    title: str
    file: str | None = None
    bulk_job_id: str | None = None
    metadata: Mapping[str, Any] | None = None
    acl: Sequence[str] = ()
    again: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """`version` is None when the newest version has the same bytes already."""

    document_id: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Described:
    """What parsing found out about a version."""

    document_id: str
    version: int
    text: str
    title: str
    pages: int | None
    chunks: int
    metadata: Mapping[str, Any]
    embedded_title: str = ""
    sections: Sequence[tuple[int, Sequence[str]]] = ()
    page_starts: Sequence[tuple[int, int]] = ()


async def accept(db: Connection, collection_id: str, incoming: Sequence[Incoming]) -> list[Accepted]:
    """A queued version for each, the first or one more. The sources must differ. The same bytes as in the newest
    version, unless that failed or `again` is asked, make none; but a bulk load that was interrupted is given its own
    queued version once more."""
    known = await _newest(db, collection_id, [item.source for item in incoming])
    moment = now()
    fresh: list[dict[str, Any]] = []
    risen: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    accepted: list[Accepted] = []
    for item in incoming:
        row = known.get(item.source)
        if row and row.sha256 == item.sha256 and row.status != "failed" and not item.again:
            is_own = row.status == "queued" and item.bulk_job_id and row.bulk_job_id == item.bulk_job_id
            accepted.append(Accepted(row.id, row.newest if is_own else None))
            continue
        document_id, number = (row.id, row.newest + 1) if row else (new_id("doc"), 1)
        if row:
            risen.append({"of_id": document_id, "newest": number, "updated_at": moment})
        else:
            fresh.append({"id": document_id, "collection_id": collection_id, "source": item.source, "newest": 1,
                          "created_at": moment, "updated_at": moment})  # fmt: skip
        rows.append(_version_values(document_id, number, item, moment))
        accepted.append(Accepted(document_id, number))
    if fresh:
        await db.execute(insert(documents), fresh)
    if risen:
        await db.execute(update(documents).where(documents.c.id == bindparam("of_id")), risen)
        overtaken = and_(versions.c.document_id.in_([row["of_id"] for row in risen]), versions.c.status == "queued")
        await db.execute(update(versions).where(overtaken).values(status="superseded", reap=True))
    if rows:
        await db.execute(insert(versions), rows)
    return accepted


async def _newest(db: Connection, collection_id: str, sources: Sequence[str]) -> dict[str, Any]:
    query = (
        select(*(documents.c[name] for name in ("id", "source", "newest")), *_OF_NEWEST)
        .join(versions, and_(versions.c.document_id == documents.c.id, versions.c.number == documents.c.newest))
        .where(
            documents.c.collection_id == collection_id,
            documents.c.source.in_(sources),
            documents.c.deleted_at.is_(None),
        )
    )
    return {row.source: row for row in await db.execute(query)}


def _version_values(document_id: str, number: int, incoming: Incoming, moment: str) -> dict[str, Any]:
    return {
        "document_id": document_id,
        "number": number,
        "status": "queued",
        "sha256": incoming.sha256,
        "file": incoming.file,
        "bulk_job_id": incoming.bulk_job_id,
        "bytes": incoming.bytes,
        "media_type": incoming.media_type,
        "title": incoming.title,
        "metadata": dict(incoming.metadata or {}),
        "acl": list(incoming.acl),
        "created_at": moment,
    }


async def describe(db: Connection, found: Sequence[Described]) -> None:
    """Writes what parsing found out about unpublished versions, unless they were given up; again replaces it."""
    keys = await _still_queued(db, found)
    found = [item for item in found if {"of_id": item.document_id, "of_version": item.version} in keys]
    if not found:
        return
    is_key = and_(texts.c.document_id == bindparam("of_id"), texts.c.version == bindparam("of_version"))
    await db.execute(delete(texts).where(is_key), keys)
    await db.execute(
        insert(texts),
        [
            {
                "document_id": item.document_id,
                "version": item.version,
                "text": item.text,
                "sections": list(item.sections),
                "pages": list(item.page_starts),
            }
            for item in found
        ],
    )
    await db.execute(
        update(versions).where(_IS_BOUND),
        [
            key
            | {
                "title": item.title,
                "embedded_title": item.embedded_title,
                "pages": item.pages,
                "chunks": item.chunks,
                "metadata": dict(item.metadata),
            }
            for key, item in zip(keys, found, strict=True)
        ],
    )


async def publish(db: Connection, keys: Sequence[VersionKey]) -> None:
    """Moves each document's pointer to its version, never back; what that replaces is left to `reaping`.

    A version that has been given up meanwhile, as its job was cancelled, stays unpublished.
    """
    bound = await _still_queued(db, keys)
    if not bound:
        return
    await db.execute(
        update(documents)
        .where(
            documents.c.id == bindparam("of_id"),
            documents.c.deleted_at.is_(None),
            func.coalesce(documents.c.current, 0) < bindparam("of_version"),
        )
        .values(current=bindparam("of_version"), updated_at=now()),
        bound,
    )
    pointers = select(documents.c.id, documents.c.current).where(documents.c.id.in_([row["of_id"] for row in bound]))
    current = {row.id: row.current for row in await db.execute(pointers)}
    moved = [row for row in bound if current.get(row["of_id"]) == row["of_version"]]
    if moved:
        await db.execute(update(versions).where(_IS_BOUND).values(status="ready"), moved)
    if overtaken := [row for row in bound if row not in moved]:
        await db.execute(update(versions).where(_IS_BOUND).values(status="superseded", reap=True), overtaken)
    if replacing := [row for row in moved if row["of_version"] > 1]:
        is_older = and_(versions.c.document_id == bindparam("of_id"), versions.c.number < bindparam("of_version"))
        await db.execute(update(versions).where(is_older).values(status="superseded", reap=True), replacing)
    await note_changed(db, [row["of_id"] for row in moved])


async def _still_queued(db: Connection, keys: Sequence[VersionKey | Described]) -> list[dict[str, Any]]:
    of_documents = versions.c.document_id.in_([key.document_id for key in keys])
    query = select(versions.c.document_id, versions.c.number).where(of_documents, versions.c.status == "queued")
    queued = {(row.document_id, row.number) for row in await db.execute(query)}
    return [
        {"of_id": key.document_id, "of_version": key.version}
        for key in keys
        if (key.document_id, key.version) in queued
    ]


async def status_of(db: Connection, document_id: str, version: int) -> str | None:
    query = select(versions.c.status).where(_is_version(document_id, version))
    return (await db.execute(query)).scalar_one_or_none()


async def newest(db: Connection, document_id: str) -> int | None:
    """The number of the newest version; None when the document is deleted."""
    query = select(documents.c.newest).where(documents.c.id == document_id, documents.c.deleted_at.is_(None))
    return (await db.execute(query)).scalar_one_or_none()


async def fail(db: Connection, document_id: str, version: int, code: str, message: str) -> None:
    """The version stays listed with its reason; what it left is reaped."""
    await db.execute(
        update(versions)
        .where(_is_version(document_id, version), versions.c.status == "queued")
        .values(status="failed", error_code=code, error_message=message, reap=True)
    )


async def fail_lines(db: Connection, bulk_job_id: str, code: str, message: str) -> None:
    """Those of a bulk load's lines that nobody will publish any more."""
    await db.execute(
        update(versions)
        .where(versions.c.bulk_job_id == bulk_job_id, versions.c.status == "queued")
        .values(status="failed", error_code=code, error_message=message, reap=True)
    )


async def is_reaped(db: Connection, document_id: str, version: int) -> bool:
    """Whether what a version left has been removed, or it is gone altogether."""
    query = select(versions.c.reap).where(_is_version(document_id, version))
    return not (await db.execute(query)).scalar_one_or_none()


async def requeue(db: Connection, document_id: str, version: int) -> bool:
    """Whether it can be tried again: it has failed, is not replaced, and nothing of it is being removed any more."""
    again = await db.execute(
        update(versions)
        .where(_is_version(document_id, version), versions.c.status == "failed", versions.c.reap.is_(False))
        .values(status="queued", error_code=None, error_message=None)
    )
    return bool(again.rowcount)


_OF_NEWEST = (versions.c.sha256, versions.c.status, versions.c.bulk_job_id)
_IS_BOUND = and_(versions.c.document_id == bindparam("of_id"), versions.c.number == bindparam("of_version"))


def _is_version(document_id: str, number: int) -> Any:
    return and_(versions.c.document_id == document_id, versions.c.number == number)
