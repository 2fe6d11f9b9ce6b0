"""Texts that say the same as another document's but for a few words give way to others. Pure.

Maximal marginal relevance (Carbonell and Goldstein, 1998), its likeness that of words: a text loses so much of its
score as it is like one of another document that stands before it. Texts that share half of their words or fewer are not
alike at all, so where no text is nearly another's copy nothing changes.
"""

from collections.abc import Sequence
from typing import NamedTuple

UNLIKE = 0.5  # of the words of both


class Placed(NamedTuple):
    """A document's id, and a text of it."""

    document_id: str
    text: str


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """0 to 1 by the words that both have, of those that either has."""
    both = len(one & other)
    either = len(one) + len(other) - both
    return max(0.0, (both / either - UNLIKE) / (1 - UNLIKE)) if either else 0.0


def are_any_alike(texts: Sequence[Placed]) -> bool:
    words = _words(texts)
    sizes = [len(some) for some in words]
    return any(
        sizes[before] > UNLIKE * sizes[at]  # else not even all words of the one are half of those of both
        and sizes[at] > UNLIKE * sizes[before]
        and texts[at].document_id != texts[before].document_id
        and likeness(words[at], words[before]) > 0
        for at in range(len(texts))
        for before in range(at)
    )


def diverse(texts: Sequence[Placed], scores: Sequence[float], *, weight: float) -> list[int]:
    """The places of the texts in their new order, best first. `weight`: what a copy loses of its score."""
    words = _words(texts)
    lost = [0.0] * len(texts)
    left = list(range(len(texts)))
    order: list[int] = []
    while left:
        best = max(left, key=lambda place: scores[place] - weight * lost[place])
        left.remove(best)
        order.append(best)
        for place in left:
            if texts[place].document_id != texts[best].document_id:
                lost[place] = max(lost[place], likeness(words[place], words[best]))
    return order


def _words(texts: Sequence[Placed]) -> list[frozenset[str]]:
    return [frozenset(placed.text.casefold().split()) for placed in texts]
