"""How good one question's ranking is. Relevance is binary; a document's rank is that of its best hit."""

import math
from collections.abc import Collection, Iterable, Sequence

import numpy as np


def relevance(hits: Iterable[Sequence[str]], wanted: Collection[str]) -> list[bool]:
    """The ranking of distinct documents, as whether each is wanted.

    A hit is the documents that hold its text, the one it names first. Those of them that are wanted take a rank each;
    a hit without any takes one for the document that it names.
    """
    seen: set[str] = set()
    ranking: list[bool] = []
    for holders in hits:
        found = [document for document in dict.fromkeys(holders) if document in wanted and document not in seen]
        if found:
            ranking += [True] * len(found)
        elif holders and holders[0] not in seen and holders[0] not in wanted:
            ranking.append(False)
        seen.update(found or holders[:1])
    return ranking


def recall(ranking: Sequence[bool], wanted: int, k: int) -> float:
    """Share of the wanted documents among the first k."""
    return sum(ranking[:k]) / wanted


def reciprocal_rank(ranking: Sequence[bool]) -> float:
    """1 / rank of the first wanted document, 0 without one (Voorhees, "The TREC-8 Question Answering Track Report",
    1999)."""
    return next((1 / rank for rank, is_wanted in enumerate(ranking, start=1) if is_wanted), 0.0)


def ndcg(ranking: Sequence[bool], wanted: int, k: int) -> float:
    """Discounted cumulated gain of the first k over that of the ideal order, with gains of 0 and 1 and the discount
    log2(rank + 1) (Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", 2002; the discount as
    in Burges et al., "Learning to rank using gradient descent", 2005)."""
    gained = sum(1 / math.log2(rank + 1) for rank, is_wanted in enumerate(ranking[:k], start=1) if is_wanted)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, wanted) + 1))
    return gained / ideal


def percentile(values: Sequence[float], percent: float) -> float:
    """Linear between the two nearest order statistics (definition 7 of Hyndman and Fan, "Sample quantiles in
    statistical packages", 1996)."""
    return float(np.percentile(np.asarray(values, dtype=float), percent))


def flat(text: str) -> str:
    """White space and case do not count when phrases are looked for."""
    return " ".join(text.split()).casefold()


def holds(text: str, phrases: Iterable[str]) -> bool:
    """Whether any of the phrases is in the text."""
    within = flat(text)
    return any(flat(phrase) in within for phrase in phrases)
