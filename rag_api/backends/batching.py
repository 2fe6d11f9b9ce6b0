"""Many small embed calls become few large ones.

Purpose: one forward pass over many texts costs little more than over one, so concurrent callers share passes.
Mechanism: two deques of waiting texts, of queries and of documents, each with `lanes` tasks and as many threads, a pass
a lane at a time. While passes run, texts gather; the next pass takes as many as fit a token budget (longest × count, as
a padded batch costs) without waiting for more. Queries overtake documents: their threads come first on a processor, so
a query waits for no pass over documents. A cancelled caller is skipped; beyond `queue_texts` a call is refused at once,
so waiting stays bounded.
Does not promise: order between callers; that one call's texts share a pass.
"""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ingest.ports import Vectors
from rag_api.errors import TooBusy

CHARS_PER_TOKEN = 4  # a guess: it only decides which texts share a pass
SHARED_TOKENS = 512  # less than this is not shared out among lanes
DOCUMENTS_NICE = 10


@dataclass(eq=False, slots=True)
class _Call:
    left: int
    rows: list[Vectors | None]
    done: asyncio.Future[Vectors]


@dataclass(frozen=True, slots=True)
class _Text:
    call: _Call
    row: int
    text: str

    @property
    def tokens(self) -> int:
        return len(self.text) // CHARS_PER_TOKEN + 2


@dataclass(eq=False, slots=True)
class _Queue:
    texts: deque[_Text] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Batcher:
    """`encode` turns texts into unit vectors; it blocks and is called from 2 × `lanes` threads at once. Where
    `encode_documents` is given, it does so for documents, from `lanes` threads."""

    encode: Callable[[list[str]], Vectors]
    batch_tokens: int
    max_tokens: int
    queue_texts: int
    lanes: int = 1
    encode_documents: Callable[[list[str]], Vectors] | None = None

    async def __aenter__(self) -> "Batcher":
        self._queries, self._documents = _Queue(), _Queue()
        self._open: set[_Call] = set()
        self._pools = [
            ThreadPoolExecutor(self.lanes, thread_name_prefix="queries"),
            ThreadPoolExecutor(self.lanes, thread_name_prefix="documents", initializer=_give_way),
        ]
        ways = (
            (self._queries, self._pools[0], self.encode),
            (self._documents, self._pools[1], self.encode_documents or self.encode),
        )
        self._tasks = [asyncio.create_task(self._run(*way)) for way in ways for _ in range(self.lanes)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for call in self._open:
            call.done.cancel()
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Vectors of shape (len(texts), dimension) in the order of the texts. Raises TooBusy."""
        queue = self._queries if is_query else self._documents
        if not texts:
            raise ValueError("no texts to embed")
        if len(queue.texts) + len(texts) > self.queue_texts and queue.texts:
            raise TooBusy(f"{len(queue.texts)} texts wait to be embedded already; try again in a moment")
        call = _Call(len(texts), [None] * len(texts), asyncio.get_running_loop().create_future())
        items = [_Text(call, row, text) for row, text in enumerate(texts)]
        queue.texts.extend(sorted(items, key=lambda item: len(item.text)))  # neighbours of one length pad little
        queue.arrived.set()
        self._open.add(call)
        try:
            return await call.done
        finally:
            self._open.discard(call)

    async def _run(self, queue: _Queue, pool: ThreadPoolExecutor, encode: Callable[[list[str]], Vectors]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await queue.arrived.wait()
            batch = self._take(queue.texts)
            if not batch:
                queue.arrived.clear()
                continue
            try:
                vectors = await loop.run_in_executor(pool, encode, [item.text for item in batch])
                _deliver(batch, vectors)
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers in this batch
                for item in batch:
                    if not item.call.done.done():
                        item.call.done.set_exception(error)

    def _take(self, queue: deque[_Text]) -> list[_Text]:
        """As many as one pass may take, but no more than this lane's share of what waits."""
        batch: list[_Text] = []
        longest = 0
        waiting = sum(min(item.tokens, self.max_tokens) for item in queue) if self.lanes > 1 else self.batch_tokens
        budget = min(self.batch_tokens, max(-(-waiting // self.lanes), SHARED_TOKENS))
        while queue:
            item = queue[0]
            if item.call.done.done():
                queue.popleft()
                continue
            longest = max(longest, min(item.tokens, self.max_tokens))
            if batch and longest * (len(batch) + 1) > budget:
                break
            batch.append(queue.popleft())
        return batch


def _deliver(batch: Sequence[_Text], vectors: Vectors) -> None:
    for item, vector in zip(batch, vectors, strict=True):
        call = item.call
        call.rows[item.row] = vector
        call.left -= 1
        if not call.left and not call.done.done():
            call.done.set_result(np.stack([row for row in call.rows if row is not None]))


def _give_way() -> None:
    """Only Linux counts a thread's niceness by itself."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + DOCUMENTS_NICE, 19))
