"""Two rankings become one.

Both scores are absolute: a cosine, and a share of the BM25 that the question's words can attain. So they are added as
they are. Scaling each list to its own least and greatest score would make as much of a list that found nothing good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag_api.core.hits import Scored, Scores


@dataclass(frozen=True, slots=True)
class Fusion:
    """`dense_weight`: of the dense score, the rest is lexical. `neighbour_weight`: how much of its better neighbour's
    lead over the last candidate a chunk gets. `floor`: the embedder's cosine of texts that have nothing in common."""

    dense_weight: float
    neighbour_weight: float = 0.0
    floor: float = 0.0


def fuse(
    dense: Sequence[Scored], lexical: Sequence[Scored], *, fusion: Fusion, candidates: int
) -> list[tuple[str, Scores]]:
    """Chunk ids with their scores, best first; ties go by id. The lists are best first, of at most `candidates` each.

    A chunk that a full list does not name counts there as its last, which is the most that it can have; one that no
    list with room to spare names has none of the question's words. Weighted sums of calibrated scores: Bruch et al.,
    "An Analysis of Fusion Functions for Hybrid Retrieval", 2023.
    """
    raw_dense, raw_lexical = dict(dense), dict(lexical)
    least_dense = dense[-1].score if dense else fusion.floor
    least_lexical = lexical[-1].score if len(lexical) >= candidates else 0.0
    dense_weight, lexical_weight = fusion.dense_weight / (1 - fusion.floor), 1 - fusion.dense_weight
    sums = {
        chunk_id: dense_weight * (raw_dense.get(chunk_id, least_dense) - fusion.floor)
        + lexical_weight * raw_lexical.get(chunk_id, least_lexical)
        for chunk_id in raw_dense | raw_lexical
    }
    if fusion.neighbour_weight:
        sums = _with_neighbours(sums, fusion.neighbour_weight)
    order = sorted(sorted(sums), key=sums.__getitem__, reverse=True)
    return [(id_, Scores(raw_dense.get(id_), raw_lexical.get(id_), sums[id_])) for id_ in order]


def only(ranking: Sequence[Scored], *, is_dense: bool) -> list[tuple[str, Scores]]:
    """One ranking as it is."""
    return [
        (
            scored.chunk_id,
            Scores(
                dense=scored.score if is_dense else None,
                lexical=None if is_dense else scored.score,
                fused=scored.score,
            ),
        )
        for scored in ranking
    ]


def _with_neighbours(sums: Mapping[str, float], weight: float) -> dict[str, float]:
    """What is asked for often goes on in the next chunk, or begins in the one before."""
    versions: dict[str, dict[int, str]] = {}
    for chunk_id in sums:
        version, _, index = chunk_id.rpartition(":")
        versions.setdefault(version, {})[int(index)] = chunk_id
    least = min(sums.values(), default=0.0)
    found = dict(sums)
    for places in versions.values():
        if len(places) > 1:
            for at, chunk_id in places.items():
                beside = [sums[places[near]] for near in (at - 1, at + 1) if near in places]
                found[chunk_id] += weight * (max(beside, default=least) - least)
    return found
