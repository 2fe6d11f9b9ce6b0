"""A collection of known documents, in the catalogue and both indexes, beside what a search of it should find."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk, Vectors
from rag_api.core.filters import Filter, matches, restricted, seen_by_filter
from rag_api.db import chunks, documents, generations, reaping, versions
from rag_api.db.database import Database
from rag_api.db.rows import CollectionRow
from rag_api.db.versions import Described, Incoming
from tests.fakes import MemoryLexicalIndex, MemoryVectorStore

DIMENSION = 8
CREATED = "2026-01-01"


def vector_of(text: str) -> Vectors:
    """Follows from the text, and differs from that of any other."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    vector = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
    found: Vectors = vector / np.linalg.norm(vector)
    return found


def text_of(made: int, source: str, index: int) -> str:
    return f"ferry number {made} {source} part {index}"


@dataclass(frozen=True)
class Known:
    document_id: str
    version: int
    texts: tuple[str, ...]
    metadata: Mapping[str, Any]
    acl: Sequence[str]

    def seen(self, source: str) -> dict[str, Any]:
        record = {"document_id": self.document_id, "source": source, "title": "A title", "media_type": "text/plain",
                  "created_at": CREATED, "metadata": self.metadata, "acl": self.acl}  # fmt: skip
        return seen_by_filter(record)


@dataclass
class KnownLibrary:
    db: Database
    row: CollectionRow
    store: MemoryVectorStore = field(default_factory=MemoryVectorStore)
    lexical: MemoryLexicalIndex = field(default_factory=MemoryLexicalIndex)
    held: dict[str, Known] = field(default_factory=dict)
    made: int = 0

    async def publish(self, source: str, metadata: Mapping[str, Any], acl: Sequence[str] = (), count: int = 2) -> None:
        """A document, or a new version of it, with texts that none had before."""
        self.made += 1
        texts = tuple(text_of(self.made, source, i) for i in range(count))
        async with self.db.write() as db:
            incoming = Incoming(source, f"sha-{self.made}", 9, "text/plain", "A title", metadata=metadata, acl=acl)
            [accepted] = await versions.accept(db, self.row.id, [incoming])
            assert accepted.version
            key = VersionKey(self.row.generation_id, accepted.document_id, accepted.version)
            described = Described(key.document_id, key.version, " ".join(texts), "A title", None, count, metadata)
            await versions.describe(db, [described])
            items = [
                EmbeddedChunk(key, "", Chunk(i, text, Span(0, len(text)), "", None, 1), vector_of(text))
                for i, text in enumerate(texts)
            ]
            await chunks.write(db, items)
            await generations.note_indexed(db, {key: count})
        ids = [key.chunk_id(i) for i in range(count)]
        await self.store.upsert(key.generation_id, ids, np.stack([item.vector for item in items]))
        await self.lexical.write(key.generation_id, items)
        await self.lexical.commit(key.generation_id)
        await self.db.change(versions.publish, [key])
        self.held[source] = Known(key.document_id, key.version, texts, metadata, acl)

    async def change(self, source: str, metadata: Mapping[str, Any], acl: Sequence[str]) -> None:
        known = self.held[source]
        values = {"metadata": dict(metadata), "acl": list(acl)}
        await self.db.change(documents.change, known.document_id, known.version, values)
        self.held[source] = Known(known.document_id, known.version, known.texts, metadata, acl)

    async def delete(self, source: str) -> None:
        await self.db.change(documents.delete_document, self.held.pop(source).document_id)

    async def reap(self) -> None:
        """What is gone leaves the indexes and the catalogue's rows."""
        remains = await self.db.ask(reaping.remains, limit=1_000)
        for item in remains:
            for index, ids in item.chunk_ids.items():
                await self.store.delete(index, ids)
                await self.lexical.delete(index, ids)
        await self.db.change(reaping.forget, remains)

    def passing(self, wanted: Filter | None, groups: Collection[str] | None) -> list[Known]:
        """By a look at each document."""
        hidden = restricted(wanted, groups)
        return [one for source, one in self.held.items() if hidden is None or matches(hidden, one.seen(source))]

    def nearest(self, vector: Vectors, among: Sequence[Known], top_k: int) -> list[str]:
        """The ids of the chunks nearest to a vector, by a look at each."""
        scored = [
            (-float(vector_of(text) @ vector), f"{one.document_id}:{one.version}:{i}")
            for one in among
            for i, text in enumerate(one.texts)
        ]
        return [chunk_id for _, chunk_id in sorted(scored)[:top_k]]
