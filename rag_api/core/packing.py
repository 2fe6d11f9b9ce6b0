"""Hits → passages that fit a prompt."""

from collections.abc import Sequence

from rag_api.core.hits import Hit, Passage


def pack(hits: Sequence[Hit], *, budget_chars: int) -> list[Passage]:
    """The best hits as passages numbered from 1, as many as fit; the first always does."""
    passages: list[Passage] = []
    for hit in hits:
        budget_chars -= len(hit.chunk.text)
        if passages and budget_chars < 0:
            break
        passages.append(Passage(len(passages) + 1, hit.chunk, hit.score, hit.scores.dense))
    return passages
