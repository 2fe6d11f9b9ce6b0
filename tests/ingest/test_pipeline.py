import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from ingest.documents import Chunk, Span, VersionKey
from ingest.pipeline import Draft, Pipeline, Refused
from ingest.ports import EmbeddedChunk, NewChunk, Vectors

WAIT_S = 2.0


@dataclass
class CountingEmbedder:
    """A text's vector holds its length. Texts with `broken` in them can't be embedded; `gate` holds passes up."""

    broken: str = "\0"
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    batches: list[list[str]] = field(default_factory=list)
    short_by: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        self.begun.set()
        await self.gate.wait()
        if any(self.broken in text for text in texts):
            raise RuntimeError("the embedder broke")
        return np.array([[len(text)] for text in texts[: len(texts) - self.short_by]], dtype=np.float32)


@dataclass
class ListSink:
    """Remembers what it is given, in order. It knows the vectors of some texts, and may refuse to publish."""

    indexed: list[EmbeddedChunk] = field(default_factory=list)
    published: list[list[VersionKey]] = field(default_factory=list)
    indexed_before: list[int] = field(default_factory=list)
    refuses: bool = False
    vectors: Mapping[str, float] = field(default_factory=dict)
    unpublishable: Collection[str] = ()
    sizes: dict[str, int] = field(default_factory=dict)

    async def known(self, chunks: Sequence[NewChunk]) -> list[Vectors | None]:
        found = [self.vectors.get(item.text_to_embed) for item in chunks]
        return [None if value is None else np.array([value], dtype=np.float32) for value in found]

    async def index(self, chunks: Sequence[EmbeddedChunk]) -> None:
        if self.refuses:
            raise RuntimeError("the sink refuses")
        self.indexed += chunks

    async def publish(self, counts: Mapping[VersionKey, int]) -> list[VersionKey]:
        refused = [version for version in counts if version.document_id in self.unpublishable]
        self.published.append([version for version in counts if version not in refused])
        self.indexed_before.append(len(self.indexed))
        self.sizes |= {version.document_id: count for version, count in counts.items()}
        return refused

    def counts(self) -> Counter[str]:
        return Counter(item.version.document_id for item in self.indexed)

    @property
    def documents(self) -> list[str]:
        return sorted(version.document_id for batch in self.published for version in batch)


def draft(name: str, chunks: int, on_indexed: Callable[[int], None] = lambda _: None) -> Draft:
    pieces = [Chunk(i, f"{name} {i}", Span(i, i + 1), "", None, 1) for i in range(chunks)]
    return Draft(VersionKey("gen", name, 1), "", pieces, on_indexed)


@asynccontextmanager
async def running(
    embedder: CountingEmbedder, sink: ListSink, batch_chunks: int = 8
) -> AsyncIterator[Callable[[Draft], Awaitable[None]]]:
    async with Pipeline(embedder, sink, batch_chunks) as pipeline:

        async def ingest(draft: Draft) -> None:
            async with asyncio.timeout(WAIT_S):
                await pipeline.ingest(draft)

        yield ingest


async def test_one_batch_mixes_chunks_of_many_documents() -> None:
    embedder, sink = CountingEmbedder(), ListSink()
    async with running(embedder, sink) as ingest:
        await asyncio.gather(*(ingest(draft(name, 2)) for name in "abcd"))
    assert embedder.batches == [[f"{name} {i}" for name in "abcd" for i in (0, 1)]]
    assert sink.documents == list("abcd")


async def test_no_batch_is_larger_than_allowed_and_no_chunk_is_lost() -> None:
    embedder, sink = CountingEmbedder(), ListSink()
    async with running(embedder, sink, 8) as ingest:
        await asyncio.gather(ingest(draft("a", 50)), ingest(draft("b", 1)), ingest(draft("c", 17)))
    assert max(map(len, embedder.batches)) == 8
    assert sink.counts() == {"a": 50, "b": 1, "c": 17}
    assert sink.documents == ["a", "b", "c"]


async def test_each_chunk_keeps_its_own_vector_title_and_version() -> None:
    embedder, sink = CountingEmbedder(), ListSink()
    titled = Draft(VersionKey("gen", "doc", 3), "Fares", draft("x", 12).chunks)
    async with running(embedder, sink, 5) as ingest:
        await ingest(titled)
    assert [item.chunk for item in sink.indexed] == list(titled.chunks)
    assert {(item.version, item.title) for item in sink.indexed} == {(titled.version, "Fares")}
    assert [item.vector[0] for item in sink.indexed] == [len(f"Fares\n{chunk.text}") for chunk in titled.chunks]


def test_a_passage_is_embedded_with_the_title_of_its_document_if_it_has_one() -> None:
    one = draft("x", 1)
    texts = [NewChunk(one.version, title, one.chunks[0]).text_to_embed for title in ("Fares", "")]
    assert texts == ["Fares\nx 0", "x 0"]


async def test_only_chunks_without_a_known_vector_are_embedded() -> None:
    embedder, sink = CountingEmbedder(), ListSink(vectors={"a 1": 41.0, "a 2": 42.0})
    async with running(embedder, sink) as ingest:
        await ingest(draft("a", 4))
    assert embedder.batches == [["a 0", "a 3"]]
    assert [item.vector[0] for item in sink.indexed] == [3, 41, 42, 3]


async def test_a_draft_whose_every_vector_is_known_needs_no_embedder() -> None:
    embedder, sink = CountingEmbedder(broken=""), ListSink(vectors={"a 0": 1.0, "a 1": 2.0})
    async with running(embedder, sink) as ingest:
        await ingest(draft("a", 2))
    assert (embedder.batches, sink.documents) == ([], ["a"])


@pytest.mark.parametrize("chunks", [0, 3])
async def test_a_version_that_the_sink_will_not_publish_is_refused_and_its_neighbours_are_not(chunks: int) -> None:
    sink = ListSink(unpublishable=["moved"])
    async with running(CountingEmbedder(), sink) as ingest:
        moved, near = await asyncio.gather(
            ingest(draft("moved", chunks)), ingest(draft("near", 3)), return_exceptions=True
        )
    assert isinstance(moved, Refused) and near is None
    assert sink.documents == ["near"] and sink.sizes == {"moved": chunks, "near": 3}


async def test_a_version_is_published_once_and_only_when_its_last_chunk_is_in() -> None:
    sink = ListSink()
    async with running(CountingEmbedder(), sink, 4) as ingest:
        await ingest(draft("a", 10))
    assert sink.published == [[VersionKey("gen", "a", 1)]]
    assert sink.indexed_before == [10]


async def test_progress_is_told_in_chunks_that_are_in() -> None:
    told: list[int] = []
    async with running(CountingEmbedder(), ListSink(), 4) as ingest:
        await ingest(draft("a", 10, told.append))
    assert told == [4, 4, 2]


async def test_an_embedder_failure_fails_only_the_drafts_of_that_batch() -> None:
    embedder, sink = CountingEmbedder(broken="bad"), ListSink()
    async with running(embedder, sink, 4) as ingest:
        together = await asyncio.gather(ingest(draft("bad", 2)), ingest(draft("near", 2)), return_exceptions=True)
        assert [str(error) for error in together] == ["the embedder broke"] * 2
        await ingest(draft("later", 2))
    assert sink.documents == ["later"]


async def test_a_draft_that_failed_in_one_batch_leaves_no_more_chunks_to_the_next() -> None:
    embedder, sink = CountingEmbedder(broken="bad 0"), ListSink()
    async with running(embedder, sink, 4) as ingest:
        with pytest.raises(RuntimeError):
            await ingest(draft("bad", 40))
        await ingest(draft("good", 1))
    assert len(embedder.batches) < 5
    assert sink.counts()["bad"] == 0


async def test_a_sink_failure_reaches_its_drafts_and_the_stream_goes_on() -> None:
    sink = ListSink(refuses=True)
    async with running(CountingEmbedder(), sink) as ingest:
        with pytest.raises(RuntimeError, match="the sink refuses"):
            await ingest(draft("a", 3))
        sink.refuses = False
        await ingest(draft("b", 3))
    assert sink.documents == ["b"]


async def test_an_embedder_that_makes_too_few_vectors_fails_its_drafts_and_the_stream_goes_on() -> None:
    embedder, sink = CountingEmbedder(short_by=1), ListSink()
    async with running(embedder, sink) as ingest:
        with pytest.raises(ValueError, match="2 vectors of 3 texts"):
            await ingest(draft("a", 3))
        embedder.short_by = 0
        await ingest(draft("b", 3))
    assert sink.documents == ["b"]


async def test_a_cancelled_ingest_drops_its_queued_chunks_and_is_never_published() -> None:
    embedder, sink = CountingEmbedder(), ListSink()
    embedder.gate.clear()
    async with running(embedder, sink, 4) as ingest:
        unwanted = asyncio.create_task(ingest(draft("unwanted", 30)))
        wanted = asyncio.create_task(ingest(draft("wanted", 3)))
        await asyncio.wait_for(embedder.begun.wait(), WAIT_S)
        unwanted.cancel()
        await asyncio.wait([unwanted], timeout=WAIT_S)
        embedder.gate.set()
        await wanted
    assert unwanted.cancelled()
    assert len([text for batch in embedder.batches[1:] for text in batch if "unwanted" in text]) == 0
    assert sink.counts() == {"wanted": 3}
    assert sink.documents == ["wanted"]


async def test_a_draft_without_chunks_is_published_at_once() -> None:
    sink = ListSink()
    async with running(CountingEmbedder(), sink) as ingest:
        await ingest(draft("empty", 0))
    assert sink.documents == ["empty"]


@pytest.mark.parametrize("chunks", [1, 100])
async def test_closing_lets_nobody_wait_for_ever(chunks: int) -> None:
    embedder = CountingEmbedder()
    embedder.gate.clear()
    async with Pipeline(embedder, ListSink(), 8) as pipeline:
        waiting = asyncio.create_task(pipeline.ingest(draft("a", chunks)))
        await asyncio.wait_for(embedder.begun.wait(), WAIT_S)
    _, pending = await asyncio.wait([waiting], timeout=1)
    waiting.cancel()
    assert not pending


async def test_what_a_batch_says_twice_is_embedded_once() -> None:
    embedder, sink = CountingEmbedder(), ListSink()
    pieces = [Chunk(i, ["the same", "another"][i == 1], Span(i, i + 1), "", None, 1) for i in range(4)]
    async with running(embedder, sink) as ingest:
        await ingest(Draft(VersionKey("gen", "a", 1), "", pieces))
    assert embedder.batches == [["the same", "another"]]
    assert [(item.chunk.index, float(item.vector[0])) for item in sink.indexed] == [(0, 8), (1, 7), (2, 8), (3, 8)]
