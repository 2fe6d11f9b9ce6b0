"""What retrieval gives: hits, and passages as they are numbered in a prompt."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

from ingest.documents import Json


class Scored(NamedTuple):
    """A chunk's id with the score that one index gave it; higher is better."""

    chunk_id: str
    score: float


class ScoredList(Sequence[Scored]):
    """One `Scored` for each pair, made when it is looked at: each search has hundreds, and looks at few."""

    def __init__(self, chunk_ids: Sequence[str], scores: Sequence[float]) -> None:
        self._chunk_ids, self._scores = chunk_ids, scores

    def __len__(self) -> int:
        return len(self._chunk_ids)

    @overload
    def __getitem__(self, at: int) -> Scored: ...

    @overload
    def __getitem__(self, at: slice) -> "ScoredList": ...

    def __getitem__(self, at: int | slice) -> "Scored | ScoredList":
        if isinstance(at, slice):
            return ScoredList(self._chunk_ids[at], self._scores[at])
        return Scored(self._chunk_ids[at], self._scores[at])

    def __iter__(self) -> Iterator[Scored]:
        return map(Scored, self._chunk_ids, self._scores)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def pairs(self) -> Iterator[tuple[str, float]]:
        return zip(self._chunk_ids, self._scores, strict=True)


def pairs(scored: Sequence[Scored]) -> Iterable[tuple[str, float]]:
    return scored.pairs() if isinstance(scored, ScoredList) else scored


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A published chunk with what a reader needs to know of its document. `text == content[start:end]`."""

    chunk_id: str
    document_id: str
    version: int
    index: int
    title: str
    source: str
    page: int | None
    section: str
    start: int
    end: int
    text: str
    metadata: Mapping[str, Json]


class Scores(NamedTuple):
    """dense: cosine similarity; lexical: BM25 as a share, 0 to 1, of what the query's words can attain; each None
    where its index did not name the chunk.

    fused: what hits are ordered by; in hybrid mode the weighted sum, at most 1, and what a good neighbour adds to it,
    else the score of the one index that was asked.
    rerank: the reranker's relevance where it was asked; it then orders the hits instead."""

    dense: float | None
    lexical: float | None
    fused: float
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """A document that holds the same text as a hit."""

    document_id: str
    source: str
    title: str


@dataclass(frozen=True, slots=True)
class Hit:
    """`also`: the other documents with just this text, which is found once."""

    rank: int
    chunk: IndexedChunk
    scores: Scores
    also: tuple[Holder, ...] = ()

    @property
    def score(self) -> float:
        return self.scores.fused if self.scores.rerank is None else self.scores.rerank


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk as numbered in the prompt, from 1. `similarity` is its cosine to the question and `lexical` its share of
    what the question's words can attain, each if known."""

    n: int
    chunk: IndexedChunk
    score: float
    similarity: float | None
    lexical: float | None = None
