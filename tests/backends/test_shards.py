"""Several processes on the same shards, each with a store of its own, against one index that is never cut."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.ports import Vectors
from rag_api.backends import shards as module
from rag_api.backends.shards import ShardedStore
from rag_api.core.hits import Scored
from tests.fakes import MemoryVectorStore

INDEX = "gen_1"
IDS = [f"doc:1:{i}" for i in range(12)]
WHO = st.integers(0, 1)
SOME = st.lists(st.sampled_from(IDS), unique=True, max_size=5)
STEPS = st.lists(
    st.tuples(st.sampled_from(["upsert", "upsert", "delete", "ask"]), WHO, SOME, st.integers(0, 99))
    | st.tuples(st.just("drop"), WHO, st.just([]), st.just(0)),
    max_size=30,
)


@pytest.fixture(autouse=True)
def _looks_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.0)


def vectors(count: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).normal(size=(count, 4)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


async def shards_of(store: MemoryVectorStore) -> dict[str, set[str]]:
    names = [f"{INDEX}.{number}" if number > 1 else INDEX for number in range(1, 30)]
    return {name: await store.ids(name) for name in names if await store.has(name)}


async def assert_same(sharded: ShardedStore, whole: MemoryVectorStore) -> None:
    assert await sharded.ids(INDEX) == await whole.ids(INDEX)
    assert await sharded.count(INDEX) == await whole.count(INDEX)
    for vector in vectors(2, 5):
        for top_k in (1, 20):
            assert await sharded.query(INDEX, vector, top_k=top_k) == await whole.query(INDEX, vector, top_k=top_k)
    assert await sharded.nearest(INDEX, vectors(3, 6)) == await whole.nearest(INDEX, vectors(3, 6))
    assert await sharded.lost(INDEX, IDS) == await whole.lost(INDEX, IDS)


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 100])
@settings(max_examples=60, deadline=None)
@given(STEPS)
async def test_cut_or_not_an_index_holds_the_same(rows: int, steps: Sequence[tuple[str, int, list[str], int]]) -> None:
    below, whole = MemoryVectorStore(), MemoryVectorStore()
    processes = [ShardedStore(below, rows=rows) for _ in range(2)]
    for action, who, ids, seed in steps:
        match action:
            case "upsert":
                are_new = not await whole.present(INDEX, ids)
                for store in (processes[who], whole):
                    await store.upsert(INDEX, ids, vectors(len(ids), seed), are_new=are_new)
            case "delete":
                for store in (processes[who], whole):
                    await store.delete(INDEX, ids)
            case "drop":
                for store in (processes[who], whole):
                    await store.drop(INDEX)
            case "ask":
                await assert_same(processes[who], whole)
    for store in processes:
        await assert_same(store, whole)
    shards = await shards_of(below)
    assert sum(map(len, shards.values())) == await whole.count(INDEX), "a chunk in two shards"
    if rows:
        assert all(len(ids) < rows + 5 for ids in shards.values())
    else:
        assert shards.keys() <= {INDEX}


async def test_a_shard_is_made_when_the_one_before_is_half_full_and_filled_when_that_is_full() -> None:
    below = MemoryVectorStore()
    store = ShardedStore(below, rows=4)
    found = []
    for i in range(6):
        await store.upsert(INDEX, [IDS[i]], vectors(1, i))
        found.append([len(ids) for ids in (await shards_of(below)).values()])
    assert found == [[1], [2, 0], [3, 0], [4, 0], [4, 1], [4, 2, 0]]


async def test_the_same_rows_again_are_no_reason_for_another_shard() -> None:
    below = MemoryVectorStore()
    store = ShardedStore(below, rows=4)
    for _ in range(9):
        await store.upsert(INDEX, IDS[:3], vectors(3, 1))
    assert [len(ids) for ids in (await shards_of(below)).values()] == [3, 0]


async def test_nobody_looks_for_rows_that_are_new() -> None:
    below = LookingStore()
    store = ShardedStore(below, rows=2)
    for i in range(6):
        await store.upsert(INDEX, [IDS[i]], vectors(1, i), are_new=True)
    assert below.looked_in == []
    await store.upsert(INDEX, IDS[:1], vectors(1, 9))
    assert below.looked_in == [INDEX, f"{INDEX}.2", f"{INDEX}.3"]
    assert await store.count(INDEX) == 6


async def test_a_process_looks_for_shards_of_others_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 1.0)
    below, now = LookingStore(), 100.0
    store = ShardedStore(below, rows=4, clock=lambda: now)
    for now in (100.0, 100.4, 100.9, 101.1):  # noqa: B007 - the clock reads it
        await store.query(INDEX, vectors(1, 1)[0], top_k=1)
    assert below.looked_for == [f"{INDEX}.2"] * 2


class LookingStore(MemoryVectorStore):
    def __init__(self) -> None:
        super().__init__()
        self.looked_for: list[str] = []
        self.looked_in: list[str] = []

    async def has(self, index: str) -> bool:
        self.looked_for.append(index)
        return await super().has(index)

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        self.looked_in.append(index)
        return await super().present(index, ids)


async def test_a_shard_that_comes_while_a_question_is_under_way_is_asked_as_well() -> None:
    below = SlowStore()
    store = ShardedStore(below, rows=2)
    await store.upsert(INDEX, IDS[:2], vectors(2, 1))
    asking = asyncio.create_task(store.query(INDEX, vectors(1, 1)[0], top_k=9))
    await asyncio.wait_for(below.is_asked.wait(), 5)
    await ShardedStore(below, rows=2).upsert(INDEX, IDS[2:4], vectors(2, 2))
    below.may_answer.set()
    assert {one.chunk_id for one in await asyncio.wait_for(asking, 5)} >= set(IDS[:2])
    assert {one.chunk_id for one in await store.query(INDEX, vectors(1, 1)[0], top_k=9)} == set(IDS[:4])


class SlowStore(MemoryVectorStore):
    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def query(self, index: str, vector: Vectors, *, top_k: int) -> list[Scored]:
        self.is_asked.set()
        await self.may_answer.wait()
        return await super().query(index, vector, top_k=top_k)


@pytest.mark.parametrize("call", ["upsert", "delete", "drop"])
async def test_writes_to_one_index_come_one_after_the_other(call: str) -> None:
    below = MemoryVectorStore()
    store = ShardedStore(below, rows=3)
    writes: list[Any] = [store.upsert(INDEX, [one], vectors(1, i)) for i, one in enumerate(IDS)]
    await asyncio.gather(*writes, _also(store, call))
    shards = await shards_of(below)
    assert list(shards) == [INDEX, *(f"{INDEX}.{number}" for number in range(2, 30))][: len(shards)], "a gap"


async def _also(store: ShardedStore, call: str) -> None:
    match call:
        case "upsert":
            await store.upsert(INDEX, IDS[:5], vectors(5, 7))
        case "delete":
            await store.delete(INDEX, IDS[:5])
        case "drop":
            await store.drop(INDEX)
