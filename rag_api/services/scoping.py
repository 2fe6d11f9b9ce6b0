"""Where a search looks: the generation that answers, and the documents that its filter and its reader's groups allow.

Few chunks are scored exactly, all of a small collection or those that pass a filter: that costs less than asking the
vector index, or than asking it for more and more until enough pass. Many are asked for in the index, with as many more
as the filter leaves out; when too few of those that it names pass, they are scored exactly after all: the nearest ones
may be others, and its graph (HNSW) may have no way to a chunk. So are very many, more than the vector index has room
for in memory; and whatever is asked while it is being started again.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ingest.ports import Vectors
from rag_api.core.filter_table import Passing
from rag_api.core.filters import Filter, restricted
from rag_api.core.hits import Scored
from rag_api.core.ports import VectorStore
from rag_api.db import chunks, scopes
from rag_api.db.database import Database
from rag_api.db.rows import GenerationRow
from rag_api.db.scopes import CollectionState
from rag_api.errors import VectorStoreUnavailable
from rag_api.services.mirror import Mirror
from rag_api.services.mirrors import Mirrors

SPARE = 1.25  # asked for beyond what should do, as those that pass are not spread evenly
WIDEN = 4
MOST_NEIGHBOURS = 6_400
READ_CHUNKS = 2_000  # whose vectors a search reads from the catalogue while the matrix does not have them


@dataclass(frozen=True, slots=True)
class Scope:
    """`wanted`: what each hit must still fulfil when it is shown; None lets all pass, and then `mirror` is there where
    all are to be scored exactly. `is_held`: the vector index has room for all chunks that it may be asked for."""

    state: CollectionState
    wanted: Filter | None = None
    among: Passing | None = None
    mirror: Mirror | None = None
    is_held: bool = True

    @property
    def generation(self) -> GenerationRow:
        return self.state.generation

    @property
    def is_empty(self) -> bool:
        return self.among is not None and not self.among


class Scoping:
    def __init__(
        self, db: Database, mirrors: Mirrors, store: VectorStore, *, exact_below: int, exact_above: int | None = None
    ) -> None:
        self._db = db
        self._mirrors = mirrors
        self._store = store
        self._exact_below = exact_below
        self._exact_above = exact_above

    async def scope(self, collection: str, wanted: Filter | None, groups: Collection[str] | None) -> Scope:
        """As the collection is now. `groups` None sees all. Raises CollectionNotFound."""
        state = await self._db.glance(scopes.state, collection)
        wanted = restricted(wanted, groups)
        above, large = self._exact_above, self._mirrors.chunks(more_than=self._exact_below)
        is_held = above is None or large <= above
        if wanted is None:
            whole = self._mirrors.whole(state, most_chunks=self._exact_below)
            whole = whole or await self._mirrors.caught_up(state, most_chunks=self._exact_below)
            if whole or is_held:
                return Scope(state, mirror=whole)
        mirror = await self._mirrors.of(state)
        among = mirror.table.passing(wanted) if wanted else None
        return Scope(state, wanted, among, mirror, is_held)

    async def nearest(self, scope: Scope, vector: Vectors, *, top_k: int) -> Sequence[Scored]:
        """The chunks in the scope that are nearest to a vector, best first; fewer than `top_k` when there are no more.

        Raises VectorStoreUnavailable, where they are too many to be scored without it.
        """
        try:
            return await self._nearest(scope, vector, top_k)
        except VectorStoreUnavailable:
            mirror = scope.mirror or await self._mirrors.of(scope.state)
            exact = await self._exact(replace(scope, mirror=mirror), vector, top_k)
            if exact is None:
                raise
            return exact

    async def _nearest(self, scope: Scope, vector: Vectors, top_k: int) -> Sequence[Scored]:
        index = scope.generation.id
        if scope.among is None:
            found = await self._exact(scope, vector, top_k) if scope.mirror else None
            return await self._store.query(index, vector, top_k=top_k) if found is None else found
        if scope.is_empty:
            return []
        neighbours = math.ceil(SPARE * top_k / max(scope.among.share, 1e-9))
        if scope.among.chunks <= self._exact_below or neighbours > MOST_NEIGHBOURS or not scope.is_held:
            exact = await self._exact(scope, vector, top_k)
            if exact is not None:
                return exact
        neighbours = min(neighbours, MOST_NEIGHBOURS)
        while True:
            found = await self._store.query(index, vector, top_k=neighbours)
            passing = [scored for scored in found if _passes(scope, scored.chunk_id)]
            if len(passing) >= min(top_k, scope.among.chunks):
                return passing[:top_k]
            exact = await self._exact(scope, vector, top_k)
            if exact is not None or len(found) < neighbours or neighbours >= MOST_NEIGHBOURS:
                return passing if exact is None else exact
            neighbours = min(WIDEN * neighbours, MOST_NEIGHBOURS)

    def vectors(self, scope: Scope, chunk_ids: Sequence[str]) -> Vectors | None:
        """Of shape (n, dimension), without a row being read; of not-a-numbers for chunks that only the catalogue has.

        None while there is no matrix.
        """
        return self._mirrors.vectors(scope.generation.id, chunk_ids)

    async def _exact(self, scope: Scope, vector: Vectors, top_k: int) -> Sequence[Scored] | None:
        """None when too many vectors would have to be read from the catalogue."""
        mirror, wanted = scope.mirror, scope.wanted
        assert mirror
        table, index = mirror.table, scope.generation.id
        matrix = mirror.matrix if mirror.index == index else None
        if matrix and wanted is None and mirror.has_all:
            return await matrix.nearest(vector, top_k=top_k)
        mask = table.passing(wanted).mask  # of this moment, as the matrix's numbers are
        missing = mask & (table.chunks > 0)
        if matrix:
            missing &= ~matrix.covered(mask)
        if table.chunks[missing].sum() > READ_CHUNKS:
            return None
        documents = [table.ids[ordinal] for ordinal in np.flatnonzero(missing)]
        if matrix and wanted is None:
            found = await matrix.nearest(vector, top_k=top_k)
        else:
            found = await matrix.best(vector, mask, top_k=top_k) if matrix else []
        if documents:
            ids, vectors = await self._db.ask(chunks.vectors, index, documents)
            read = [Scored(chunk_id, float(vectors[i] @ vector)) for i, chunk_id in enumerate(ids)]
            found = sorted([*found, *read], key=lambda scored: -scored.score)[:top_k]
        return found


def _passes(scope: Scope, chunk_id: str) -> bool:
    """What the vector index still has of a version before would count for a chunk that it does not find."""
    assert scope.among is not None and scope.mirror
    document_id, _, version = chunk_id.rpartition(":")[0].rpartition(":")
    return document_id in scope.among and str(scope.mirror.versions.get(document_id)) == version
