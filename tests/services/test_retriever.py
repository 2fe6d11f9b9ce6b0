import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path

import pytest

from ingest.documents import VersionKey
from rag_api.backends.matrix import MatrixFolder
from rag_api.core.hits import Scored
from rag_api.db import generations
from rag_api.db.database import Database, migrate
from rag_api.db.rows import CollectionRow
from rag_api.services.mirrors import Mirrors
from rag_api.services.retriever import Retriever, RetrieverOptions, Search
from rag_api.services.scoping import Scoping
from tests.db.catalogue import accept, embedded, key_of, new_collection, publish, write_chunks
from tests.fakes import MemoryLexicalIndex, MemoryVectorStore


class InterruptedIndex(MemoryLexicalIndex):
    """Between what it finds and its reply, something happens."""

    def __init__(self) -> None:
        super().__init__()
        self.happens: list[Callable[[], Awaitable[None]]] = []
        self.searches = 0

    async def search(
        self, index: str, text: str, *, top_k: int, documents: Collection[str] | None = None
    ) -> list[Scored]:
        found = await super().search(index, text, top_k=top_k, documents=documents)
        self.searches += 1
        if self.happens:
            await self.happens.pop(0)()
        return found


class NoEmbedders:
    def of(self, model: str | None) -> object:
        raise AssertionError("lexical search needs no embedder")


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:

    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    await asyncio.to_thread(migrate, url)
    database = Database(url)
    yield database
    await database.close()


async def write(db: Database, lexical: MemoryLexicalIndex, row: CollectionRow, text: str) -> VersionKey:
    """A version that is in the indexes and not yet published."""
    key = key_of(row, await accept(db, row, "timetable.txt", text))
    await write_chunks(db, key, text)
    await lexical.write(key.generation_id, embedded(key, [text]))
    await lexical.commit(key.generation_id)
    async with db.write() as rows:
        await generations.note_indexed(rows, {key: 1})
    return key


def retriever(db: Database, lexical: MemoryLexicalIndex) -> Retriever:
    options = RetrieverOptions(dense_weight=0.5, candidates=10)
    mirrors = Mirrors(db, MatrixFolder(Path("never there")), documents=10, collections=1)
    scoping = Scoping(db, mirrors, MemoryVectorStore(), exact_below=10)
    return Retriever(db, NoEmbedders(), scoping, lexical, options=options)  # type: ignore[arg-type]


async def test_a_version_published_while_the_index_is_asked_is_found_all_the_same(db: Database) -> None:
    lexical = InterruptedIndex()
    row = await new_collection(db)
    await publish(db, await write(db, lexical, row, "the ferry leaves at nine"))

    async def replace() -> None:
        await publish(db, await write(db, lexical, row, "the ferry leaves at ten"))

    lexical.happens = [replace]
    found = await retriever(db, lexical).search("faq", Search("ferry", 5, mode="lexical"))
    assert [hit.chunk.text for hit in found.hits] == ["the ferry leaves at ten"]
    assert lexical.searches == 2


async def test_what_is_gone_for_good_is_asked_for_only_once_more(db: Database) -> None:
    lexical = InterruptedIndex()
    row = await new_collection(db)
    await write(db, lexical, row, "the ferry never left")
    found = await retriever(db, lexical).search("faq", Search("ferry", 5, mode="lexical"))
    assert (found.hits, lexical.searches) == ([], 2)


async def test_a_version_that_changes_at_each_look_does_not_keep_the_search_for_ever(db: Database) -> None:
    lexical = InterruptedIndex()
    row = await new_collection(db)
    await publish(db, await write(db, lexical, row, "the ferry leaves at 0"))

    async def replace() -> None:
        key = await write(db, lexical, row, f"the ferry leaves at {lexical.searches}")
        await publish(db, key)
        await lexical.delete(key.generation_id, [key.chunk_id(0)])

    lexical.happens = [replace] * 50
    await retriever(db, lexical).search("faq", Search("ferry", 5, mode="lexical"))
    assert lexical.searches < 10
