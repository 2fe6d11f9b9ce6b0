"""Collections and their generations."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, insert, or_, select, update
from sqlalchemy import delete as delete_rows
from sqlalchemy.exc import IntegrityError

from ingest.documents import new_id
from rag_api.db.database import Connection, now
from rag_api.db.prepared import prepared
from rag_api.db.rows import CollectionRow, GenerationRow, Page, decode_cursor, encode_cursor
from rag_api.db.tables import chunks, collections, documents, facts, generations
from rag_api.errors import CollectionExists, CollectionNotFound

_COLUMNS = [
    *(collections.c[name] for name in CollectionRow.__dataclass_fields__ if name != "embedder"),
    generations.c.model.label("embedder"),
]
_GENERATION = [generations.c[name] for name in GenerationRow.__dataclass_fields__]


def _rows(*columns: Any) -> Select[Any]:
    return (
        select(*(columns or _COLUMNS))
        .join(generations, generations.c.id == collections.c.generation_id)
        .where(collections.c.deleted_at.is_(None))
    )


_NAMED = prepared(_rows().where(collections.c.name == bindparam("name")))
_IN_USE = _rows(*_COLUMNS, *(column.label(f"generation_{column.name}") for column in _GENERATION)).where(
    collections.c.name == bindparam("name")
)


async def create(
    db: Connection,
    name: str,
    *,
    description: str = "",
    metadata: Mapping[str, Any] | None = None,
    embedder: str | None = None,
    prompts: Mapping[str, str] | None = None,
) -> CollectionRow:
    id_, generation_id, moment = new_id("col"), new_id("gen"), now()
    try:
        await db.execute(
            insert(collections).values(
                id=id_,
                name=name,
                description=description,
                metadata=dict(metadata or {}),
                generation_id=generation_id,
                prompts=dict(prompts) if prompts else None,
                created_at=moment,
            )
        )
    except IntegrityError as error:
        raise CollectionExists(name) from error
    await db.execute(insert(generations).values(id=generation_id, collection_id=id_, model=embedder, created_at=moment))
    return await get(db, name)


async def get(db: Connection, name: str) -> CollectionRow:
    row = (await db.execute(_NAMED, {"name": name})).first()
    if row is None:
        raise CollectionNotFound(name)
    return CollectionRow(**row._asdict())


async def page(
    db: Connection, *, limit: int, cursor: str | None, names: Collection[str] | None = None
) -> Page[CollectionRow]:
    """`names`: of those that are listed; None: all."""
    query = _rows()
    if names is not None:
        query = query.where(collections.c.name.in_(names))
    if cursor:
        created_at, id_ = decode_cursor("collections", cursor)
        after = and_(collections.c.created_at == created_at, collections.c.id > id_)
        query = query.where(or_(collections.c.created_at > created_at, after))
    query = query.order_by(collections.c.created_at, collections.c.id).limit(limit + 1)
    rows = [CollectionRow(**row) for row in (await db.execute(query)).mappings()]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode_cursor("collections", last.created_at, last.id) if last else None)


async def names_of(db: Connection, ids: Collection[str]) -> dict[str, str]:
    """By their ids; of those that are there."""
    query = select(collections.c.id, collections.c.name)
    query = query.where(collections.c.id.in_(ids), collections.c.deleted_at.is_(None))
    return {row.id: row.name for row in await db.execute(query)}


async def with_other_embedder(db: Connection, embedder: str) -> list[tuple[str, str]]:
    """Collections that are indexed with another one, with theirs."""
    query = _rows(collections.c.name, generations.c.model).where(generations.c.model != embedder)
    return [(row.name, row.model) for row in await db.execute(query)]


async def change(db: Connection, name: str, values: Mapping[str, Any]) -> CollectionRow:
    row = await get(db, name)
    if values:
        await db.execute(update(collections).where(collections.c.id == row.id).values(**values))
    return await get(db, name)


async def delete(db: Connection, name: str) -> CollectionRow:
    """Nothing of it is visible afterwards and its name is free; `reaping` removes what it holds."""
    row = await get(db, name)
    await db.execute(update(collections).where(collections.c.id == row.id).values(deleted_at=now()))
    return row


async def in_use(db: Connection, name: str) -> tuple[CollectionRow, GenerationRow]:
    """A collection with the generation that answers."""
    found = (await db.execute(_IN_USE, {"name": name})).first()
    if found is None:
        raise CollectionNotFound(name)
    values, split = tuple(found), len(_COLUMNS)
    return CollectionRow(*values[:split]), GenerationRow(*values[split:])


async def counts(db: Connection) -> dict[str, int]:
    alive = select(func.count()).select_from(collections).where(collections.c.deleted_at.is_(None))
    ready = (
        select(func.count())
        .select_from(documents.join(collections, collections.c.id == documents.c.collection_id))
        .where(documents.c.deleted_at.is_(None), collections.c.deleted_at.is_(None), documents.c.current.is_not(None))
    )
    visible = (
        select(func.count())
        .select_from(
            chunks.join(
                documents, and_(documents.c.id == chunks.c.document_id, documents.c.current == chunks.c.version)
            ).join(
                collections,
                and_(
                    collections.c.id == documents.c.collection_id, collections.c.generation_id == chunks.c.generation_id
                ),
            )
        )
        .where(documents.c.deleted_at.is_(None), collections.c.deleted_at.is_(None))
    )
    return {
        name: int((await db.execute(query)).scalar_one())
        for name, query in (("collections", alive), ("documents", ready), ("chunks", visible))
    }


async def fact(db: Connection, name: str) -> str | None:
    """What is known of this home under that name."""
    return (await db.execute(select(facts.c.value).where(facts.c.name == name))).scalar_one_or_none()


async def note(db: Connection, name: str, value: str | None = None) -> None:
    """Something about this home; when it became so, unless a value is given."""
    await db.execute(delete_rows(facts).where(facts.c.name == name))
    await db.execute(insert(facts).values(name=name, value=value or now()))


async def forget_fact(db: Connection, name: str) -> None:
    await db.execute(delete_rows(facts).where(facts.c.name == name))
