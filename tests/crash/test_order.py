"""In which order the catalogue and its indexes are written: what a death between two steps may and may not leave.

The catalogue and the lexical index are the real ones. A step that dies raises PowerCut, and who comes after it knows
only what had been written by then.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ingest.documents import VersionKey
from ingest.ports import EmbeddedChunk, Vectors
from rag_api.backends.files import FileStore
from rag_api.backends.lexical import TantivyIndex
from rag_api.db import documents, generations, indexes
from rag_api.db.database import Database, migrate
from rag_api.db.rows import CollectionRow
from rag_api.errors import VectorStoreBroken, VectorStoreUnavailable
from rag_api.services import reconciler as module
from rag_api.services.indexing import CatalogueSink
from rag_api.services.reaper import Reaper
from rag_api.services.reconciler import Drift, Reconciler
from tests.db.catalogue import accept, add, embedded, fail, key_of, new_collection, publish, status, write_chunks
from tests.fakes import MemoryVectorStore

TEXTS = ("the gannet dives", "the gannet sleeps")


class PowerCut(Exception):
    pass


class Store(MemoryVectorStore):
    """Dies before the first call of `dies_at`; `meanwhile` happens while vectors are on their way, `deleted`
    when some have gone."""

    def __init__(self) -> None:
        super().__init__()
        self.dies_at = ""
        self.meanwhile: Callable[[], Awaitable[Any]] | None = None
        self.deleted: Callable[[], Awaitable[Any]] | None = None
        self.upserts = 0
        self.is_unreadable = False

    async def nearest(self, index: str, vectors: Vectors) -> list[float]:
        if self.is_unreadable:
            raise VectorStoreBroken("nothing found on disk")
        return await super().nearest(index, vectors)

    async def upsert(self, index: str, ids: Sequence[str], vectors: Vectors, *, are_new: bool = False) -> None:
        self.upserts += 1
        if self.meanwhile:
            await self.meanwhile()
        await super().upsert(index, ids, vectors, are_new=are_new)

    async def delete(self, index: str, ids: Sequence[str]) -> None:
        self.cut("vectors deleted")
        await super().delete(index, ids)
        if self.deleted:
            await self.deleted()

    def cut(self, step: str) -> None:
        if self.dies_at == step:
            self.dies_at = ""
            raise PowerCut(step)


class Words(TantivyIndex):
    def __init__(self, folder: Path, store: Store) -> None:
        super().__init__(folder)
        self._store = store
        self.writes = 0

    async def write(self, index: str, chunks: Sequence[EmbeddedChunk]) -> None:
        self.writes += 1
        await super().write(index, chunks)

    async def delete(self, index: str, ids: Sequence[str]) -> None:
        self._store.cut("words deleted")
        await super().delete(index, ids)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    await asyncio.to_thread(migrate, url)
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def words(tmp_path: Path, store: Store) -> AsyncIterator[Words]:
    index = Words(tmp_path / "lexical", store)
    yield index
    await index.close()


@pytest.fixture
async def collection(db: Database) -> CollectionRow:
    return await new_collection(db)


@pytest.fixture
def sink(db: Database, store: Store, words: Words) -> CatalogueSink:
    return CatalogueSink(db, store, words, patience_s=5)


@pytest.fixture
def reaper(db: Database, store: Store, words: Words, tmp_path: Path) -> Reaper:
    return Reaper(db, FileStore(tmp_path / "files"), store, words)


async def overtake(db: Database, collection: CollectionRow, key: VersionKey) -> None:
    await add(db, collection, "a.txt", "newer")


async def delete(db: Database, collection: CollectionRow, key: VersionKey) -> None:
    async with db.write() as rows:
        await documents.delete_document(rows, key.document_id)


async def refuse(db: Database, collection: CollectionRow, key: VersionKey) -> None:
    await fail(db, key)


async def kept(db: Database, store: Store, words: Words, key: VersionKey) -> list[set[str]]:
    """The ids of this version in the catalogue, in the vector store and in the lexical index."""
    generation_id, prefix = key.generation_id, f"{key.document_id}:{key.version}:"
    everywhere = (await indexes.ids(db, generation_id), await store.ids(generation_id), await words.ids(generation_id))
    return [{one for one in ids if one.startswith(prefix)} for ids in everywhere]


NOTHING: list[set[str]] = [set(), set(), set()]


@pytest.mark.parametrize("give_up", [overtake, delete, refuse])
async def test_of_a_version_that_is_given_up_nothing_is_written_anywhere(
    db: Database,
    store: Store,
    words: Words,
    sink: CatalogueSink,
    collection: CollectionRow,
    give_up: Callable[[Database, CollectionRow, VersionKey], Awaitable[None]],
) -> None:
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await give_up(db, collection, key)
    await sink.index(embedded(key, TEXTS))
    assert await kept(db, store, words, key) == NOTHING
    assert (store.upserts, words.writes) == (0, 0), "not even for a moment, in which a death would leave it"


async def test_what_shares_a_batch_with_a_version_that_is_given_up_is_written(
    db: Database, store: Store, words: Words, sink: CatalogueSink, collection: CollectionRow
) -> None:
    gone = key_of(collection, await accept(db, collection, "a.txt"))
    good = key_of(collection, await accept(db, collection, "b.txt"))
    await fail(db, gone)
    await sink.index([*embedded(gone, TEXTS), *embedded(good, TEXTS)])
    assert await kept(db, store, words, gone) == NOTHING
    assert await kept(db, store, words, good) == [{good.chunk_id(0), good.chunk_id(1)}] * 3


@pytest.mark.parametrize("is_reaped", [True, False])
async def test_a_version_given_up_while_its_batch_is_on_its_way_is_taken_back(
    db: Database,
    store: Store,
    words: Words,
    sink: CatalogueSink,
    reaper: Reaper,
    collection: CollectionRow,
    is_reaped: bool,
) -> None:
    key = key_of(collection, await accept(db, collection, "a.txt"))

    async def give_up() -> None:
        await fail(db, key)
        if is_reaped:
            await reaper.reap_some()

    store.meanwhile = give_up
    await sink.index(embedded(key, TEXTS))
    assert await kept(db, store, words, key) == NOTHING


async def test_a_version_that_is_given_up_is_not_published(
    db: Database, sink: CatalogueSink, collection: CollectionRow
) -> None:
    old = await add(db, collection, "a.txt", "old")
    key = key_of(collection, await accept(db, collection, "a.txt", "new"))
    await write_chunks(db, key, *TEXTS)
    await fail(db, key)
    await sink.publish({key: len(TEXTS)})
    assert (await status(db, old), await status(db, key)) == ("ready", "failed")


@pytest.mark.parametrize("step", ["vectors deleted", "words deleted"])
async def test_a_reaper_that_dies_half_way_is_followed_by_one_that_finds_the_rest(
    db: Database,
    store: Store,
    words: Words,
    sink: CatalogueSink,
    reaper: Reaper,
    collection: CollectionRow,
    step: str,
) -> None:
    """The rows go last: they say what there is to remove."""
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await sink.index(embedded(key, TEXTS))
    await publish(db, key)
    await delete(db, collection, key)
    store.dies_at = step
    with pytest.raises(PowerCut, match=step):
        await reaper.reap_some()
    assert (await kept(db, store, words, key))[0] == {key.chunk_id(0), key.chunk_id(1)}
    while await reaper.reap_some():
        pass
    assert await kept(db, store, words, key) == NOTHING
    assert await status(db, key) is None


async def test_words_that_only_one_of_the_two_knows_of_are_mended(
    db: Database, store: Store, words: Words, sink: CatalogueSink, collection: CollectionRow
) -> None:
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await sink.index(embedded(key, TEXTS))
    await publish(db, key)
    index, unknown = key.generation_id, VersionKey(key.generation_id, "doc_gone", 1)
    await words.delete(index, [key.chunk_id(1)])
    await words.write(index, embedded(unknown, ["the gannet is gone", "and gone"]))
    await words.commit(index)
    assert await words.ids(index) == {key.chunk_id(0), unknown.chunk_id(0), unknown.chunk_id(1)}
    reconciler = Reconciler(db, store, words, sink.turn)
    assert await reconciler.reconcile() == [Drift(index, words_extra=2, words_missing=1)]
    assert await words.ids(index) == {key.chunk_id(0), key.chunk_id(1)}
    assert {one.chunk_id for one in await words.search(index, "gannet", top_k=9)} == await words.ids(index)
    assert await reconciler.reconcile() == [Drift(index)]


async def test_what_is_on_its_way_is_neither_mended_nor_announced(
    db: Database,
    store: Store,
    words: Words,
    sink: CatalogueSink,
    collection: CollectionRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MUCH", 1)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    begun, compared = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await compared.wait()

    store.meanwhile = wait
    indexing = asyncio.create_task(sink.index(embedded(key, TEXTS)))
    await begun.wait()
    reconciling = asyncio.create_task(Reconciler(db, store, words, sink.turn).reconcile())
    done, _ = await asyncio.wait([reconciling], timeout=0.3)
    assert not done
    assert [row.is_whole for row in await db.ask(generations.alive)] == [True]
    compared.set()
    await indexing
    assert await reconciling == [Drift(key.generation_id)]
    assert store.upserts == words.writes == 1


async def test_much_that_is_missing_is_announced_until_it_is_there(
    db: Database,
    store: Store,
    words: Words,
    sink: CatalogueSink,
    collection: CollectionRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MUCH", 1)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await sink.index(embedded(key, TEXTS))
    await store.drop(key.generation_id)
    announced: list[bool] = []

    async def note() -> None:
        announced.extend(row.is_whole for row in await db.ask(generations.alive))

    store.meanwhile = note
    assert await Reconciler(db, store, words, sink.turn).reconcile() == [Drift(key.generation_id, vectors_missing=2)]
    assert announced == [False]
    assert [row.is_whole for row in await db.ask(generations.alive)] == [True]


@pytest.mark.parametrize("odd", ["odd", "x:y:z", "doc:1:99999999999999999999", "doc:-1:0"])
async def test_what_is_no_chunk_s_id_is_taken_out_of_the_index(
    db: Database, store: Store, words: Words, sink: CatalogueSink, collection: CollectionRow, odd: str
) -> None:
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await sink.index(embedded(key, TEXTS))
    await store.upsert(key.generation_id, [odd], embedded(key, TEXTS)[0].vector[None])
    assert await Reconciler(db, store, words, sink.turn).reconcile() == [Drift(key.generation_id, vectors_extra=1)]
    assert await store.ids(key.generation_id) == {key.chunk_id(0), key.chunk_id(1)}


async def test_those_who_do_not_end_are_waited_for_once(
    db: Database,
    store: Store,
    words: Words,
    sink: CatalogueSink,
    collection: CollectionRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN_S", 0.5)
    monkeypatch.setattr(module, "ROWS_A_STEP", 1)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await sink.index(embedded(key, [f"gannet {i}" for i in range(20)]))
    await words.drop(key.generation_id)
    async with sink.turn, asyncio.timeout(5):
        [drift] = await Reconciler(db, store, words, sink.turn).reconcile()
    assert drift.words_missing == 20


async def test_what_is_taken_back_meanwhile_is_not_missing(
    db: Database, store: Store, words: Words, sink: CatalogueSink, collection: CollectionRow
) -> None:
    key = key_of(collection, await accept(db, collection, "a.txt"))
    compared = asyncio.Event()

    async def give_up() -> None:
        await fail(db, key)
        await compared.wait()

    store.meanwhile = give_up
    indexing = asyncio.create_task(sink.index(embedded(key, TEXTS)))
    reconciling = asyncio.create_task(Reconciler(db, store, words, sink.turn).reconcile())
    await asyncio.wait([reconciling], timeout=0.3)
    compared.set()
    await indexing
    assert await reconciling == [Drift(key.generation_id)]
    assert await kept(db, store, words, key) == NOTHING


async def test_what_is_taken_back_while_all_is_written_anew_is_left_out(
    db: Database, store: Store, words: Words, sink: CatalogueSink, collection: CollectionRow
) -> None:
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await sink.index(embedded(key, TEXTS))
    begun, read = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        await read.wait()

    store.deleted = wait
    trimming = asyncio.create_task(sink.trim({key: 1}))
    await begun.wait()
    rebuilding = asyncio.create_task(Reconciler(db, store, words, sink.turn).rebuild(key.generation_id))
    await asyncio.wait([rebuilding], timeout=0.3)
    read.set()
    await trimming
    await rebuilding
    assert await kept(db, store, words, key) == [{key.chunk_id(0)}] * 3


async def test_an_index_that_can_not_be_read_while_it_is_written_to_is_not_broken(
    db: Database, store: Store, words: Words, sink: CatalogueSink, collection: CollectionRow
) -> None:
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await sink.index(embedded(key, TEXTS))
    async with sink.turn:
        store.is_unreadable = True
        reconciling = asyncio.create_task(Reconciler(db, store, words, sink.turn).reconcile())
        done, _ = await asyncio.wait([reconciling], timeout=0.3)
        assert not done
        store.is_unreadable = False
    assert await reconciling == [Drift(key.generation_id)]
    store.is_unreadable = True
    [drift] = await Reconciler(db, store, words, sink.turn).reconcile()
    assert drift.rebuilt


async def test_those_who_wait_for_what_is_to_be_mended_are_not_waited_for(
    db: Database,
    store: Store,
    words: Words,
    sink: CatalogueSink,
    collection: CollectionRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TURN_S", 0.2)
    old, new = [key_of(collection, await accept(db, collection, name)) for name in ("a.txt", "b.txt")]
    await sink.index(embedded(old, TEXTS))
    await store.delete(old.generation_id, [old.chunk_id(0)])
    refused = asyncio.Event()

    async def refuse_unless_mended() -> None:
        if not await store.present(old.generation_id, [old.chunk_id(0)]) and not refused.is_set():
            refused.set()
            raise VectorStoreUnavailable("there is something to be mended")

    store.meanwhile = refuse_unless_mended
    indexing = asyncio.create_task(sink.index(embedded(new, TEXTS)))
    await refused.wait()
    [drift] = await Reconciler(db, store, words, sink.turn).reconcile()
    assert drift.vectors_missing >= 1 and not drift.rebuilt
    await indexing
    for key in (old, new):
        assert await kept(db, store, words, key) == [{key.chunk_id(0), key.chunk_id(1)}] * 3
