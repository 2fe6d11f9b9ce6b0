"""Scores of the rows of a matrix, which may be a mapped file: what its readers need to know of it, and the products."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ingest.ports import Vectors
from rag_api.backends.matrix_file import HEAD_FLOATS
from rag_api.core.hits import Scored, ScoredList

Integers: TypeAlias = npt.NDArray[np.int64]
Query: TypeAlias = tuple[Vectors, int]  # a vector, and how many chunks are wanted
ROWS_A_BLOCK = 2_048  # of a gather: what the processor's cache takes
DENSE = 0.4  # of the rows: beyond, all are scored, as leaving some out costs more


@dataclass(frozen=True, slots=True)
class State:
    """What readers need: the arrays are replaced when versions come. A version is a slot; its rows stand together."""

    records: Vectors  # the mapped file, heads included
    slots: dict[str, int]  # by `document:version`
    names: list[str]
    starts: Integers
    counts: Integers
    owners: Integers  # the number that a mask knows the version's document by


@dataclass(frozen=True, slots=True)
class Rows:
    """Of some slots, one after the other: those of slot `i` have the places from `starts[i]` up to `ends[i]`, and stand
    in the file at `rows`, all of which are from `low` up to `high`."""

    slots: Integers
    starts: Integers
    ends: Integers
    rows: Integers
    low: int
    high: int

    @classmethod
    def of(cls, state: State, slots: Integers) -> "Rows":
        counts = state.counts[slots]
        ends = np.cumsum(counts)
        rows = np.repeat(state.starts[slots] - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)
        low, high = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
        return cls(slots, ends - counts, ends, rows, low, high)

    @property
    def are_dense(self) -> bool:
        """So many that all between the first and the last are scored, as leaving some out costs more."""
        return len(self.rows) > DENSE * (self.high - self.low)


def best_of(state: State, among: Rows, queries: Sequence[Query]) -> list[Sequence[Scored]]:
    if not len(among.rows) or not queries:
        return [[] for _ in queries]
    every = _scores(state.records, among, np.stack([vector for vector, _ in queries], axis=1, dtype=np.float32))
    found: list[Sequence[Scored]] = []
    for (_, top_k), scores in zip(queries, every.T, strict=True):
        top = np.argpartition(-scores, top_k)[:top_k] if top_k < len(scores) else np.arange(len(scores))
        top = top[np.argsort(-scores[top], kind="stable")]
        which = np.searchsorted(among.ends, top, side="right")
        indexes = top - among.starts[which]
        places = zip(among.slots[which].tolist(), indexes.tolist(), strict=True)
        ids = [f"{state.names[slot]}:{index}" for slot, index in places]
        found.append(ScoredList(ids, scores[top].tolist()))
    return found


def _scores(records: Vectors, among: Rows, vectors: Vectors) -> Vectors:
    """Of shape (rows, queries), of vectors of shape (dimension, queries)."""
    rows, low = among.rows, among.low
    if among.are_dense:
        every: Vectors = records[low : among.high, HEAD_FLOATS:] @ vectors
        return every if len(every) == len(rows) else every[rows - low]
    scores = np.empty((len(rows), vectors.shape[1]), dtype=np.float32)
    block = np.empty((ROWS_A_BLOCK, records.shape[1]), dtype=np.float32)
    for at in range(0, len(rows), ROWS_A_BLOCK):
        some = rows[at : at + ROWS_A_BLOCK]
        found = np.take(records, some, axis=0, out=block[: len(some)], mode="clip")
        np.matmul(found[:, HEAD_FLOATS:], vectors, out=scores[at : at + len(some)])
    return scores
