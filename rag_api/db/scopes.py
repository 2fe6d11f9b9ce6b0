"""What a filter is held against, and what of it has changed since somebody looked.

Each transaction that publishes, changes or deletes documents raises its collection's count and marks them with it. The
collection's row stays locked until the commit, so counts become visible in their order: who has seen all up to one
count misses nothing by asking for what is marked with a higher one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Select, and_, bindparam, func, select, tuple_, update

from rag_api.core.filters import seen_by_filter
from rag_api.core.matrices import VersionVectors
from rag_api.db.database import Connection
from rag_api.db.prepared import prepared
from rag_api.db.rows import GenerationRow
from rag_api.db.tables import chunks, collections, documents, generations, indexed, versions
from rag_api.errors import CollectionNotFound

BEFORE_ALL = (-1, "")
KEYS_A_QUERY = 100
# what `filters.seen_by_filter` reads
SEEN = (
    documents.c.id.label("document_id"),
    documents.c.source,
    documents.c.created_at,
    *(versions.c[name] for name in ("title", "media_type", "metadata", "acl")),
)


@dataclass(frozen=True, slots=True)
class CollectionState:
    """A collection, the generation that answers, and the counts of its changes.

    `forgotten`: the highest count of a document whose row is gone, so that its deletion can't be read any more."""

    collection_id: str
    changed: int
    forgotten: int
    generation: GenerationRow


@dataclass(frozen=True, slots=True)
class Change:
    """A document as it is now: `seen` is None where it is not published or deleted."""

    document_id: str
    count: int
    version: int
    chunks: int
    seen: Mapping[str, Any] | None


async def note_changed(db: Connection, document_ids: Collection[str]) -> None:
    """The last thing that a transaction does to these documents."""
    mine = documents.c.id.in_(document_ids)
    of = select(documents.c.collection_id).where(mine).distinct().order_by(documents.c.collection_id)
    for collection_id in list((await db.execute(of)).scalars()):
        row = collections.c.id == collection_id
        await db.execute(update(collections).where(row).values(changed=collections.c.changed + 1))
        count = select(collections.c.changed).where(row).scalar_subquery()
        await db.execute(
            update(documents).where(mine, documents.c.collection_id == collection_id).values(changed=count)
        )


async def note_forgotten(db: Connection, document_ids: Collection[str]) -> None:
    """Before the rows of deleted documents are removed."""
    latest = (
        select(documents.c.collection_id, func.max(documents.c.changed))
        .where(documents.c.id.in_(document_ids), documents.c.deleted_at.is_not(None))
        .group_by(documents.c.collection_id)
        .order_by(documents.c.collection_id)
    )
    for collection_id, count in (await db.execute(latest)).all():
        is_before = and_(collections.c.id == collection_id, collections.c.forgotten < count)
        await db.execute(update(collections).where(is_before).values(forgotten=count))


async def state(db: Connection, name: str) -> CollectionState:
    found = (await db.execute(_STATE, {"name": name})).first()
    if found is None:
        raise CollectionNotFound(name)
    return _state(found)


async def states(db: Connection) -> list[CollectionState]:
    return [_state(row) for row in await db.execute(_states().order_by(collections.c.id))]


async def changes(db: Connection, collection_id: str, after: tuple[int, str], *, limit: int) -> list[Change]:
    """Documents by the count of their last change and their id, from the one after."""
    query = (
        select(documents.c.changed, documents.c.current, documents.c.deleted_at, versions.c.chunks, *SEEN)
        .outerjoin(versions, and_(versions.c.document_id == documents.c.id, versions.c.number == documents.c.current))
        .where(documents.c.collection_id == collection_id, tuple_(documents.c.changed, documents.c.id) > after)
        .order_by(documents.c.changed, documents.c.id)
        .limit(limit)
    )
    return [_change(row) for row in await db.execute(query)]


async def vectors(db: Connection, generation_id: str, keys: Sequence[tuple[str, int]]) -> list[VersionVectors]:
    """Of those of the versions that are whole in the generation."""
    rows: dict[tuple[str, int], list[bytes]] = {}
    counts: dict[tuple[str, int], int] = {}
    for at in range(0, len(keys), KEYS_A_QUERY):
        some = list(keys[at : at + KEYS_A_QUERY])
        of = {"generation": generation_id, "keys": some, "documents": [document_id for document_id, _ in some]}
        counts |= {(row[0], row[1]): row[2] for row in await db.execute(_COUNTS, of)}
        for document_id, version, vector in await db.execute(_VECTORS, of):
            rows.setdefault((document_id, version), []).append(vector)
    return [
        VersionVectors(*key, np.frombuffer(b"".join(mine), dtype="<f4").reshape(len(mine), -1))
        for key, mine in rows.items()
        if len(mine) == counts.get(key)
    ]


def _states() -> Select[Any]:
    return (
        select(collections.c.id, collections.c.changed, collections.c.forgotten,
               *(generations.c[name] for name in GenerationRow.__dataclass_fields__))
        .join(generations, generations.c.id == collections.c.generation_id)
        .where(collections.c.deleted_at.is_(None))
    )  # fmt: skip


def _state(row: Any) -> CollectionState:
    collection_id, changed, forgotten, *generation = row
    return CollectionState(collection_id, changed, forgotten, GenerationRow(*generation))


def _change(row: Any) -> Change:
    is_shown = row.deleted_at is None and row.current is not None
    seen = seen_by_filter(row._asdict()) if is_shown else None
    return Change(row.document_id, row.changed, row.current or 0, row.chunks or 0, seen)


_STATE = prepared(_states().where(collections.c.name == bindparam("name")))
_COUNTS = select(indexed.c.document_id, indexed.c.version, indexed.c.chunks).where(
    indexed.c.generation_id == bindparam("generation"),
    indexed.c.document_id.in_(bindparam("documents", expanding=True)),  # by which SQLite finds them
    tuple_(indexed.c.document_id, indexed.c.version).in_(bindparam("keys", expanding=True)),
)
_VECTORS = (
    select(chunks.c.document_id, chunks.c.version, chunks.c.vector)
    .where(
        chunks.c.generation_id == bindparam("generation"),
        chunks.c.document_id.in_(bindparam("documents", expanding=True)),
        tuple_(chunks.c.document_id, chunks.c.version).in_(bindparam("keys", expanding=True)),
    )
    .order_by(chunks.c.document_id, chunks.c.version, chunks.c.index)
)
