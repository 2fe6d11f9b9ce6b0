"""Chunks of many documents → vectors → index → published versions.

A stream, not a sequence: `ingest` is called for many documents at once, their chunks share embed and index batches,
and a version is published when its last chunk is in. While one batch is indexed, the next one is embedded. A chunk
whose text has a vector already, as an earlier try or version embedded it, is not embedded again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ingest.documents import Chunk, VersionKey
from ingest.ports import ChunkSink, DocumentEmbedder, EmbeddedChunk, NewChunk, Vectors


class Refused(Exception):
    """What was drafted can't be published and has to start anew: the ground has moved under it meanwhile."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A version on its way to being published. `on_indexed(n)` is told of each n chunks that are in."""

    version: VersionKey
    title: str
    chunks: Sequence[Chunk]
    on_indexed: Callable[[int], None] = lambda _: None


@dataclass(eq=False, slots=True)
class _Pending:
    draft: Draft
    left: int
    published: asyncio.Future[None]


@dataclass(frozen=True, slots=True)
class _Item:
    pending: _Pending
    chunk: Chunk

    @property
    def is_wanted(self) -> bool:
        return not self.pending.published.done()

    def new(self) -> NewChunk:
        return NewChunk(self.pending.draft.version, self.pending.draft.title, self.chunk)


@dataclass
class Pipeline:
    """One embedder's stream. Use as a context manager; `batch_chunks` are embedded and indexed together."""

    embedder: DocumentEmbedder
    sink: ChunkSink
    batch_chunks: int = 256
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _waiting: set[_Pending] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._arrived: asyncio.Queue[_Item] = asyncio.Queue(maxsize=2 * self.batch_chunks)
        self._embedded: asyncio.Queue[list[tuple[_Item, EmbeddedChunk]]] = asyncio.Queue(maxsize=1)

    async def __aenter__(self) -> "Pipeline":
        self._tasks = [asyncio.create_task(self._embed()), asyncio.create_task(self._index())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for pending in self._waiting:
            pending.published.cancel()
        while self._waiting:  # those who wait for room in the queue, too
            while not self._arrived.empty():
                self._arrived.get_nowait()
            await asyncio.sleep(0)

    async def ingest(self, draft: Draft) -> None:
        """Returns when the draft is published; raises what kept it from that. Cancelling it drops what is queued."""
        if not draft.chunks:
            if await self.sink.publish({draft.version: 0}):
                raise Refused(f"{draft.version} could not be published")
            return
        pending = _Pending(draft, len(draft.chunks), asyncio.get_running_loop().create_future())
        self._waiting.add(pending)
        try:
            for chunk in draft.chunks:
                if pending.published.done():
                    break
                await self._arrived.put(_Item(pending, chunk))
            await pending.published
        finally:
            self._waiting.discard(pending)
            pending.published.cancel()

    async def _embed(self) -> None:
        while True:
            batch = [item for item in await self._next_batch() if item.is_wanted]
            if not batch:
                continue
            try:
                chunks = await self._embedded_chunks([item.new() for item in batch])
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the drafts of this batch
                _fail(batch, error)
                continue
            await self._embedded.put(list(zip(batch, chunks, strict=True)))

    async def _embedded_chunks(self, chunks: Sequence[NewChunk]) -> list[EmbeddedChunk]:
        known = await self.sink.known(chunks)
        unknown = (chunk.text_to_embed for chunk, vector in zip(chunks, known, strict=True) if vector is None)
        texts = list(dict.fromkeys(unknown))  # what a batch says twice is embedded once
        made = await self.embedder.embed_documents(texts) if texts else ()
        if len(made) != len(texts):
            raise ValueError(f"the embedder made {len(made)} vectors of {len(texts)} texts")
        fresh: dict[str, Vectors] = dict(zip(texts, made, strict=True))
        return [
            EmbeddedChunk(
                chunk.version, chunk.title, chunk.chunk, fresh[chunk.text_to_embed] if vector is None else vector
            )
            for chunk, vector in zip(chunks, known, strict=True)
        ]

    async def _next_batch(self) -> list[_Item]:
        batch = [await self._arrived.get()]
        await asyncio.sleep(0)  # those who wait for room in the queue may fill it
        while len(batch) < self.batch_chunks and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
            if self._arrived.empty():
                await asyncio.sleep(0)
        return batch

    async def _index(self) -> None:
        while True:
            batch = [(item, chunk) for item, chunk in await self._embedded.get() if item.is_wanted]
            items = [item for item, _ in batch]
            if not batch:
                continue
            try:
                await self.sink.index([chunk for _, chunk in batch])
                await self._publish(items)
            except Exception as error:  # noqa: BLE001 - as above
                _fail(items, error)

    async def _publish(self, items: Sequence[_Item]) -> None:
        counts: dict[_Pending, int] = {}
        for item in items:
            counts[item.pending] = counts.get(item.pending, 0) + 1
        for pending, count in counts.items():
            pending.left -= count
            pending.draft.on_indexed(count)
        complete = [pending for pending in counts if not pending.left and not pending.published.done()]
        if not complete:
            return
        refused = await self.sink.publish({pending.draft.version: len(pending.draft.chunks) for pending in complete})
        for pending in complete:
            if pending.published.done():
                continue
            if pending.draft.version in refused:
                pending.published.set_exception(Refused(f"{pending.draft.version} could not be published"))
            else:
                pending.published.set_result(None)


def _fail(items: Sequence[_Item], error: Exception) -> None:
    for item in items:
        if item.is_wanted:
            item.pending.published.set_exception(error)
