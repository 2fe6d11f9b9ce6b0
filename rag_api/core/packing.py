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
    """The best hits as passages numbered from 1, as many as fit."""
    return fitting(
        [Passage(n, hit.chunk, hit.score, hit.scores.dense, hit.scores.lexical) for n, hit in enumerate(hits, start=1)],
        budget_chars=budget_chars,
    )


def fitting(passages: Sequence[Passage], *, budget_chars: int) -> list[Passage]:
    """The first of them, as many as fit; the very first always does."""
    for at, passage in enumerate(passages):
        budget_chars -= len(passage.chunk.text)
        if at and budget_chars < 0:
            return list(passages[:at])
    return list(passages)
