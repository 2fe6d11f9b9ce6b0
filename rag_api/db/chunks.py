"""Chunks: their texts and vectors, and what of them a reader may see."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Select, and_, bindparam, delete, insert, select, tuple_

from ingest.documents import VersionKey
from ingest.ports import EmbeddedChunk, Vectors
from rag_api.core.filters import Filter, matches, seen_by_filter
from rag_api.core.hits import IndexedChunk
from rag_api.db.database import Connection
from rag_api.db.prepared import prepared
from rag_api.db.rows import Page
from rag_api.db.tables import chunks, documents, versions

_KEY = tuple_(chunks.c.document_id, chunks.c.version, chunks.c.index)
IDS_A_QUERY = 300
_COLUMNS = (
    chunks.c.document_id,
    chunks.c.version,
    chunks.c.index,
    versions.c.title,
    documents.c.source,
    chunks.c.page,
    chunks.c.section,
    chunks.c.start,
    chunks.c.end,
    chunks.c.text,
    versions.c.metadata,
)  # after its id, what an IndexedChunk has


def text_hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


async def write(db: Connection, items: Sequence[EmbeddedChunk]) -> bool:
    """The same chunk again replaces itself. Whether all of them are new."""
    replaced = await forget(db, [(item.version, item.chunk.index) for item in items])
    await db.execute(
        insert(chunks),
        [
            {
                "generation_id": item.version.generation_id,
                "document_id": item.version.document_id,
                "version": item.version.version,
                "index": item.chunk.index,
                "start": item.chunk.span.start,
                "end": item.chunk.span.end,
                "page": item.chunk.page,
                "section": item.chunk.section,
                "text": item.chunk.text,
                "text_hash": text_hash(item.chunk.text),
                "vector": np.asarray(item.vector, dtype="<f4").tobytes(),
            }
            for item in items
        ],
    )
    return replaced == 0


async def forget(db: Connection, gone: Sequence[tuple[VersionKey, int]]) -> int:
    """Removes chunks by their versions and indexes. How many there were; -1 where the database does not tell."""
    is_same = and_(
        chunks.c.generation_id == bindparam("of_generation"),
        chunks.c.document_id == bindparam("of_id"),
        chunks.c.version == bindparam("of_version"),
        chunks.c.index == bindparam("of_index"),
    )
    keys = [
        {"of_generation": key.generation_id, "of_id": key.document_id, "of_version": key.version, "of_index": index}
        for key, index in gone
    ]
    return int((await db.execute(delete(chunks).where(is_same), keys)).rowcount)


async def published(
    db: Connection, generation_id: str, chunk_ids: Sequence[str], *, wanted: Filter | None = None
) -> dict[str, IndexedChunk]:
    """Those of the chunks that belong to a current version (whose document passes a filter), by their ids."""
    found: dict[str, IndexedChunk] = {}
    keys = [_parts(chunk_id) for chunk_id in chunk_ids]
    for at in range(0, len(keys), IDS_A_QUERY):
        some = keys[at : at + IDS_A_QUERY]
        of = {"generation": generation_id, "keys": some, "documents": list({key[0] for key in some})}
        for row in await db.execute(_PUBLISHED if wanted is None else _PUBLISHED_SEEN, of):
            chunk = _chunk(row[: len(_COLUMNS)])
            if wanted is None or matches(wanted, seen_by_filter(row._asdict())):
                found[chunk.chunk_id] = chunk
    return found


async def of_document(
    db: Connection, generation_id: str, document_id: str, *, limit: int, after: int
) -> Page[IndexedChunk]:
    query = (
        _visible(generation_id)
        .where(chunks.c.document_id == document_id, chunks.c.index > after)
        .order_by(chunks.c.index)
        .limit(limit + 1)
    )
    found = [_chunk(row) for row in await db.execute(query)]
    return Page(found[:limit], str(found[limit - 1].index) if len(found) > limit else None)


async def vectors(db: Connection, generation_id: str, document_ids: Sequence[str]) -> tuple[list[str], Vectors]:
    """Ids and vectors of shape (n, dimension) of the visible chunks of some documents."""
    ids: list[str] = []
    rows: list[bytes] = []
    for at in range(0, len(document_ids), IDS_A_QUERY):
        query = (
            select(chunks.c.document_id, chunks.c.version, chunks.c.index, chunks.c.vector)
            .join(documents, _IS_CURRENT)
            .where(
                chunks.c.generation_id == generation_id,
                chunks.c.document_id.in_(document_ids[at : at + IDS_A_QUERY]),
                documents.c.deleted_at.is_(None),
            )
        )
        for row in await db.execute(query):
            ids.append(f"{row.document_id}:{row.version}:{row.index}")
            rows.append(row.vector)
    if not rows:
        return [], np.zeros((0, 0), dtype=np.float32)
    return ids, np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), -1).astype(np.float32, copy=False)


_IS_CURRENT = and_(documents.c.id == chunks.c.document_id, documents.c.current == chunks.c.version)


def _visible(generation_id: Any, *more: Any) -> Select[Any]:
    return (
        select(*_COLUMNS, *more)
        .join(documents, _IS_CURRENT)
        .join(versions, and_(versions.c.document_id == chunks.c.document_id, versions.c.number == chunks.c.version))
        .where(chunks.c.generation_id == generation_id, documents.c.deleted_at.is_(None))
    )


_IS_NAMED = and_(  # SQLite finds no rows by tuples alone: it would look at every chunk of the generation
    chunks.c.document_id.in_(bindparam("documents", expanding=True)), _KEY.in_(bindparam("keys", expanding=True))
)
_PUBLISHED = prepared(_visible(bindparam("generation")).where(_IS_NAMED))
_PUBLISHED_SEEN = prepared(
    _visible(bindparam("generation"), documents.c.created_at, versions.c.media_type, versions.c.acl).where(_IS_NAMED)
)


def _chunk(row: Sequence[Any]) -> IndexedChunk:
    return IndexedChunk(f"{row[0]}:{row[1]}:{row[2]}", *row)


def _parts(chunk_id: str) -> tuple[str, int, int]:
    document_id, version, index = chunk_id.rsplit(":", 2)
    return document_id, int(version), int(index)
