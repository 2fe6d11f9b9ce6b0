"""Two rankings become one."""

from collections.abc import Mapping, Sequence

from rag_api.core.hits import Scored, Scores


def fuse(dense: Sequence[Scored], lexical: Sequence[Scored], *, dense_weight: float) -> list[tuple[str, Scores]]:
    """Chunk ids with their scores, best first: a weighted sum of scores, each list min-max scaled to 0…1.

    Scores are used, not only ranks: they say by how much one chunk is better (Bruch et al., "An Analysis of Fusion
    Functions for Hybrid Retrieval", 2023). A chunk that a list does not name has 0 from it. Ties go by id.
    """
    scaled_dense, scaled_lexical = _scaled(dense), _scaled(lexical)
    raw_dense = {scored.chunk_id: scored.score for scored in dense}
    raw_lexical = {scored.chunk_id: scored.score for scored in lexical}
    fused = [
        (
            chunk_id,
            Scores(
                dense=raw_dense.get(chunk_id),
                lexical=raw_lexical.get(chunk_id),
                fused=dense_weight * scaled_dense.get(chunk_id, 0.0)
                + (1 - dense_weight) * scaled_lexical.get(chunk_id, 0.0),
            ),
        )
        for chunk_id in raw_dense | raw_lexical
    ]
    return sorted(fused, key=lambda row: (-row[1].fused, row[0]))


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


def _scaled(ranking: Sequence[Scored]) -> Mapping[str, float]:
    if not ranking:
        return {}
    low, high = min(scored.score for scored in ranking), max(scored.score for scored in ranking)
    width = high - low
    return {scored.chunk_id: (scored.score - low) / width if width else 1.0 for scored in ranking}
