"""What nobody may see any more: replaced and failed versions, deleted documents and collections."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, func, literal_column, select, update

from rag_api.db import gates
from rag_api.db.database import Connection
from rag_api.db.scopes import note_forgotten
from rag_api.db.tables import chunks, collections, documents, generations, indexed, jobs, texts, versions

# just as the index says it, or SQLite reads all versions
_IS_TO_GO: ColumnElement[bool] = literal_column("versions.reap")


@dataclass(frozen=True, slots=True)
class Remains:
    """A version to remove, its original file if it has one, and its chunks' ids by generation."""

    document_id: str
    version: int
    status: str
    file: str | None
    chunk_ids: dict[str, list[str]]


async def remains(db: Connection, *, limit: int, document_id: str | None = None) -> list[Remains]:
    query = select(versions).where(_IS_TO_GO).limit(limit)
    if document_id:
        query = query.where(versions.c.document_id == document_id)
    found: list[Remains] = []
    for row in (await db.execute(query)).all():
        ids: dict[str, list[str]] = {}
        wanted = select(chunks.c.generation_id, chunks.c.index).where(
            chunks.c.document_id == row.document_id, chunks.c.version == row.number
        )
        for generation_id, index in await db.execute(wanted):
            ids.setdefault(generation_id, []).append(f"{row.document_id}:{row.number}:{index}")
        found.append(Remains(row.document_id, row.number, row.status, row.file, ids))
    return found


async def forget(db: Connection, gone: Sequence[Remains]) -> None:
    """Removes the rows, once nothing derived from them is left. A failed version stays listed with its reason."""
    for item in gone:
        of_chunks = (chunks.c.document_id == item.document_id, chunks.c.version == item.version)
        await db.execute(delete(chunks).where(*of_chunks))
        of_index = (indexed.c.document_id == item.document_id, indexed.c.version == item.version)
        await db.execute(delete(indexed).where(*of_index))
        await db.execute(delete(texts).where(texts.c.document_id == item.document_id, texts.c.version == item.version))
        which = (versions.c.document_id == item.document_id, versions.c.number == item.version)
        status = (await db.execute(select(versions.c.status).where(*which))).scalar_one_or_none()
        if status == "failed":  # unless its document was deleted meanwhile
            await db.execute(update(versions).where(*which).values(reap=False))
            continue
        await db.execute(delete(versions).where(*which))
    ids = {item.document_id for item in gone}
    await note_forgotten(db, ids)
    has_versions = select(versions.c.document_id).where(versions.c.document_id.in_(ids))
    await db.execute(
        delete(documents).where(
            documents.c.id.in_(ids), documents.c.deleted_at.is_not(None), documents.c.id.not_in(has_versions)
        )
    )


async def deleted_collections(db: Connection) -> dict[str, list[str]]:
    """Deleted collections with their generations."""
    query = (
        select(collections.c.id, generations.c.id)
        .join(generations, generations.c.collection_id == collections.c.id)
        .where(collections.c.deleted_at.is_not(None))
    )
    found: dict[str, list[str]] = {}
    for collection_id, generation_id in await db.execute(query):
        found.setdefault(collection_id, []).append(generation_id)
    return found


async def mark_documents(db: Connection, collection_id: str, *, limit: int) -> int:
    """Marks documents of a deleted collection as deleted; how many are left to remove, these included."""
    mine = documents.c.collection_id == collection_id
    some = select(documents.c.id).where(mine, documents.c.deleted_at.is_(None)).limit(limit)
    ids = list((await db.execute(some)).scalars())
    moment = func.coalesce(documents.c.deleted_at, documents.c.updated_at)
    await db.execute(update(documents).where(documents.c.id.in_(ids)).values(deleted_at=moment, current=None))
    await db.execute(update(versions).where(versions.c.document_id.in_(ids)).values(status="superseded", reap=True))
    return int((await db.execute(select(func.count()).select_from(documents).where(mine))).scalar_one())


async def bulk_files(db: Connection, collection_id: str) -> list[str]:
    """The originals of a collection's bulk loads, as far as they are still kept."""
    query = select(jobs.c.file).where(jobs.c.collection_id == collection_id, jobs.c.document_id.is_(None))
    return list((await db.execute(query)).scalars())


async def forget_collection(db: Connection, collection_id: str) -> None:
    await db.execute(delete(jobs).where(jobs.c.collection_id == collection_id, jobs.c.state != "running"))
    mine = select(generations.c.id).where(generations.c.collection_id == collection_id)
    await gates.forget(db, [collection_id, *(await db.execute(mine)).scalars()])
    await db.execute(delete(generations).where(generations.c.collection_id == collection_id))
    await db.execute(delete(collections).where(collections.c.id == collection_id))
