"""Documents as people list, read and delete them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, select, update

from rag_api.db.database import Connection, now
from rag_api.db.rows import DocumentRow, Page, VersionRow, decode_cursor, encode_cursor, error_of
from rag_api.db.scopes import note_changed
from rag_api.db.tables import collections, documents, texts, versions

IDS_A_QUERY = 300


@dataclass(frozen=True, slots=True)
class KeptVersion:
    """A version by what it was made of; `file` is None where its text is a line of a bulk load."""

    source: str
    number: int
    status: str
    sha256: str
    file: str | None
    bytes: int
    media_type: str
    title: str
    metadata: Mapping[str, Any]
    acl: Sequence[str]


async def delete_document(db: Connection, document_id: str) -> None:
    moment = now()
    await db.execute(update(documents).where(documents.c.id == document_id).values(deleted_at=moment, current=None))
    await db.execute(
        update(versions).where(versions.c.document_id == document_id).values(status="superseded", reap=True)
    )
    await note_changed(db, [document_id])


async def change(db: Connection, document_id: str, version: int, values: Mapping[str, Any]) -> None:
    """Title, metadata or acl of a version, in place."""
    of_version = and_(versions.c.document_id == document_id, versions.c.number == version)
    await db.execute(update(versions).where(of_version).values(**values))
    await db.execute(update(documents).where(documents.c.id == document_id).values(updated_at=now()))
    await note_changed(db, [document_id])


async def alive(db: Connection, document_ids: Collection[str]) -> set[str]:
    """Those of them that are there."""
    found: set[str] = set()
    wanted = list(document_ids)
    for at in range(0, len(wanted), IDS_A_QUERY):
        query = (
            select(documents.c.id)
            .join(collections, collections.c.id == documents.c.collection_id)
            .where(
                documents.c.id.in_(wanted[at : at + IDS_A_QUERY]),
                documents.c.deleted_at.is_(None),
                collections.c.deleted_at.is_(None),
            )
        )
        found.update((await db.execute(query)).scalars())
    return found


async def get(db: Connection, collection_id: str, document_id: str) -> DocumentRow | None:
    query = _listed(collection_id).where(documents.c.id == document_id)
    row = (await db.execute(query)).mappings().first()
    return _document(row) if row else None


async def acls(db: Connection, document_ids: Collection[str]) -> dict[str, Sequence[str]]:
    """Who may see them, as they are shown now; of those that are there."""
    found: dict[str, Sequence[str]] = {}
    wanted = list(document_ids)
    for at in range(0, len(wanted), IDS_A_QUERY):
        query = (
            select(documents.c.id, _SHOWN.c.acl)
            .join(_SHOWN, and_(_SHOWN.c.document_id == documents.c.id, _SHOWN.c.number == _NUMBER))
            .where(documents.c.id.in_(wanted[at : at + IDS_A_QUERY]), documents.c.deleted_at.is_(None))
        )
        found |= {row.id: row.acl for row in await db.execute(query)}
    return found


async def acls_of_sources(
    db: Connection, collection_id: str, sources: Sequence[str], *, besides_bulk: str
) -> dict[str, tuple[Sequence[str], Sequence[str]]]:
    """Of the documents with these sources: who may see the shown version, and who the newest. Those are left out whose
    newest that bulk load has made."""
    found: dict[str, tuple[Sequence[str], Sequence[str]]] = {}
    for at in range(0, len(sources), IDS_A_QUERY):
        query = _listed(collection_id, documents.c.source, _SHOWN.c.acl, _NEWEST.c.acl)
        query = query.where(
            documents.c.source.in_(sources[at : at + IDS_A_QUERY]), _NEWEST.c.bulk_job_id.is_distinct_from(besides_bulk)
        )
        found |= {source: (shown, newest) for source, shown, newest in await db.execute(query)}
    return found


async def page(
    db: Connection, collection_id: str, *, status: str | None, limit: int, cursor: str | None
) -> Page[DocumentRow]:
    """In the order in which they first came."""
    query = _listed(collection_id)
    if status:
        query = query.where(_SHOWN.c.status == status)
    if cursor:
        created_at, id_ = decode_cursor("documents", cursor)
        after = and_(documents.c.created_at == created_at, documents.c.id > id_)
        query = query.where((documents.c.created_at > created_at) | after)
    query = query.order_by(documents.c.created_at, documents.c.id).limit(limit + 1)
    rows = [_document(row) for row in (await db.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode_cursor("documents", last.created_at, last.document_id) if last else None)


async def newest(db: Connection, collection_id: str, document_id: str) -> KeptVersion | None:
    columns = [versions.c[name] for name in KeptVersion.__dataclass_fields__ if name not in ("source", "number")]
    query = (
        select(documents.c.source, versions.c.number, *columns)
        .join(versions, and_(versions.c.document_id == documents.c.id, versions.c.number == documents.c.newest))
        .where(
            documents.c.id == document_id,
            documents.c.collection_id == collection_id,
            documents.c.deleted_at.is_(None),
        )
    )
    row = (await db.execute(query)).mappings().first()
    return KeptVersion(**row) if row else None


async def known_versions(db: Connection, document_id: str) -> list[VersionRow]:
    """The newest first: the current one, those on their way to replace it, and those that failed to."""
    columns = [versions.c[name] for name in ("status", "media_type", "chunks", "bytes", "sha256", "created_at")]
    query = (
        select(versions.c.number, documents.c.current, versions.c.error_code, versions.c.error_message, *columns)
        .join(documents, documents.c.id == versions.c.document_id)
        .where(versions.c.document_id == document_id, versions.c.status != "superseded")
        .order_by(versions.c.number.desc())
    )
    found: list[VersionRow] = []
    for row in (await db.execute(query)).mappings():
        values = dict(row)
        number, error = values.pop("number"), error_of(values.pop("error_code"), values.pop("error_message"))
        found.append(VersionRow(version=number, is_current=number == values.pop("current"), error=error, **values))
    return found


async def text(db: Connection, document_id: str, version: int) -> str | None:
    query = select(texts.c.text).where(texts.c.document_id == document_id, texts.c.version == version)
    return (await db.execute(query)).scalar_one_or_none()


async def listed(db: Connection, collection_id: str) -> list[Mapping[str, Any]]:
    """What a filter can see of each document that is listed, published or not."""
    rows = [_document(row) for row in (await db.execute(_listed(collection_id))).mappings()]
    return [{name: getattr(row, name) for name in _SEEN} for row in rows]


_SEEN = ("document_id", "source", "created_at", "title", "media_type", "metadata", "acl")
_SHOWN = versions.alias("shown")
_NEWEST = versions.alias("newest")
_NUMBER = func.coalesce(documents.c.current, documents.c.newest)
_COLUMNS = (
    documents.c.id,
    documents.c.source,
    documents.c.created_at,
    documents.c.updated_at,
    *(_SHOWN.c[name] for name in
      ("number", "status", "title", "media_type", "chunks", "bytes", "pages", "metadata", "acl", "file")),
    _NEWEST.c.sha256,
    _NEWEST.c.error_code,
    _NEWEST.c.error_message,
)  # fmt: skip


def _listed(collection_id: str, *columns: Any) -> Select[Any]:
    return (
        select(*(columns or _COLUMNS))
        .select_from(documents)
        .join(_SHOWN, and_(_SHOWN.c.document_id == documents.c.id, _SHOWN.c.number == _NUMBER))
        .join(_NEWEST, and_(_NEWEST.c.document_id == documents.c.id, _NEWEST.c.number == documents.c.newest))
        .where(documents.c.collection_id == collection_id, documents.c.deleted_at.is_(None))
    )


def _document(row: Mapping[Any, Any]) -> DocumentRow:
    values = dict(row)
    code, message = values.pop("error_code"), values.pop("error_message")
    return DocumentRow(
        document_id=values.pop("id"), version=values.pop("number"), error=error_of(code, message), **values
    )
