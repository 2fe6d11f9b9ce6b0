"""What the write path needs from outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ingest.documents import Chunk, VersionKey

Vectors: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NewChunk:
    """A chunk of an unpublished version, with the title it is found by."""

    version: VersionKey
    title: str
    chunk: Chunk

    @property
    def text_to_embed(self) -> str:
        """What stands for a chunk in the vector index: a passage is found by its document's title, too."""
        return f"{self.title}\n{self.chunk.text}" if self.title else self.chunk.text


@dataclass(frozen=True, slots=True)
class EmbeddedChunk:
    """A chunk of an unpublished version, with the title it is found by and its vector of shape (dimension,)."""

    version: VersionKey
    title: str
    chunk: Chunk
    vector: Vectors


class DocumentEmbedder(Protocol):
    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (len(texts), dimension), in the order of the texts."""
        ...


class ChunkSink(Protocol):
    async def known(self, chunks: Sequence[NewChunk]) -> list[Vectors | None]:
        """For each chunk the vector of one that was embedded from the same text before, or None."""
        ...

    async def index(self, chunks: Sequence[EmbeddedChunk]) -> None:
        """Writes chunks, their vectors and words; the same chunk again replaces itself. Nothing is visible yet."""
        ...

    async def publish(self, counts: Mapping[VersionKey, int]) -> Collection[VersionKey]:
        """Makes whole versions of so many chunks visible, each in place of the one before it, in one step.

        Gives those that it could not publish, as their collection is answered from another generation by now or some
        of their chunks have been removed: they have to start anew.
        """
        ...
