"""Two rankings become one.

Both scores are absolute: a cosine, and a share of the BM25 that the question's words can attain. So they are added as
they are. Scaling each list to its own least and greatest score would make as much of a list that found nothing good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import neg
from typing import Any, overload

from rag_api.core.hits import Scored, Scores, pairs

CHUNKS_KNOWN = 16_384  # some 3 MB of their neighbours' ids


@dataclass(frozen=True, slots=True)
class Fusion:
    """`dense_weight`: of the dense score, the rest is lexical. `neighbour_weight`: how much of its better neighbour's
    lead over the last candidate a chunk gets. `floor`: the embedder's cosine of texts that have nothing in common."""

    dense_weight: float
    neighbour_weight: float = 0.0
    floor: float = 0.0


class Ranking(Sequence[tuple[str, Scores]]):
    """Chunk ids with their scores, best first; ties go by id. Scores are put together for those that are looked at."""

    def __init__(self, fused: Mapping[str, float], dense: Mapping[str, float], lexical: Mapping[str, float]) -> None:
        self._order = sorted(zip(map(neg, fused.values()), fused, strict=True))
        self._dense, self._lexical = dense, lexical

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, at: int) -> tuple[str, Scores]: ...

    @overload
    def __getitem__(self, at: slice) -> "list[tuple[str, Scores]]": ...

    def __getitem__(self, at: int | slice) -> Any:
        return [self._row(*row) for row in self._order[at]] if isinstance(at, slice) else self._row(*self._order[at])

    def _row(self, less: float, chunk_id: str) -> tuple[str, Scores]:
        return chunk_id, Scores(self._dense.get(chunk_id), self._lexical.get(chunk_id), -less)


def fuse(dense: Sequence[Scored], lexical: Sequence[Scored], *, fusion: Fusion, candidates: int) -> Ranking:
    """The lists are best first, of at most `candidates` each.

    A chunk that a full list does not name counts there as its last, which is the most that it can have; one that no
    list with room to spare names has none of the question's words. Weighted sums of calibrated scores: Bruch et al.,
    "An Analysis of Fusion Functions for Hybrid Retrieval", 2023.
    """
    raw_dense, raw_lexical = dict(pairs(dense)), dict(pairs(lexical))
    least_dense = dense[-1].score if dense else fusion.floor
    least_lexical = lexical[-1].score if len(lexical) >= candidates else 0.0
    dense_weight, lexical_weight = fusion.dense_weight / (1 - fusion.floor), 1 - fusion.dense_weight
    unnamed, floor = dense_weight * (least_dense - fusion.floor), fusion.floor
    sums = {chunk_id: unnamed + lexical_weight * score for chunk_id, score in raw_lexical.items()}
    get, least = raw_lexical.get, least_lexical
    for chunk_id, score in raw_dense.items():
        sums[chunk_id] = dense_weight * (score - floor) + lexical_weight * get(chunk_id, least)
    if fusion.neighbour_weight:
        _add_neighbours(sums, fusion.neighbour_weight)
    return Ranking(sums, raw_dense, raw_lexical)


def only(ranking: Sequence[Scored], *, is_dense: bool) -> Ranking:
    """One ranking as it is."""
    scores = dict(pairs(ranking))
    return Ranking(scores, scores if is_dense else {}, {} if is_dense else scores)


def _add_neighbours(sums: dict[str, float], weight: float) -> None:
    """What is asked for often goes on in the next chunk, or begins in the one before."""
    least = min(sums.values(), default=0.0)
    better: dict[str, float] = {}  # of a chunk's neighbours, the better one's sum
    for chunk_id, after in zip(sums, map(_after, sums), strict=True):
        if (other := sums.get(after)) is not None:
            mine = sums[chunk_id]
            if other > better.get(chunk_id, least):
                better[chunk_id] = other
            if mine > better.get(after, least):
                better[after] = mine
    for chunk_id, score in better.items():
        sums[chunk_id] += weight * (score - least)


@lru_cache(maxsize=CHUNKS_KNOWN)
def _after(chunk_id: str) -> str:
    version, _, index = chunk_id.rpartition(":")
    return f"{version}:{int(index) + 1}"
