"""What every VectorStore does, and what only Chroma can get wrong."""

import asyncio
import gc
import uuid
import warnings
from collections.abc import AsyncIterator

import httpx
import numpy as np
import orjson
import pytest

from ingest.ports import Vectors
from rag_api.backends.chroma import ROWS_A_DELETE, ROWS_A_WRITE, ChromaStore
from rag_api.backends.http import open_caller
from rag_api.backends.shards import ShardedStore
from rag_api.core.ports import VectorStore
from rag_api.errors import VectorStoreUnavailable
from tests.fakes import MemoryVectorStore

DIMENSION = 8


@pytest.fixture(params=["memory", "memory in shards", "chroma", "chroma in shards"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[VectorStore]:
    where, _, in_shards = request.param.partition(" in ")
    if where == "memory":
        yield ShardedStore(MemoryVectorStore(), rows=3) if in_shards else MemoryVectorStore()
        return
    async with open_caller(request.getfixturevalue("chroma_url"), timeout_s=30) as client:
        chroma = ChromaStore(client, ef_search=200)
        yield ShardedStore(chroma, rows=40) if in_shards else chroma


@pytest.fixture
def index() -> str:
    return f"gen_{uuid.uuid4().hex}"


def vector(*values: float) -> Vectors:
    """A unit vector; what is not given is 0."""
    full = np.zeros(DIMENSION, dtype=np.float32)
    full[: len(values)] = values
    return full / np.linalg.norm(full)


def many(count: int) -> Vectors:
    rows = np.random.default_rng(7).normal(size=(count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


async def test_the_nearest_come_first_with_their_cosine(store: VectorStore, index: str) -> None:
    rows = {"same": vector(1), "near": vector(1, 1), "apart": vector(0, 1), "opposite": vector(-1)}
    await store.upsert(index, list(rows), np.stack(list(rows.values())))
    found = await store.query(index, vector(1), top_k=4)
    assert [scored.chunk_id for scored in found] == ["same", "near", "apart", "opposite"]
    assert [scored.score for scored in found] == pytest.approx([1, 0.5**0.5, 0, -1], abs=1e-5)


async def test_no_more_than_top_k_are_found(store: VectorStore, index: str) -> None:
    rows = many(30)
    await store.upsert(index, [f"doc:1:{i}" for i in range(30)], rows)
    found = await store.query(index, rows[3], top_k=5)
    exact = np.argsort(-(rows @ rows[3]))[:5]
    assert [scored.chunk_id for scored in found] == [f"doc:1:{i}" for i in exact]
    assert len(await store.query(index, rows[3], top_k=100)) == 30


async def test_upserting_an_id_again_replaces_its_vector(store: VectorStore, index: str) -> None:
    await store.upsert(index, ["a", "b"], np.stack([vector(1), vector(0, 1)]))
    await store.upsert(index, ["a", "c"], np.stack([vector(0, 0, 1), vector(0, 0, 0, 1)]))
    assert await store.count(index) == 3
    [best] = await store.query(index, vector(0, 0, 1), top_k=1)
    assert (best.chunk_id, best.score) == ("a", pytest.approx(1, abs=1e-5))


async def test_more_rows_than_one_write_or_delete_takes_all_arrive(store: VectorStore, index: str) -> None:
    count = ROWS_A_DELETE + ROWS_A_WRITE // 2
    ids, rows = [f"doc:1:{i}" for i in range(count)], many(count)
    await store.upsert(index, ids, rows)
    assert await store.count(index) == count
    for i in (0, ROWS_A_WRITE - 1, ROWS_A_WRITE, count - 1):
        [best] = await store.query(index, rows[i], top_k=1)
        assert best.chunk_id == ids[i]
    await store.delete(index, ids[1:])
    assert await store.count(index) == 1


async def test_what_is_deleted_is_not_found(store: VectorStore, index: str) -> None:
    await store.upsert(index, ["a", "b"], np.stack([vector(1), vector(0, 1)]))
    await store.delete(index, ["a", "never there"])
    assert [scored.chunk_id for scored in await store.query(index, vector(1), top_k=9)] == ["b"]
    await store.delete(index, ["b"])
    assert await store.query(index, vector(1), top_k=9) == []
    assert await store.count(index) == 0


async def test_an_index_that_is_not_there_holds_nothing(store: VectorStore, index: str) -> None:
    assert await store.query(index, vector(1), top_k=3) == []
    assert await store.count(index) == 0
    await store.delete(index, ["a"])
    await store.drop(index)


async def test_writing_nothing_makes_nothing(store: VectorStore, index: str) -> None:
    await store.upsert(index, [], np.zeros((0, DIMENSION), dtype=np.float32))
    await store.delete(index, [])
    assert await store.count(index) == 0


async def test_a_dropped_index_is_empty_and_can_be_written_anew(store: VectorStore, index: str) -> None:
    await store.upsert(index, ["a"], vector(1)[None])
    await store.drop(index)
    assert await store.query(index, vector(1), top_k=3) == []
    await store.upsert(index, ["b"], vector(0, 1, 1)[None])
    assert [scored.chunk_id for scored in await store.query(index, vector(1), top_k=3)] == ["b"]


async def test_indexes_are_apart(store: VectorStore, index: str) -> None:
    await store.upsert(index, ["a"], vector(1)[None])
    await store.upsert(f"{index}-2", ["b"], np.ones((1, 3), dtype=np.float32))
    await store.drop(f"{index}-2")
    assert [scored.chunk_id for scored in await store.query(index, vector(1), top_k=3)] == ["a"]


async def test_writes_and_queries_at_once_lose_nothing(store: VectorStore, index: str) -> None:
    rows = many(300)
    writes = [store.upsert(index, [f"{w}:{i}" for i in range(60)], rows[60 * w : 60 * w + 60]) for w in range(5)]
    queries = [store.query(index, rows[i], top_k=3) for i in range(10)]
    await asyncio.gather(*writes, *queries)
    assert await store.count(index) == 300


async def test_a_store_answers_when_asked(store: VectorStore) -> None:
    await store.ping()


async def test_the_official_client_reads_what_is_written(chroma_url: str, index: str) -> None:
    rows = many(3)
    async with open_caller(chroma_url, timeout_s=30) as client:
        await ChromaStore(client, ef_search=77).upsert(index, ["a", "b", "c"], rows)
    found, nearest, space = await asyncio.to_thread(_read_officially, chroma_url, index, rows[1])
    assert sorted(found) == ["a", "b", "c"]
    for id_, row in zip("abc", rows, strict=True):
        assert found[id_] == pytest.approx(row, abs=1e-6)
    assert nearest == ("b", pytest.approx(0, abs=1e-5))
    assert space == ("cosine", 77)


async def test_an_index_made_anew_by_another_process_is_found(chroma_url: str, index: str) -> None:
    async with open_caller(chroma_url, timeout_s=30) as client:
        one, other = ChromaStore(client, ef_search=200), ChromaStore(client, ef_search=200)
        await one.upsert(index, ["a"], vector(1)[None])
        await other.drop(index)
        await other.upsert(index, ["b"], vector(1)[None])
        assert [scored.chunk_id for scored in await one.query(index, vector(1), top_k=1)] == ["b"]


async def test_an_index_dropped_by_another_process_is_empty_and_made_again_when_written_to(
    chroma_url: str, index: str
) -> None:
    async with open_caller(chroma_url, timeout_s=30) as client:
        one, other = ChromaStore(client, ef_search=200), ChromaStore(client, ef_search=200)
        await one.upsert(index, ["a"], vector(1)[None])
        await other.drop(index)
        assert await one.query(index, vector(1), top_k=1) == [] and await one.count(index) == 0
        await one.upsert(index, ["b"], vector(1)[None])
        assert await other.ids(index) == {"b"}


async def test_ids_vectors_and_their_loss_can_be_asked_for(chroma_url: str, index: str) -> None:
    async with open_caller(chroma_url, timeout_s=30) as client:
        store = ChromaStore(client, ef_search=200)
        assert await store.ids(index) == set() and await store.nearest(index, many(2)) == [-1.0, -1.0]
        ids = [f"doc:1:{i}" for i in range(120)]
        await store.upsert(index, ids, many(120))
        assert await store.ids(index) == set(ids)
        assert await store.nearest(index, many(120)) == pytest.approx([1.0] * 120, abs=1e-5)
        assert await store.lost(index, ["doc:1:0", "doc:9:0"]) == ["doc:9:0"]


async def test_an_index_in_several_collections_is_whole(chroma_url: str, index: str) -> None:
    async with open_caller(chroma_url, timeout_s=30) as client:
        store = ShardedStore(ChromaStore(client, ef_search=200), rows=250)
        rows = many(1_250)
        ids = [f"doc:1:{i}" for i in range(len(rows))]
        for at in range(0, len(rows), 50):
            await store.upsert(index, ids[at : at + 50], rows[at : at + 50])
        await store.delete(index, ids[10:20])
        await store.upsert(index, ids[:5], rows[5:10])  # in a shard that is full
        assert await store.count(index) == 1_240
        assert await store.ids(index) == {*ids[:10], *ids[20:]}
        assert await store.present(index, [ids[0], ids[15], ids[700], "doc:9:0"]) == {ids[0], ids[700]}
        assert await store.nearest(index, rows[20:]) == pytest.approx([1.0] * 1_230, abs=1e-5)
        assert {one.chunk_id for one in await store.query(index, rows[7], top_k=2)} == {ids[2], ids[7]}
        shards = [f"{index}.{number}" if number > 1 else index for number in range(1, 8)]
        plain = ChromaStore(client, ef_search=200)
        assert [await plain.count(shard) for shard in shards] == [240, 250, 250, 250, 250, 0, 0]
        await store.drop(index)
        assert [await plain.has(shard) for shard in shards] == [False] * 7


async def test_a_store_that_is_away_is_unavailable(index: str) -> None:
    async with open_caller("http://127.0.0.1:9", timeout_s=5) as client:
        store = ChromaStore(client, ef_search=200)
        for call in (store.ping(), store.query(index, vector(1), top_k=1), store.upsert(index, ["a"], vector(1)[None])):
            with pytest.raises(VectorStoreUnavailable, match=r"127\.0\.0\.1:9.*can't be reached"):
                await call


async def test_a_query_that_fails_does_not_break_a_write_in_progress(index: str) -> None:
    written: list[str] = []
    query_failed = asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        match request.url.path.rpartition("/")[2]:
            case "query":
                return httpx.Response(503, text="compacting")
            case "upsert":
                await asyncio.wait_for(query_failed.wait(), 5)
                written.extend(orjson.loads(request.content)["ids"])
                return httpx.Response(200)
        return httpx.Response(200, json={"id": "chromas-own-id"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://chroma/") as client:
        store = ChromaStore(client, ef_search=200)
        ids = [str(i) for i in range(ROWS_A_WRITE + 1)]
        writing = asyncio.create_task(store.upsert(index, ids, many(len(ids))))
        await asyncio.sleep(0.05)
        with pytest.raises(VectorStoreUnavailable, match="503: compacting"):
            await store.query(index, vector(1), top_k=1)
        query_failed.set()
        await writing
    assert written == ids


def _read_officially(url: str, index: str, query: Vectors) -> tuple[dict[str, Vectors], object, tuple[str, int]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affair
        import chromadb

        with chromadb.HttpClient(host="127.0.0.1", port=httpx.URL(url).port or 0) as client:
            collection = client.get_collection(index, embedding_function=None)
            rows = collection.get(include=["embeddings"])
            found = collection.query(query_embeddings=[query.tolist()], n_results=1, include=["distances"])
        hnsw = collection.configuration_json["hnsw"]
        del client, collection
        gc.collect()  # it leaves its connections open
    embeddings = dict(zip(rows["ids"], np.asarray(rows["embeddings"]), strict=True))
    return embeddings, (found["ids"][0][0], found["distances"][0][0]), (hnsw["space"], hnsw["ef_search"])
