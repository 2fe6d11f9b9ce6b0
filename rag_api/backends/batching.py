"""Many small embed calls become few large ones.

Purpose: one forward pass over many texts costs little more than over one, so concurrent callers share passes.
Mechanism: a deque of waiting texts, one task, one thread. While a pass runs, texts gather; the next pass takes as many
as fit a token budget (longest × count, as a padded batch costs) without waiting for more. Queries overtake documents.
A caller that was cancelled is skipped; beyond `queue_texts` a call is refused at once, so waiting stays bounded.
Does not promise: order between callers; that one call's texts share a pass.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from ingest.ports import Vectors
from rag_api.errors import TooBusy

CHARS_PER_TOKEN = 4  # a guess: it only decides which texts share a pass


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


@dataclass
class Batcher:
    """`encode` turns texts into unit vectors; it blocks and is called from one thread only."""

    encode: Callable[[list[str]], Vectors]
    batch_tokens: int
    max_tokens: int
    queue_texts: int
    _queries: deque[_Text] = field(default_factory=deque)
    _documents: deque[_Text] = field(default_factory=deque)

    async def __aenter__(self) -> "Batcher":
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._arrived = asyncio.Event()
        self._under_way: list[_Text] = []
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for waiting in (*self._under_way, *self._queries, *self._documents):
            waiting.call.done.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Vectors of shape (len(texts), dimension) in the order of the texts. Raises TooBusy."""
        queue = self._queries if is_query else self._documents
        if not texts:
            raise ValueError("no texts to embed")
        if len(queue) + len(texts) > self.queue_texts and queue:
            raise TooBusy(f"{len(queue)} texts wait to be embedded already; try again in a moment")
        call = _Call(len(texts), [None] * len(texts), asyncio.get_running_loop().create_future())
        items = [_Text(call, row, text) for row, text in enumerate(texts)]
        queue.extend(sorted(items, key=lambda item: len(item.text)))  # neighbours of one length pad little
        self._arrived.set()
        return await call.done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            batch = self._under_way = self._take(self._queries) or self._take(self._documents)
            if not batch:
                self._arrived.clear()
                continue
            try:
                vectors = await loop.run_in_executor(self._thread, self.encode, [item.text for item in batch])
                _deliver(batch, vectors)
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the callers in this batch
                for item in batch:
                    if not item.call.done.done():
                        item.call.done.set_exception(error)

    def _take(self, queue: deque[_Text]) -> list[_Text]:
        batch: list[_Text] = []
        longest = 0
        while queue:
            item = queue[0]
            if item.call.done.done():
                queue.popleft()
                continue
            longest = max(longest, min(item.tokens, self.max_tokens))
            if batch and longest * (len(batch) + 1) > self.batch_tokens:
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
