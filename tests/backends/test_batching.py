import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.ports import Vectors
from rag_api.backends.batching import CHARS_PER_TOKEN, DOCUMENTS_NICE, Batcher
from rag_api.errors import TooBusy

WAIT_S = 10.0


class Encoder:
    """A text's vector is its length and its first character. `hold` stops passes until `release`."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.threads: set[str] = set()
        self.short_by = 0
        self._go = threading.Event()
        self._go.set()
        self.begun = threading.Event()

    def hold(self) -> None:
        self.begun.clear()
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    def __call__(self, texts: list[str]) -> Vectors:
        self.batches.append(texts)
        self.threads.add(threading.current_thread().name)
        self.begun.set()
        assert self._go.wait(WAIT_S)
        if any("bad" in text for text in texts):
            raise RuntimeError("the model broke")
        rows = [vector_of(text) for text in texts]
        return np.stack(rows[: len(rows) - self.short_by])


def vector_of(text: str) -> Vectors:
    return np.array([len(text), ord(text[0]) if text else 0], dtype=np.float32)


@asynccontextmanager
async def batching(
    encoder: Encoder, *, batch_tokens: int = 1_000, max_tokens: int = 100, queue_texts: int = 100, lanes: int = 1
) -> AsyncIterator[Batcher]:
    try:
        made = Batcher(encoder, batch_tokens, max_tokens, queue_texts, lanes)
        async with asyncio.timeout(WAIT_S), made as batcher:
            yield batcher
    finally:
        encoder.release()


async def under_way(encoder: Encoder, batcher: Batcher, text: str = "first") -> "asyncio.Task[Vectors]":
    """A pass that has begun and is held, so that what follows gathers in the queues."""
    encoder.hold()
    task = asyncio.create_task(batcher.embed([text], is_query=False))
    assert await asyncio.to_thread(encoder.begun.wait, WAIT_S)
    return task


def ask(batcher: Batcher, *texts: str, is_query: bool = False) -> "asyncio.Task[Vectors]":
    return asyncio.create_task(batcher.embed(texts, is_query=is_query))


async def gathered() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    calls=st.lists(st.lists(st.text(max_size=60), min_size=1, max_size=8), min_size=1, max_size=6),
    batch_tokens=st.integers(1, 60),
)
async def test_every_call_gets_its_vectors_in_the_order_of_its_texts(calls: list[list[str]], batch_tokens: int) -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=batch_tokens, max_tokens=12) as batcher:
        found = await asyncio.gather(*(batcher.embed(texts, is_query=bool(i % 2)) for i, texts in enumerate(calls)))
    for texts, vectors in zip(calls, found, strict=True):
        assert vectors.tolist() == [vector_of(text).tolist() for text in texts]
    assert sorted(text for batch in encoder.batches for text in batch) == sorted(
        text for texts in calls for text in texts
    )
    for batch in encoder.batches:
        assert len(batch) == 1 or cost(batch, 12) <= batch_tokens


def cost(batch: Sequence[str], max_tokens: int) -> int:
    return len(batch) * max(min(len(text) // CHARS_PER_TOKEN + 2, max_tokens) for text in batch)


async def test_concurrent_calls_share_a_pass() -> None:
    encoder = Encoder()
    async with batching(encoder) as batcher:
        first = await under_way(encoder, batcher)
        calls = [ask(batcher, f"text {i}") for i in range(10)]
        await gathered()
        encoder.release()
        await asyncio.gather(first, *calls)
    assert [len(batch) for batch in encoder.batches] == [1, 10]


async def test_a_query_waits_for_no_document() -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=20) as batcher:
        first = await under_way(encoder, batcher)
        documents = ask(batcher, *(f"document {i}" for i in range(20)))
        await gathered()
        encoder.begun.clear()
        query = ask(batcher, "a query", is_query=True)
        assert await asyncio.to_thread(encoder.begun.wait, WAIT_S)
        assert encoder.batches == [["first"], ["a query"]]
        encoder.release()
        await asyncio.gather(first, documents, query)


async def test_each_lane_has_a_pass_under_way() -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=3, lanes=3) as batcher:
        first = await under_way(encoder, batcher)
        rest = [ask(batcher, f"no {i}") for i in range(4)]
        while len(encoder.batches) < 3:  # noqa: ASYNC110 - threads begin them
            await asyncio.sleep(0.001)
        await gathered()
        assert len(encoder.batches) == 3
        encoder.release()
        await asyncio.gather(first, *rest)
    assert len(encoder.batches) == 5


async def test_a_batch_grows_to_its_budget_and_no_further() -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=12) as batcher:
        first = await under_way(encoder, batcher)
        rest = ask(batcher, *("four" for _ in range(10)))  # 3 tokens each
        await gathered()
        encoder.release()
        await asyncio.gather(first, rest)
    assert [len(batch) for batch in encoder.batches] == [1, 4, 4, 2]


async def test_a_text_longer_than_the_budget_goes_alone() -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=10) as batcher:
        await batcher.embed(["x" * 1_000, "short", "y" * 1_000], is_query=False)
    assert sorted(map(len, encoder.batches)) == [1, 1, 1]


async def test_a_text_counts_for_no_more_than_the_model_reads() -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=40, max_tokens=10) as batcher:
        await batcher.embed(["x" * 1_000] * 4, is_query=False)
    assert [len(batch) for batch in encoder.batches] == [4]


async def test_cancelled_callers_are_skipped() -> None:
    encoder = Encoder()
    async with batching(encoder) as batcher:
        first = await under_way(encoder, batcher)
        unwanted, wanted = ask(batcher, "unwanted", "unwanted too"), ask(batcher, "wanted")
        await gathered()
        unwanted.cancel()
        await asyncio.wait([unwanted], timeout=WAIT_S)
        encoder.release()
        await asyncio.gather(first, wanted)
    assert encoder.batches == [["first"], ["wanted"]]


async def test_a_caller_cancelled_during_its_pass_disturbs_nobody() -> None:
    encoder = Encoder()
    async with batching(encoder) as batcher:
        first = await under_way(encoder, batcher)
        first.cancel()
        await asyncio.wait([first], timeout=WAIT_S)
        encoder.release()
        assert (await batcher.embed(["next"], is_query=True)).tolist() == [vector_of("next").tolist()]


async def test_a_full_queue_refuses_at_once() -> None:
    encoder = Encoder()
    async with batching(encoder, queue_texts=4) as batcher:
        first = await under_way(encoder, batcher)
        waiting = ask(batcher, "one", "two", "three")
        await gathered()
        with pytest.raises(TooBusy, match="3 texts wait"):
            await batcher.embed(["four", "five"], is_query=False)
        fits, query = ask(batcher, "four"), ask(batcher, "a", "b", is_query=True)
        await gathered()
        encoder.release()
        assert [len(vectors) for vectors in await asyncio.gather(first, waiting, fits, query)] == [1, 3, 1, 2]


async def test_a_call_larger_than_the_queue_is_taken_when_nothing_waits() -> None:
    async with batching(Encoder(), queue_texts=4) as batcher:
        assert (await batcher.embed(["x"] * 9, is_query=False)).shape == (9, 2)


async def test_an_error_reaches_the_callers_of_its_pass_only() -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=6) as batcher:
        first = await under_way(encoder, batcher)
        calls = [ask(batcher, "bad"), ask(batcher, "near"), ask(batcher, "far1"), ask(batcher, "far2")]
        await gathered()
        encoder.release()
        bad, near, *far = await asyncio.gather(*calls, return_exceptions=True)
        await first
    assert encoder.batches[1:] == [["bad", "near"], ["far1", "far2"]]
    assert str(bad) == str(near) == "the model broke"
    assert [vectors.tolist() for vectors in far] == [[vector_of("far1").tolist()], [vector_of("far2").tolist()]]  # type: ignore[union-attr]


async def test_an_encoder_that_makes_too_few_vectors_fails_its_callers_and_the_next_call_works() -> None:
    encoder = Encoder()
    async with batching(encoder) as batcher:
        encoder.short_by = 1
        with pytest.raises(ValueError):
            await asyncio.wait_for(batcher.embed(["one", "two"], is_query=False), 1)
        encoder.short_by = 0
        assert (await batcher.embed(["next"], is_query=False)).shape == (1, 2)


async def test_the_last_texts_are_shared_out_among_the_lanes() -> None:
    encoder = Encoder()
    texts = [str(i) * 99 for i in range(10, 50)]  # 51 tokens each
    async with batching(encoder, batch_tokens=100_000, lanes=2) as batcher:
        await batcher.embed(texts, is_query=False)
    assert [len(batch) for batch in encoder.batches] == [20, 10, 10]  # fewer are not worth two passes


async def test_queries_and_documents_have_threads_of_their_own() -> None:
    encoder = Encoder()
    async with batching(encoder, batch_tokens=1) as batcher:
        await asyncio.gather(*(batcher.embed([str(i)], is_query=bool(i % 2)) for i in range(10)))
    assert len(encoder.threads) == 2
    assert threading.current_thread().name not in encoder.threads


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts a thread's niceness by itself")
async def test_threads_of_documents_give_way_to_all_others() -> None:
    def encode(texts: list[str]) -> Vectors:
        nice = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return np.full((len(texts), 1), nice, dtype=np.float32)

    async with Batcher(encode, 1_000, 100, 100) as batcher:
        [[document]] = await batcher.embed(["a document"], is_query=False)
        [[query]] = await batcher.embed(["a query"], is_query=True)
    assert document == min(query + DOCUMENTS_NICE, 19)


async def test_documents_may_have_a_way_of_their_own() -> None:
    def made(value: float) -> Callable[[list[str]], Vectors]:
        return lambda texts: np.full((len(texts), 1), value, dtype=np.float32)

    async with Batcher(made(1), 1_000, 100, 100, encode_documents=made(2)) as batcher:
        assert (await batcher.embed(["a query"], is_query=True)).tolist() == [[1]]
        assert (await batcher.embed(["a document"], is_query=False)).tolist() == [[2]]


async def test_no_texts_are_refused() -> None:
    async with batching(Encoder()) as batcher:
        with pytest.raises(ValueError, match="no texts"):
            await batcher.embed([], is_query=True)


async def test_closing_ends_the_calls_that_wait() -> None:
    encoder = Encoder()
    async with batching(encoder) as batcher:
        await under_way(encoder, batcher)
        waiting = ask(batcher, "waiting")
        await gathered()
        encoder.release()
    _, pending = await asyncio.wait([waiting], timeout=1)
    assert not pending


async def test_closing_ends_the_calls_of_the_pass_under_way() -> None:
    encoder = Encoder()
    async with batching(encoder) as batcher:
        first = await under_way(encoder, batcher)
        encoder.release()
    _, pending = await asyncio.wait([first], timeout=1)
    first.cancel()
    assert not pending
