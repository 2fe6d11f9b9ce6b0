"""Steps that tests of the catalogue share, each in a transaction of its own."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk
from rag_api.db import chunks, collections, documents, versions
from rag_api.db.database import Database
from rag_api.db.rows import CollectionRow, DocumentRow
from rag_api.db.versions import Accepted, Described, Incoming


def incoming(source: str, content: str = "first", *, file: str | None = None) -> Incoming:
    return Incoming(source, f"sha-{content}", len(content), "text/plain", source.title(), file=file, acl=["staff"])


async def new_collection(db: Database, name: str = "faq") -> CollectionRow:
    async with db.write() as rows:
        return await collections.create(rows, name)


async def accept(
    db: Database, collection: CollectionRow, source: str, content: str = "first", *, bulk_job_id: str | None = None
) -> Accepted:
    async with db.write() as rows:
        [accepted] = await versions.accept(
            rows, collection.id, [replace(incoming(source, content), bulk_job_id=bulk_job_id)]
        )
    return accepted


def key_of(collection: CollectionRow, accepted: Accepted) -> VersionKey:
    assert accepted.version
    return VersionKey(collection.generation_id, accepted.document_id, accepted.version)


def embedded(key: VersionKey, texts: Sequence[str]) -> list[EmbeddedChunk]:
    return [
        EmbeddedChunk(key, "", Chunk(i, text, Span(i, i + len(text)), "", None, 1), np.full(3, i, dtype=np.float32))
        for i, text in enumerate(texts)
    ]


async def write_chunks(db: Database, key: VersionKey, *texts: str) -> None:
    async with db.write() as rows:
        described = Described(key.document_id, key.version, " ".join(texts), "A title", 2, len(texts), {"year": 2024})
        await versions.describe(rows, [described])
        await chunks.write(rows, embedded(key, texts))


async def publish(db: Database, *keys: VersionKey) -> None:
    async with db.write() as rows:
        await versions.publish(rows, keys)


async def add(db: Database, collection: CollectionRow, source: str, content: str = "first") -> VersionKey:
    """A published version with two chunks that begin with its content."""
    key = key_of(collection, await accept(db, collection, source, content))
    await write_chunks(db, key, f"{content} one", f"{content} two")
    await publish(db, key)
    return key


async def fail(db: Database, key: VersionKey) -> None:
    async with db.write() as rows:
        await versions.fail(rows, key.document_id, key.version, "broken_document", "it is broken")


async def document(db: Database, collection: CollectionRow, document_id: str) -> DocumentRow | None:
    async with db.read() as rows:
        return await documents.get(rows, collection.id, document_id)


async def status(db: Database, key: VersionKey) -> str | None:
    async with db.read() as rows:
        return await versions.status_of(rows, key.document_id, key.version)


async def visible(db: Database, *keys: VersionKey) -> list[str]:
    """The texts of the versions' chunks 0 and 1 that a reader may see, sorted."""
    ids = [key.chunk_id(i) for key in keys for i in (0, 1)]
    async with db.read() as rows:
        found = await chunks.published(rows, keys[0].generation_id, ids)
    return sorted(chunk.text for chunk in found.values())
