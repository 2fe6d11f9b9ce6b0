"""Hits → passages that fit a prompt."""

from collections.abc import Sequence

from rag_api.core.hits import Hit, Passage
from rag_api.core.prompts import PastTurn


def pack_history(history: Sequence[PastTurn], *, budget_chars: int) -> list[PastTurn]:
    """The latest turns that fit whole, in their order."""
    kept: list[PastTurn] = []
    for turn in reversed(history):
        budget_chars -= len(turn.question) + len(turn.text)
        if budget_chars < 0:
            break
        kept.append(turn)
    return kept[::-1]


def pack(hits: Sequence[Hit], *, budget_chars: int) -> list[Passage]:
    """The best hits as passages numbered from 1, as many as fit; the first always does."""
    passages: list[Passage] = []
    for hit in hits:
        budget_chars -= len(hit.chunk.text)
        if passages and budget_chars < 0:
            break
        passages.append(Passage(len(passages) + 1, hit.chunk, hit.score, hit.scores.dense))
    return passages
