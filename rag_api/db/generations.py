"""Generations: which embedder's index a collection is answered from, is being built, and was answered from before."""

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, insert, select, tuple_, update

from ingest.documents import VersionKey, new_id
from rag_api.core.ports import EmbedderIdentity
from rag_api.db import gates
from rag_api.db.database import Connection, now
from rag_api.db.rows import GenerationRow
from rag_api.db.tables import collections, documents, generations, indexed, versions

_COLUMNS = [generations.c[name] for name in GenerationRow.__dataclass_fields__]


async def create(db: Connection, collection_id: str, model: str | None = None) -> str:
    generation_id = new_id("gen")
    await db.execute(
        insert(generations).values(id=generation_id, collection_id=collection_id, model=model, created_at=now())
    )
    return generation_id


async def get(db: Connection, generation_id: str) -> GenerationRow:
    query = select(*_COLUMNS).where(generations.c.id == generation_id)
    return GenerationRow(**(await db.execute(query)).mappings().one())


async def find(db: Connection, generation_id: str) -> GenerationRow | None:
    row = (await db.execute(select(*_COLUMNS).where(generations.c.id == generation_id))).mappings().first()
    return GenerationRow(**row) if row else None


async def alive(db: Connection) -> list[GenerationRow]:
    """Those of collections that are not deleted."""
    query = (
        select(*_COLUMNS)
        .join(collections, collections.c.id == generations.c.collection_id)
        .where(collections.c.deleted_at.is_(None))
        .order_by(generations.c.created_at)
    )
    return [GenerationRow(**row) for row in (await db.execute(query)).mappings()]


async def in_use(db: Connection, collection_id: str) -> GenerationRow:
    query = (
        select(*_COLUMNS)
        .join(collections, collections.c.generation_id == generations.c.id)
        .where(collections.c.id == collection_id)
    )
    return GenerationRow(**(await db.execute(query)).mappings().one())


async def settle(db: Connection, generation_id: str, embedder: EmbedderIdentity, splitter: str) -> GenerationRow:
    """The first to write to a generation fixes its embedder; everybody gets what was fixed."""
    unset = and_(generations.c.id == generation_id, generations.c.fingerprint.is_(None))
    await db.execute(
        update(generations)
        .where(unset)
        .values(model=embedder.model, fingerprint=embedder.fingerprint, dimension=embedder.dimension, splitter=splitter)
    )
    return await get(db, generation_id)


async def note_indexed(db: Connection, counts: Mapping[VersionKey, int]) -> None:
    """Every chunk of these versions is in the catalogue and in both indexes of their generation: so many each."""
    is_same = and_(
        indexed.c.generation_id == bindparam("of_generation"),
        indexed.c.document_id == bindparam("of_id"),
        indexed.c.version == bindparam("of_version"),
    )
    keys = [{"of_generation": key.generation_id, "of_id": key.document_id, "of_version": key.version} for key in counts]
    await db.execute(delete(indexed).where(is_same), keys)
    await db.execute(
        insert(indexed),
        [
            {
                "generation_id": key.generation_id,
                "document_id": key.document_id,
                "version": key.version,
                "chunks": count,
            }
            for key, count in counts.items()
        ],
    )


async def unused(db: Connection, keys: Collection[VersionKey]) -> set[VersionKey]:
    """Those of the keys whose collection is answered from another generation."""
    query = select(collections.c.generation_id).where(
        collections.c.generation_id.in_({key.generation_id for key in keys})
    )
    used = set((await db.execute(query)).scalars())
    return {key for key in keys if key.generation_id not in used}


def _lacks(generation_id: str) -> ColumnElement[bool]:
    """Of a published document: its current version is not whole in that generation."""
    return ~exists().where(
        indexed.c.generation_id == generation_id,
        indexed.c.document_id == documents.c.id,
        indexed.c.version == documents.c.current,
    )


async def lacking(db: Connection, generation_id: str, collection_id: str, *, limit: int) -> list[VersionKey]:
    """Current versions that are not whole in a generation, in the order of their documents' ids."""
    query = (
        select(documents.c.id, documents.c.current)
        .where(
            documents.c.collection_id == collection_id,
            documents.c.deleted_at.is_(None),
            documents.c.current.is_not(None),
            _lacks(generation_id),
        )
        .order_by(documents.c.id)
        .limit(limit)
    )
    return [VersionKey(generation_id, row.id, row.current) for row in await db.execute(query)]


async def sizes(db: Connection, generation_id: str, collection_id: str) -> tuple[int, int]:
    """How many of the collection's published documents are whole in the generation, and how many there are."""
    published = and_(
        documents.c.collection_id == collection_id, documents.c.deleted_at.is_(None), documents.c.current.is_not(None)
    )
    total = select(func.count()).select_from(documents).where(published)
    missing = total.where(_lacks(generation_id))
    count = int((await db.execute(total)).scalar_one())
    return count - int((await db.execute(missing)).scalar_one()), count


async def switch(db: Connection, collection_id: str, generation_id: str) -> bool:
    """Answers the collection from a generation that is whole; False when it has been overtaken and lacks something.

    The generation used until now stays for the way back; one kept from before is to be dropped by `abandoned`.
    """
    if await lacking(db, generation_id, collection_id, limit=1):
        return False
    before = (await in_use(db, collection_id)).id
    if before != generation_id:
        await db.execute(
            update(collections)
            .where(collections.c.id == collection_id)
            .values(generation_id=generation_id, previous_generation_id=before)
        )
    mine = select(documents.c.id).where(documents.c.collection_id == collection_id)
    counted = (
        select(indexed.c.chunks)
        .where(
            indexed.c.generation_id == generation_id,
            indexed.c.document_id == versions.c.document_id,
            indexed.c.version == versions.c.number,
        )
        .scalar_subquery()
    )
    of_generation = tuple_(versions.c.document_id, versions.c.number).in_(
        select(indexed.c.document_id, indexed.c.version).where(indexed.c.generation_id == generation_id)
    )
    await db.execute(update(versions).where(versions.c.document_id.in_(mine), of_generation).values(chunks=counted))
    return True


async def abandoned(db: Connection, building: Collection[str]) -> list[str]:
    """Generations of living collections that are neither used, nor kept for the way back, nor being built."""
    query = (
        select(generations.c.id)
        .join(collections, collections.c.id == generations.c.collection_id)
        .where(
            collections.c.deleted_at.is_(None),
            generations.c.id != collections.c.generation_id,
            generations.c.id != func.coalesce(collections.c.previous_generation_id, ""),
            generations.c.id.not_in(building),
        )
    )
    return list((await db.execute(query)).scalars())


async def forget(db: Connection, generation_id: str) -> None:
    await db.execute(delete(indexed).where(indexed.c.generation_id == generation_id))
    await gates.forget(db, [generation_id])
    await db.execute(delete(generations).where(generations.c.id == generation_id))


async def note_rebuilding(db: Connection, generation_id: str, done: int | None, total: int | None) -> None:
    """How far the vector index is being filled anew; None and None when it is whole."""
    await db.execute(
        update(generations).where(generations.c.id == generation_id).values(rebuilt=done, to_rebuild=total)
    )
