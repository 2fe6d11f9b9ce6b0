"""From a question to hits: both indexes asked at once, their scores fused, every hit checked against the catalogue."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rag_api.core.explaining import Candidate, Explanation, Stopwatch, explain
from rag_api.core.filters import Filter
from rag_api.core.hits import Hit, Scored, Scores
from rag_api.core.ports import Embedders, LexicalIndex
from rag_api.core.ranking import Fusion, fuse, only
from rag_api.db import chunks
from rag_api.db.database import Connection, Database
from rag_api.errors import EmbedderUnavailable, RerankerUnavailable, Unavailable, VectorStoreUnavailable
from rag_api.services.joining import joined
from rag_api.services.picking import Picking, pick
from rag_api.services.question import Question
from rag_api.services.reranking import Reranking
from rag_api.services.scoping import Scope, Scoping
from rag_api.telemetry import SEARCH_S, log

Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]
WIDEN = 4
MOST_CANDIDATES = 6_400
MOST_TRIES = 8
MOST_MODELS = 1_000


@dataclass(frozen=True, slots=True)
class Search:
    """`groups`: those of who asks, who sees what names one of them or none; None sees all. `same_text`: hits that a
    document may have of just the same text; None: as the options say. `joined`: neighbours become one hit."""

    query: str
    top_k: int
    mode: Mode = "hybrid"
    filter: Filter | None = None
    dense_weight: float | None = None
    groups: frozenset[str] | None = None
    explain: bool = False
    same_text: int | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """`degraded` names what should have been asked and could not be: dense, lexical, reranker."""

    hits: list[Hit]
    took_ms: float
    degraded: list[str]
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class RetrieverOptions:
    """`candidates`: how many each index names. `same_text`, `diversity`: see `Picking`."""

    dense_weight: float
    candidates: int
    neighbour_weight: float = 0.0
    dense_floor: float = 0.0
    same_text: int = 1
    diversity: float = 0.0


class Retriever:
    def __init__(
        self,
        db: Database,
        embedders: Embedders,
        scoping: Scoping,
        lexical: LexicalIndex,
        *,
        options: RetrieverOptions,
        reranking: Reranking | None = None,
    ) -> None:
        self._db = db
        self._embedders = embedders
        self._scoping = scoping
        self._lexical = lexical
        self._options = options
        self._reranking = reranking
        self._models: dict[str, str | None] = {}  # of the collections that were asked

    async def search(self, collection: str, search: Search) -> Found:
        """The best `top_k` published chunks. Raises CollectionNotFound, and Unavailable in mode dense."""
        question = Question(self._embedders, search.query)
        if search.mode != "lexical" and collection in self._models:
            question.begin(self._models[collection])
        try:
            return await self._search(collection, search, question)
        finally:
            question.end()

    async def _search(self, collection: str, search: Search, question: Question) -> Found:
        began = time.perf_counter()
        watch = Stopwatch()
        candidates = max(self._options.candidates, search.top_k)
        reranking = self._reranking if search.mode == "hybrid" else None
        wanted = max(search.top_k, reranking.candidates if reranking else 0)
        diversity = self._options.diversity if reranking is None else 0.0  # a reranker's order is its own
        picking = Picking(search.same_text or self._options.same_text, diversity)
        stale: list[str] = []
        tries = 0
        while True:
            tries += 1
            scope = await self._scoping.scope(collection, search.filter, search.groups)
            self._note(collection, scope)
            ranked, degraded, is_all = await self._ranked(scope, search, question, candidates, watch)
            with watch.of("check"):
                hits, gone = await self._db.glance(pick, scope, ranked, wanted, picking)
            if len(hits) >= search.top_k:
                break
            if not is_all and candidates < MOST_CANDIDATES:
                candidates *= WIDEN  # some were replaced, deleted or filtered out: look further
            elif gone == stale or tries >= MOST_TRIES:
                break
            else:  # published or deleted since the indexes were asked: what replaces it may be there now
                stale = gone
        if reranking and hits:
            try:
                with watch.of("rerank"):
                    hits = await reranking.reranked(search.query, hits)
            except RerankerUnavailable as error:
                log(__name__).warning("degraded", reason=str(error))
                degraded.append("reranker")
        shown = hits[: search.top_k]
        if search.joined:
            shown = await self._db.glance(joined, shown)
        took_s = time.perf_counter() - began
        SEARCH_S.labels(search.mode).observe(took_s)
        explanation = None
        if search.explain:
            told = await self._db.ask(_explained, scope, ranked, hits, search.top_k, sees_all=search.groups is None)
            explanation = Explanation(told, watch.timings_ms)
        return Found(shown, round(1000 * took_s, 2), degraded, explanation)

    def _note(self, collection: str, scope: Scope) -> None:
        if len(self._models) >= MOST_MODELS:
            self._models.clear()
        if scope.generation.fingerprint:
            self._models[collection] = scope.generation.model

    async def _ranked(
        self, scope: Scope, search: Search, question: Question, candidates: int, watch: Stopwatch
    ) -> tuple[Sequence[tuple[str, Scores]], list[str], bool]:
        """Ids with scores, best first; what was degraded; whether no wider search would name more."""
        if scope.is_empty:
            return [], [], True
        dense, lexical = await asyncio.gather(
            self._dense(scope, search, question, candidates, watch),
            self._words(scope, search, candidates, watch),
            return_exceptions=True,
        )
        degraded: list[str] = []
        if search.mode == "hybrid" and not (isinstance(dense, Unavailable) and isinstance(lexical, Unavailable)):
            if isinstance(dense, Unavailable):
                degraded, reason, dense = ["dense"], dense, []
            if isinstance(lexical, Unavailable):
                degraded, reason, lexical = ["lexical"], lexical, []
            if degraded:
                log(__name__).warning("degraded", reason=str(reason))
        if isinstance(dense, BaseException):
            raise dense
        if isinstance(lexical, BaseException):
            raise lexical
        is_all = len(dense) < candidates and len(lexical) < candidates
        match search.mode:
            case "dense":
                return only(dense, is_dense=True), degraded, is_all
            case "lexical":
                return only(lexical, is_dense=False), degraded, is_all
        options = self._options
        weight = options.dense_weight if search.dense_weight is None else search.dense_weight
        fusion = Fusion(weight, options.neighbour_weight, options.dense_floor)
        with watch.of("fuse"):
            return fuse(dense, lexical, fusion=fusion, candidates=candidates), degraded, is_all

    async def _dense(
        self, scope: Scope, search: Search, question: Question, candidates: int, watch: Stopwatch
    ) -> Sequence[Scored]:
        if search.mode == "lexical" or scope.generation.fingerprint is None:
            return []
        if not scope.generation.is_whole:
            raise VectorStoreUnavailable(
                f"the vector index is being rebuilt, {scope.generation.rebuilt:,} of {scope.generation.to_rebuild:,} "
                "chunks are in; lexical search goes on"
            )
        identity = await self._embedders.of(scope.generation.model).identity()
        if identity.fingerprint != scope.generation.fingerprint:
            raise EmbedderUnavailable(
                f"the collection is indexed with the embedder {scope.generation.model!r} "
                f"({scope.generation.fingerprint}), which is now another one ({identity.fingerprint}): restore that "
                "model, or build the index anew with rag reindex"
            )
        with watch.of("embed"):
            vector = await question.vector(scope.generation.model)
        with watch.of("dense"):
            return await self._scoping.nearest(scope, vector, top_k=candidates)

    async def _words(self, scope: Scope, search: Search, candidates: int, watch: Stopwatch) -> Sequence[Scored]:
        if search.mode == "dense":
            return []
        with watch.of("lexical"):
            return await self._lexical.search(
                scope.generation.id, search.query, top_k=candidates, documents=scope.among
            )


async def _explained(
    db: Connection,
    scope: Scope,
    ranked: Sequence[tuple[str, Scores]],
    read: Sequence[Hit],
    top_k: int,
    *,
    sees_all: bool,
) -> list[Candidate]:
    """Who may not see all documents is told of those alone that pass."""
    ids = [chunk_id for chunk_id, _ in ranked]
    passing = await chunks.published(db, scope.generation.id, ids, wanted=scope.wanted)
    if not sees_all:
        ranked = [row for row in ranked if row[0] in passing]
    current = passing if scope.wanted is None else await chunks.published(db, scope.generation.id, ids)
    texts = {chunk_id: chunk.text for chunk_id, chunk in current.items()}
    return explain(ranked, read, top_k=top_k, texts=texts, passing=passing.keys())
