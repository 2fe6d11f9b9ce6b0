"""What the write path needs from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ingest.documents import Chunk, VersionKey

Vectors: TypeAlias = npt.NDArray[np.float32]


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
    async def index(self, chunks: Sequence[EmbeddedChunk]) -> None:
        """Writes chunks, their vectors and words; the same chunk again replaces itself. Nothing is visible yet."""
        ...

    async def publish(self, keys: Sequence[VersionKey]) -> None:
        """Makes whole versions visible, each in place of the one before it, in one step."""
        ...
