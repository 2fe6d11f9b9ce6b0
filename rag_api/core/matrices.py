"""What exact scores need from outside: vectors at hand, without a row being read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.ports import Vectors
from rag_api.core.filter_table import Mask
from rag_api.core.hits import Scored

NOBODY = -1  # the owner of a version that does not count


@dataclass(frozen=True, slots=True)
class VersionVectors:
    """Of a whole version, in the order of its chunks: of shape (chunks, dimension)."""

    document_id: str
    version: int
    vectors: Vectors


class Matrix(Protocol):
    """Vectors of a generation for exact scores: a cache of this process, by versions named `document:version`.

    Documents go by numbers, their `owners`, so that a mask says which of them count. `append` and `remove` raise
    OSError and are for one caller at a time. `changes` counts what has changed.
    """

    changes: int

    def versions(self) -> dict[str, int]:
        """The versions that are there, with their numbers of chunks."""
        ...

    async def append(self, versions: Sequence[VersionVectors]) -> None:
        """Versions that are not there yet: all of them, or none."""
        ...

    async def remove(self, names: Iterable[str]) -> None: ...

    def own(self, owners: Mapping[str, int]) -> set[str]:
        """Takes the numbers of the documents of these versions, from now on. Those that are not there."""
        ...

    def covered(self, mask: Mask) -> Mask:
        """Those of the documents in a mask whose vectors are here."""
        ...

    async def best(self, vector: Vectors, mask: Mask, *, top_k: int) -> Sequence[Scored]:
        """The chunks of the documents in the mask with the highest cosines, best first, by their exact vectors."""
        ...

    async def nearest(self, vector: Vectors, *, top_k: int) -> Sequence[Scored]:
        """The same of all documents that have a number."""
        ...

    def vectors(self, chunk_ids: Sequence[str]) -> Vectors:
        """Of shape (n, dimension); a chunk that is not there has not-a-numbers."""
        ...


class Matrices(Protocol):
    """The matrices of this process, by the names of the indexes whose vectors they hold. All may raise OSError."""

    async def open(self, index: str, *, dimension: int) -> Matrix: ...

    def vectors(self, index: str, chunk_ids: Sequence[str]) -> Vectors | None:
        """As `Matrix.vectors`; None while that matrix is not open."""
        ...

    async def drop(self, index: str) -> None: ...

    async def names(self) -> list[str]: ...

    async def close(self) -> None: ...
