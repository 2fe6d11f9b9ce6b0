"""What retrieval gives: hits, and passages as they are numbered in a prompt."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from ingest.documents import Json


class Scored(NamedTuple):
    """A chunk's id with the score that one index gave it; higher is better. A tuple, as each search makes hundreds."""

    chunk_id: str
    score: float

    @staticmethod
    def of(chunk_ids: Iterable[str], scores: Iterable[float]) -> "list[Scored]":
        """One for each pair."""
        return [*map(partial(tuple.__new__, Scored), zip(chunk_ids, scores, strict=True))]


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
