"""What the two indexes are derived from: chunks with their vectors, published or not."""

import re
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Integer, and_, bindparam, delete, func, select, tuple_

from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk, NewChunk, Vectors
from rag_api.core.filters import Filter, matches, seen_by_filter
from rag_api.core.hits import Holder
from rag_api.db.chunks import IDS_A_QUERY, text_hash
from rag_api.db.database import Connection, Database
from rag_api.db.prepared import prepared
from rag_api.db.scopes import SEEN
from rag_api.db.tables import chunks, documents, indexed, versions

SAME_TEXTS = 20
_CHUNK_ID = re.compile("(.+):([0-9]{1,18}):([0-9]{1,18})")
_ADDRESS = (chunks.c.document_id, chunks.c.version, chunks.c.index)
_KEY = tuple_(*_ADDRESS)
_CONTENT = tuple(chunks.c[name] for name in ("start", "end", "page", "section", "text", "vector"))


async def alive(db: Connection, keys: Collection[VersionKey]) -> set[VersionKey]:
    """Those of the versions that are published or may yet be."""
    found: set[tuple[str, int]] = set()
    pairs = list({(key.document_id, key.version) for key in keys})
    for at in range(0, len(pairs), IDS_A_QUERY):
        query = select(versions.c.document_id, versions.c.number).where(
            versions.c.document_id.in_([document_id for document_id, _ in pairs[at : at + IDS_A_QUERY]]),
            tuple_(versions.c.document_id, versions.c.number).in_(pairs[at : at + IDS_A_QUERY]),
            versions.c.status.in_(("queued", "ready")),
            versions.c.reap.is_(False),
        )
        found.update((row.document_id, row.number) for row in await db.execute(query))
    return {key for key in keys if (key.document_id, key.version) in found}


async def whole(db: Connection, wanted: Mapping[VersionKey, int]) -> dict[VersionKey, int]:
    """Those of the versions that have as many chunks as they should."""
    found: dict[VersionKey, int] = {}
    keys = list(wanted)
    of = tuple_(chunks.c.generation_id, chunks.c.document_id, chunks.c.version)
    for at in range(0, len(keys), IDS_A_QUERY):
        some_keys = [(key.generation_id, key.document_id, key.version) for key in keys[at : at + IDS_A_QUERY]]
        columns = (chunks.c.generation_id, chunks.c.document_id, chunks.c.version)
        query = (
            select(*columns, func.count().label("rows")).where(_near(some_keys), of.in_(some_keys)).group_by(*columns)
        )
        found |= {VersionKey(*row[:3]): row.rows for row in await db.execute(query)}
    return {key: count for key, count in wanted.items() if found.get(key, 0) == count}


async def known_vectors(db: Connection, generation_id: str, wanted: Sequence[NewChunk]) -> list[Vectors | None]:
    """For each chunk the vector of one in the generation that was embedded from the same title and text."""
    hashes = [text_hash(item.chunk.text) for item in wanted]
    query = (
        select(chunks.c.text_hash, versions.c.embedded_title, chunks.c.text, chunks.c.vector)
        .join(versions, and_(versions.c.document_id == chunks.c.document_id, versions.c.number == chunks.c.version))
        .where(chunks.c.generation_id == generation_id, chunks.c.text_hash.in_(set(hashes)))
        .limit(SAME_TEXTS * len(wanted))  # a text that is everywhere need not be read from everywhere
    )
    known = {(row.embedded_title, row.text): row.vector for row in await db.execute(query)}
    found = [known.get((item.title, item.chunk.text)) for item in wanted]
    return [None if vector is None else np.frombuffer(vector, dtype="<f4").astype(np.float32) for vector in found]


_HELD_TWICE = prepared(
    select(chunks.c.text_hash)
    .where(
        chunks.c.generation_id == bindparam("generation"),
        chunks.c.text_hash.in_(bindparam("hashes", expanding=True)),
    )
    .group_by(chunks.c.text_hash)
    .having(func.count() > 1)
)
_HOLDERS = prepared(
    select(chunks.c.text_hash, *SEEN)
    .join(documents, and_(documents.c.id == chunks.c.document_id, documents.c.current == chunks.c.version))
    .join(versions, and_(versions.c.document_id == documents.c.id, versions.c.number == documents.c.current))
    .where(
        chunks.c.generation_id == bindparam("generation"),
        chunks.c.text_hash.in_(bindparam("hashes", expanding=True)),
        documents.c.deleted_at.is_(None),
    )
    .order_by(documents.c.created_at, documents.c.id)
    .limit(bindparam("most", type_=Integer))
)


async def same_texts(
    db: Connection, generation_id: str, texts: Collection[str], *, wanted: Filter | None = None
) -> dict[str, list[Holder]]:
    """By text, the published documents (that pass a filter) that hold a chunk of just that text, first come first.

    Texts that only one chunk has are left out.
    """
    by_hash = {text_hash(text): text for text in texts}
    of: dict[str, Any] = {"generation": generation_id, "hashes": list(by_hash)}
    by_hash = {hash_: by_hash[hash_] for hash_ in (await db.execute(_HELD_TWICE, of)).scalars()}
    if not by_hash:
        return {}
    of |= {"hashes": list(by_hash), "most": SAME_TEXTS * len(by_hash)}
    found: dict[str, list[Holder]] = {text: [] for text in by_hash.values()}
    for row in await db.execute(_HOLDERS, of):
        holder = Holder(row.document_id, row.source, row.title)
        mine = found[by_hash[row.text_hash]]
        if holder not in mine and (wanted is None or matches(wanted, seen_by_filter(row._asdict()))):
            mine.append(holder)
    return found


async def ids(db: Database, generation_id: str) -> set[str]:
    """Of all chunks in a generation, published or not."""
    found: set[str] = set()
    async for page in _pages(db, generation_id, limit=20_000):
        found.update(f"{row[0]}:{row[1]}:{row[2]}" for row in page)
    return found


async def count(db: Connection, generation_id: str) -> int:
    query = select(func.count()).select_from(chunks).where(chunks.c.generation_id == generation_id)
    return int((await db.execute(query)).scalar_one())


async def everything(db: Database, generation_id: str, *, limit: int) -> AsyncIterator[list[EmbeddedChunk]]:
    """All chunks of a generation as they were indexed, some at a time; no transaction is open in between."""
    async for page in _pages(db, generation_id, *_CONTENT, limit=limit):
        yield [_embedded(generation_id, row) for row in page]


async def some(db: Connection, generation_id: str, chunk_ids: Sequence[str]) -> list[EmbeddedChunk]:
    """Those of the chunks that there are; an index may name others, and what is no chunk's id at all."""
    named = filter(None, map(_CHUNK_ID.fullmatch, chunk_ids))
    parts = [(of, int(version), int(index)) for of, version, index in (found.groups() for found in named)]
    found: list[EmbeddedChunk] = []
    for at in range(0, len(parts), IDS_A_QUERY):
        query = (
            select(*_ADDRESS, versions.c.embedded_title, *_CONTENT)
            .join(versions, and_(versions.c.document_id == chunks.c.document_id, versions.c.number == chunks.c.version))
            .where(
                _near([(generation_id, *part) for part in parts[at : at + IDS_A_QUERY]]),
                _KEY.in_(parts[at : at + IDS_A_QUERY]),
            )
        )
        found += [_embedded(generation_id, row) for row in await db.execute(query)]
    return found


async def _pages(db: Database, generation_id: str, *columns: Any, limit: int) -> AsyncIterator[Sequence[Any]]:
    after: tuple[Any, ...] = ()
    query = (
        select(*_ADDRESS, versions.c.embedded_title, *columns)
        .join(versions, and_(versions.c.document_id == chunks.c.document_id, versions.c.number == chunks.c.version))
        .where(chunks.c.generation_id == generation_id)
        .order_by(chunks.c.document_id, chunks.c.version, chunks.c.index)
        .limit(limit)
    )
    while True:
        async with db.read() as rows:
            page = (await rows.execute(query.where(tuple_(*after) < _KEY) if after else query)).all()
        if page:
            yield page
        if len(page) < limit:
            return
        after = tuple(page[-1][:3])


async def beyond(db: Connection, counts: Mapping[VersionKey, int]) -> list[tuple[VersionKey, int]]:
    """Which chunks earlier tries wrote after where the versions end now: each with its index."""
    found: list[tuple[VersionKey, int]] = []
    keys = list(counts)
    for at in range(0, len(keys), IDS_A_QUERY):
        some_keys = [(key.generation_id, key.document_id, key.version) for key in keys[at : at + IDS_A_QUERY]]
        columns = (chunks.c.generation_id, chunks.c.document_id, chunks.c.version)
        is_one = and_(_near(some_keys), tuple_(*columns).in_(some_keys))
        last = select(*columns, func.max(chunks.c.index)).where(is_one).group_by(*columns)
        for *parts, index in await db.execute(last):
            key = VersionKey(*parts)
            found += [(key, beyond_it) for beyond_it in range(counts[key], index + 1)]
    return found


async def forget_generation(db: Connection, generation_id: str, *, limit: int) -> bool:
    """Removes some of a generation's chunks; whether there are more."""
    some_ids = (
        select(chunks.c.document_id, chunks.c.version, chunks.c.index)
        .where(chunks.c.generation_id == generation_id)
        .limit(limit)
    )
    gone = await db.execute(delete(chunks).where(chunks.c.generation_id == generation_id, _KEY.in_(some_ids)))
    if gone.rowcount < limit:
        await db.execute(delete(indexed).where(indexed.c.generation_id == generation_id))
    return bool(gone.rowcount == limit)


def _near(keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Generation and document of each, which SQLite finds by the key: for tuples alone it looks at every chunk."""
    return and_(
        chunks.c.generation_id.in_({key[0] for key in keys}), chunks.c.document_id.in_({key[1] for key in keys})
    )


def _embedded(generation_id: str, row: Any) -> EmbeddedChunk:
    span = Span(row.start, row.end)
    return EmbeddedChunk(
        VersionKey(generation_id, row.document_id, row.version),
        row.embedded_title,
        Chunk(row[2], row.text, span, row.section, row.page, tokens=0),
        np.frombuffer(row.vector, dtype="<f4").astype(np.float32),
    )
