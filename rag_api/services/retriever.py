"""From a question to hits: both indexes asked at once, their scores fused, every hit checked against the catalogue."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from rag_api.core.filters import Filter, matches, seen_by_filter
from rag_api.core.hits import Hit, IndexedChunk, Scored, Scores
from rag_api.core.ports import Embedders, LexicalIndex, VectorStore
from rag_api.core.ranking import fuse, only
from rag_api.db import chunks, collections, documents, indexes
from rag_api.db.database import Connection, Database
from rag_api.db.rows import GenerationRow
from rag_api.errors import EmbedderUnavailable, Unavailable, VectorStoreUnavailable
from rag_api.telemetry import SEARCH_S, log

Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]
WIDEN = 4
MOST_CANDIDATES = 6_400
MOST_TRIES = 8


@dataclass(frozen=True, slots=True)
class Search:
    query: str
    top_k: int
    mode: Mode = "hybrid"
    filter: Filter | None = None
    dense_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """`degraded` names the indexes that should have been asked and could not be."""

    hits: list[Hit]
    took_ms: float
    degraded: list[str]


@dataclass(frozen=True, slots=True)
class RetrieverOptions:
    """`candidates`: how many each index names; `exact_below`: chunks passing a filter that are scored exactly."""

    dense_weight: float
    candidates: int
    exact_below: int


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where to look: a generation, and the documents in it that pass the filter, with their number of chunks."""

    generation: GenerationRow
    among: Mapping[str, int] | None


class Retriever:
    def __init__(
        self,
        db: Database,
        embedders: Embedders,
        store: VectorStore,
        lexical: LexicalIndex,
        *,
        options: RetrieverOptions,
    ) -> None:
        self._db = db
        self._embedders = embedders
        self._store = store
        self._lexical = lexical
        self._options = options

    async def search(self, collection: str, search: Search) -> Found:
        """The best `top_k` published chunks. Raises CollectionNotFound, and Unavailable in mode dense."""
        began = time.perf_counter()
        scope = await self._scope(collection, search.filter)
        candidates = max(self._options.candidates, search.top_k)
        stale: list[str] = []
        tries = 0
        while True:
            tries += 1
            ranked, degraded, is_all = await self._ranked(scope, search, candidates)
            hits, gone = await self._db.ask(_published, scope, ranked, search.top_k)
            if len(hits) >= search.top_k:
                break
            if not is_all and candidates < MOST_CANDIDATES:
                candidates *= WIDEN  # some were replaced, deleted or filtered out: look further
            elif gone == stale or tries >= MOST_TRIES:
                break
            else:  # published or deleted since the indexes were asked: what replaces it may be there now
                stale = gone
        took_s = time.perf_counter() - began
        SEARCH_S.labels(search.mode).observe(took_s)
        return Found(hits, round(1000 * took_s, 2), degraded)

    async def _scope(self, collection: str, wanted: Filter | None) -> _Scope:
        if wanted is None:
            return _Scope((await self._db.ask(collections.in_use, collection))[1], None)
        async with self._db.read() as db:
            row, generation = await collections.in_use(db, collection)
            records = await documents.records(db, row.id)
        passing = [record for record in records if matches(wanted, seen_by_filter(record))]
        return _Scope(generation, {record["document_id"]: record["chunks"] for record in passing})

    async def _ranked(
        self, scope: _Scope, search: Search, candidates: int
    ) -> tuple[list[tuple[str, Scores]], list[str], bool]:
        """Ids with scores, best first; what was degraded; whether no wider search would name more."""
        if scope.among is not None and not scope.among:
            return [], [], True
        dense, lexical = await asyncio.gather(
            self._dense(scope, search, candidates), self._words(scope, search, candidates), return_exceptions=True
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
        weight = self._options.dense_weight if search.dense_weight is None else search.dense_weight
        return fuse(dense, lexical, dense_weight=weight), degraded, is_all

    async def _dense(self, scope: _Scope, search: Search, candidates: int) -> list[Scored]:
        if search.mode == "lexical" or scope.generation.fingerprint is None:
            return []
        if not scope.generation.is_whole:
            raise VectorStoreUnavailable(
                f"the vector index is being rebuilt, {scope.generation.rebuilt:,} of {scope.generation.to_rebuild:,} "
                "chunks are in; lexical search goes on"
            )
        embedder = self._embedders.of(scope.generation.model)
        identity = await embedder.identity()
        if identity.fingerprint != scope.generation.fingerprint:
            raise EmbedderUnavailable(
                f"the collection is indexed with the embedder {scope.generation.model!r} "
                f"({scope.generation.fingerprint}), which is now another one ({identity.fingerprint}): restore that "
                "model, or build the index anew with rag reindex"
            )
        vector = await embedder.embed_query(search.query)
        if scope.among is not None and sum(scope.among.values()) <= self._options.exact_below:
            return await self._exact(scope, vector, candidates)
        return await self._store.query(scope.generation.id, vector, top_k=candidates)

    async def _exact(self, scope: _Scope, vector: Any, candidates: int) -> list[Scored]:
        """Few chunks pass the filter: the cosine of each, without the vector index."""
        ids, vectors = await self._db.ask(chunks.vectors, scope.generation.id, list(scope.among or ()))
        if not ids:
            return []
        scores = vectors @ vector
        order = np.argsort(-scores, kind="stable")[:candidates]
        return [Scored(ids[i], float(scores[i])) for i in order]

    async def _words(self, scope: _Scope, search: Search, candidates: int) -> list[Scored]:
        if search.mode == "dense":
            return []
        return await self._lexical.search(scope.generation.id, search.query, top_k=candidates, documents=scope.among)


async def _published(
    db: Connection, scope: _Scope, ranked: Sequence[tuple[str, Scores]], top_k: int
) -> tuple[list[Hit], list[str]]:
    """The best of the ranking that are current, each text once, and the ids before them that are not current.

    They are looked up as few at a time as will do.
    """
    found: dict[str, tuple[IndexedChunk, Scores]] = {}
    gone: list[str] = []
    at = 0
    while at < len(ranked) and len(found) < top_k:
        some = ranked[at : at + (2 * top_k if at else top_k)]
        at += len(some)
        known = await chunks.published(db, scope.generation.id, [chunk_id for chunk_id, _ in some], among=scope.among)
        gone += [
            chunk_id
            for chunk_id, _ in some
            if chunk_id not in known and (scope.among is None or chunk_id.split(":")[0] in scope.among)
        ]
        for chunk_id, scores in some:
            if chunk_id in known and len(found) < top_k:
                found.setdefault(known[chunk_id].text, (known[chunk_id], scores))
    holders = await indexes.same_texts(db, scope.generation.id, found, among=scope.among)
    hits = [
        Hit(rank, chunk, scores, tuple(one for one in holders.get(text, ()) if one.document_id != chunk.document_id))
        for rank, (text, (chunk, scores)) in enumerate(found.items(), start=1)
    ]
    return hits, gone
