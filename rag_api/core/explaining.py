"""Why a search shows what it shows: every candidate with its scores and places, and what became of it."""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rag_api.core.hits import Hit, Scores

Fate: TypeAlias = Literal["shown", "not_current", "filtered_out", "same_text", "below_top_k"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Ranks count from 1 among the candidates that have that score. `fate`: shown; not_current: replaced, deleted or
    not yet published; filtered_out; same_text: a hit shows it already; below_top_k."""

    chunk_id: str
    scores: Scores
    dense_rank: int | None
    lexical_rank: int | None
    fused_rank: int
    rerank_rank: int | None
    fate: Fate


@dataclass(frozen=True, slots=True)
class Explanation:
    """Candidates by their fused rank; milliseconds by stage: embed and then dense run beside lexical."""

    candidates: Sequence[Candidate]
    timings_ms: Mapping[str, float]


@dataclass(slots=True)
class Stopwatch:
    """Sums up how long stages take."""

    spent_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent_s[stage] = self.spent_s.get(stage, 0.0) + time.perf_counter() - began

    @property
    def timings_ms(self) -> dict[str, float]:
        return {stage: round(1000 * spent_s, 2) for stage, spent_s in self.spent_s.items()}


def explain(
    ranked: Sequence[tuple[str, Scores]],
    read: Sequence[Hit],
    *,
    top_k: int,
    texts: Mapping[str, str],
    passing: Collection[str],
) -> list[Candidate]:
    """`read`: the hits in their last order, of which the first are shown; `texts`: of the candidates that are current,
    by id; `passing`: those of them that pass the filter."""
    shown = read[:top_k]
    reranked = {hit.chunk.chunk_id: hit.scores.rerank for hit in read}
    scores = {chunk_id: fused._replace(rerank=reranked.get(chunk_id)) for chunk_id, fused in ranked}
    dense = _ranks({id_: one.dense for id_, one in scores.items()})
    lexical = _ranks({id_: one.lexical for id_, one in scores.items()})
    rerank = _ranks({id_: one.rerank for id_, one in scores.items()})
    ids, shown_texts = {hit.chunk.chunk_id for hit in shown}, {hit.chunk.text for hit in shown}

    def fate(chunk_id: str) -> Fate:
        if chunk_id in ids:
            return "shown"
        if chunk_id not in texts:
            return "not_current"
        if chunk_id not in passing:
            return "filtered_out"
        return "same_text" if texts[chunk_id] in shown_texts else "below_top_k"

    return [
        Candidate(id_, one, dense.get(id_), lexical.get(id_), rank, rerank.get(id_), fate(id_))
        for rank, (id_, one) in enumerate(scores.items(), start=1)
    ]


def _ranks(scores: Mapping[str, float | None]) -> dict[str, int]:
    named = [(-score, chunk_id) for chunk_id, score in scores.items() if score is not None]
    return {chunk_id: rank for rank, (_, chunk_id) in enumerate(sorted(named), start=1)}
