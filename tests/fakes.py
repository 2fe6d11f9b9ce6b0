"""Ports kept in memory: small, and held to the same contracts as the real ones (tests/contracts)."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from ingest.ports import EmbeddedChunk, Vectors
from rag_api.core.hits import Scored
from rag_api.core.words import content_words


class MemoryVectorStore:
    """A VectorStore that compares with every vector."""

    def __init__(self) -> None:
        self._indexes: dict[str, dict[str, Vectors]] = {}

    async def upsert(self, index: str, ids: Sequence[str], vectors: Vectors, *, are_new: bool = False) -> None:
        assert not (are_new and self._indexes.get(index, {}).keys() & ids)
        if ids:
            self._indexes.setdefault(index, {}).update(zip(ids, vectors, strict=True))

    async def query(self, index: str, vector: Vectors, *, top_k: int) -> list[Scored]:
        rows = self._indexes.get(index, {})
        found = [Scored(id_, float(_cosine(row, vector))) for id_, row in rows.items()]
        return sorted(found, key=lambda scored: -scored.score)[:top_k]

    async def nearest(self, index: str, vectors: Vectors) -> list[float]:
        rows = self._indexes.get(index, {}).values()
        return [max((_cosine(row, vector) for row in rows), default=-1.0) for vector in vectors]

    async def lost(self, index: str, chunk_ids: Sequence[str]) -> list[str]:
        return [one for one in chunk_ids if one not in self._indexes.get(index, {})]

    async def ids(self, index: str) -> set[str]:
        return set(self._indexes.get(index, {}))

    async def delete(self, index: str, ids: Sequence[str]) -> None:
        for id_ in ids:
            self._indexes.get(index, {}).pop(id_, None)

    async def drop(self, index: str) -> None:
        self._indexes.pop(index, None)

    async def count(self, index: str) -> int:
        return len(self._indexes.get(index, {}))

    async def make(self, index: str) -> None:
        self._indexes.setdefault(index, {})

    async def has(self, index: str) -> bool:
        return index in self._indexes

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        return self._indexes.get(index, {}).keys() & ids

    async def ping(self) -> None:
        pass


class MemoryLexicalIndex:
    """A LexicalIndex that counts the words that a chunk shares with the query, title and section included."""

    def __init__(self) -> None:
        self._written: dict[str, dict[str, EmbeddedChunk]] = {}
        self._committed: dict[str, dict[str, EmbeddedChunk]] = {}
        self._beside: dict[str, dict[str, EmbeddedChunk]] = {}

    async def write(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        rows = {item.version.chunk_id(item.chunk.index): item for item in chunks}
        self._written.setdefault(index, {}).update(rows)

    async def commit(self, index: str) -> None:
        self._committed[index] = dict(self._written.get(index, {}))

    async def ids(self, index: str) -> set[str]:
        return set(self._committed.get(index, {}))

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        return self._committed.get(index, {}).keys() & ids

    async def begin_anew(self, index: str) -> None:
        self._beside[index] = {}

    async def write_anew(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        self._beside[index].update({item.version.chunk_id(item.chunk.index): item for item in chunks})

    async def replace(self, index: str) -> None:
        self._written[index] = self._beside.pop(index)
        await self.commit(index)

    async def search(
        self, index: str, text: str, *, top_k: int, documents: Collection[str] | None = None
    ) -> list[Scored]:
        found = [
            Scored(id_, _shared_words(text, item))
            for id_, item in self._committed.get(index, {}).items()
            if documents is None or item.version.document_id in documents
        ]
        return sorted((one for one in found if one.score), key=lambda scored: -scored.score)[:top_k]

    async def delete(self, index: str, ids: Sequence[str]) -> None:
        for id_ in ids:
            self._written.get(index, {}).pop(id_, None)
            self._committed.get(index, {}).pop(id_, None)

    async def drop(self, index: str) -> None:
        self._written.pop(index, None)
        self._committed.pop(index, None)


def _cosine(a: Vectors, b: Vectors) -> float:
    return float(a @ b / ((np.linalg.norm(a) * np.linalg.norm(b)) or 1.0))


def _shared_words(query: str, item: EmbeddedChunk) -> float:
    has = Counter(content_words(f"{item.title} {item.chunk.section} {item.chunk.text}"))
    shared = [has[word] for word in set(content_words(query)) if word in has]
    return float(len(shared)) + sum(shared) / (1 + has.total())
