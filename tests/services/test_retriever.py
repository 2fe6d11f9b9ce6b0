import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.documents import Span, VersionKey
from rag_api.backends.matrix import MatrixFolder
from rag_api.core.hits import Scored
from rag_api.db import chunks, collections, generations
from rag_api.db.database import Database, migrate
from rag_api.db.rows import CollectionRow
from rag_api.errors import RerankerUnavailable
from rag_api.services.mirrors import Mirrors
from rag_api.services.reranking import Reranker, Reranking
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
    return await write_as(db, lexical, row, "timetable.txt", text)


async def write_as(db: Database, lexical: MemoryLexicalIndex, row: CollectionRow, source: str, text: str) -> VersionKey:
    key = key_of(row, await accept(db, row, source, text))
    await write_chunks(db, key, text)
    await lexical.write(key.generation_id, embedded(key, [text]))
    await lexical.commit(key.generation_id)
    async with db.write() as rows:
        await generations.note_indexed(rows, {key: 1})
    return key


def retriever(
    db: Database,
    lexical: MemoryLexicalIndex,
    *,
    same_text: int = 1,
    diversity: float = 0.0,
    reranker: Reranker | None = None,
) -> Retriever:
    options = RetrieverOptions(dense_weight=0.5, candidates=10, same_text=same_text, diversity=diversity)
    reranking = Reranking(reranker, candidates=10, timeout_s=5) if reranker else None
    mirrors = Mirrors(db, MatrixFolder(Path("never there")), documents=10, collections=1)
    scoping = Scoping(db, mirrors, MemoryVectorStore(), exact_below=10)
    return Retriever(db, NoEmbedders(), scoping, lexical, options=options, reranking=reranking)  # type: ignore[arg-type]


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


async def test_a_text_that_stands_twice_in_a_document_has_a_hit_for_each_place_up_to_a_number(db: Database) -> None:
    lexical = MemoryLexicalIndex()
    row = await new_collection(db)
    texts = ["the ferry leaves at nine"] * 3
    for source in ("timetable.txt", "copy.txt"):
        key = key_of(row, await accept(db, row, source))
        await write_chunks(db, key, *texts)
        await lexical.write(key.generation_id, embedded(key, texts))
        await lexical.commit(key.generation_id)
        async with db.write() as rows:
            await generations.note_indexed(rows, {key: 3})
        await publish(db, key)
    for same_text in (1, 2):
        found = await retriever(db, lexical, same_text=same_text).search("faq", Search("ferry", 5, mode="lexical"))
        assert len({hit.chunk.document_id for hit in found.hits}) == 1
        assert len({hit.chunk.index for hit in found.hits}) == same_text
        assert [len(hit.also) for hit in found.hits] == [1] * same_text
    once = await retriever(db, lexical, same_text=2).search("faq", Search("ferry", 5, mode="lexical", same_text=1))
    assert len(once.hits) == 1


class Contrary:
    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        return [float(at) for at in range(len(texts))]


class Away:
    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        raise RerankerUnavailable("it is away")


async def add_three(db: Database, lexical: MemoryLexicalIndex) -> None:
    row = await new_collection(db)
    for text in ("ferry ferry ferry", "ferry ferry gull", "ferry gull gull"):
        key = key_of(row, await accept(db, row, f"{text}.txt", text))
        await write_chunks(db, key, text)
        await lexical.write(key.generation_id, embedded(key, [text]))
        await lexical.commit(key.generation_id)
        async with db.write() as rows:
            await generations.note_indexed(rows, {key: 1})
        await publish(db, key)


async def test_the_reranker_reads_more_hits_than_are_wanted_and_orders_them(db: Database) -> None:
    lexical = MemoryLexicalIndex()
    await add_three(db, lexical)
    fused = (await retriever(db, lexical).search("faq", Search("ferry", 3))).hits
    reranked = await retriever(db, lexical, reranker=Contrary()).search("faq", Search("ferry", 1))
    assert [hit.chunk for hit in reranked.hits] == [fused[2].chunk]
    assert (reranked.hits[0].score, reranked.hits[0].rank, reranked.degraded) == (2.0, 1, [])


async def test_without_its_reranker_a_search_goes_on_and_says_so(db: Database) -> None:
    lexical = MemoryLexicalIndex()
    await add_three(db, lexical)
    found = await retriever(db, lexical, reranker=Away()).search("faq", Search("ferry", 2))
    assert (len(found.hits), found.degraded) == (2, ["reranker"])
    assert found.hits == (await retriever(db, lexical).search("faq", Search("ferry", 2))).hits
    lexical_only = await retriever(db, lexical, reranker=Away()).search("faq", Search("ferry", 2, mode="lexical"))
    assert lexical_only.degraded == []


async def test_an_explanation_tells_of_replaced_and_filtered_chunks_but_not_of_hidden_ones(db: Database) -> None:
    lexical = MemoryLexicalIndex()
    await add_three(db, lexical)
    row = (await db.ask(collections.in_use, "faq"))[0]
    await write(db, lexical, row, "the ferry never left")
    told = (await retriever(db, lexical).search("faq", Search("ferry", 1, explain=True))).explanation
    assert told and sorted(one.fate for one in told.candidates) == [
        "below_top_k",
        "below_top_k",
        "not_current",
        "shown",
    ]
    everybody = await retriever(db, lexical).search("faq", Search("ferry", 1, explain=True, groups=frozenset()))
    assert everybody.hits == [] and everybody.explanation and list(everybody.explanation.candidates) == []


async def test_neighbours_are_one_hit_for_who_reads_them_in_a_row(db: Database) -> None:
    lexical = MemoryLexicalIndex()
    row = await new_collection(db)
    key = key_of(row, await accept(db, row, "timetable.txt"))
    texts = ["no gulls", "the ferry leaves", "the ferry comes", "no wind"]
    await write_chunks(db, key, *texts)
    content = " ".join(texts)
    spans = [Span(content.index(text), content.index(text) + len(text)) for text in texts]
    placed = [
        replace(item, chunk=replace(item.chunk, span=span))
        for item, span in zip(embedded(key, texts), spans, strict=True)
    ]
    async with db.write() as rows:
        await chunks.write(rows, placed)
        await generations.note_indexed(rows, {key: 4})
    await lexical.write(key.generation_id, placed)
    await lexical.commit(key.generation_id)
    await publish(db, key)
    search = Search("ferry", 5, mode="lexical")
    apart = (await retriever(db, lexical).search("faq", search)).hits
    [one] = (await retriever(db, lexical).search("faq", replace(search, joined=True))).hits
    assert len(apart) == 2
    assert one.chunk.text == content[one.chunk.start : one.chunk.end] == "the ferry leaves the ferry comes"
    assert one.chunk.chunk_id == apart[0].chunk.chunk_id


@pytest.mark.parametrize(("diversity", "others"), [(0.0, []), (0.5, []), (1.5, ["tickets"])])
async def test_a_copy_gives_way_to_another_text_that_is_nearly_as_good(
    db: Database, diversity: float, others: list[str]
) -> None:
    lexical = MemoryLexicalIndex()
    row = await new_collection(db)
    texts = [f"ferry noon: the boat to Rona leaves the northern pier in year {year}" for year in range(2020, 2025)]
    for source, text in zip(("a", "b", "c", "d", "e", "tickets"), [*texts, "ferry crowns"], strict=True):
        await publish(db, await write_as(db, lexical, row, source, text))
    searching = retriever(db, lexical, diversity=diversity).search("faq", Search("ferry noon", 3, mode="lexical"))
    hits = (await searching).hits
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert [hit.chunk.source for hit in hits if hit.chunk.source == "tickets"] == others
