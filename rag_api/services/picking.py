"""The hits that a ranking leads to: those of its chunks that are current, a text once, copies behind what is unlike."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from rag_api.core.diversity import Placed, are_any_alike, diverse
from rag_api.core.hits import Hit, IndexedChunk, Scores
from rag_api.db import chunks, indexes
from rag_api.db.database import Connection
from rag_api.services.scoping import Scope

LOOK = 20  # hits, or twice as many as are wanted, among which unlike ones are looked for


@dataclass(frozen=True, slots=True)
class Picking:
    """`same_text`: hits that a document may have of just the same text. `diversity`: what a hit loses of its score when
    it is nearly a copy of another document's before it; 0: nothing."""

    same_text: int
    diversity: float = 0.0


async def pick(
    db: Connection, scope: Scope, ranked: Sequence[tuple[str, Scores]], top_k: int, picking: Picking
) -> tuple[list[Hit], list[str]]:
    """The best of the ranking that are current, and the ids before them that are not current."""
    reading = _Reading(db, scope, ranked, picking.same_text)
    await reading.read(top_k)
    found = reading.found
    if picking.diversity and are_any_alike(_placed(found)):
        await reading.read(max(LOOK, 2 * top_k))
        order = diverse(_placed(found), [scores.fused for _, scores in found], weight=picking.diversity)
        found = [found[place] for place in order]
    texts = [chunk.text for chunk, _ in found[:top_k]]
    holders = await indexes.same_texts(db, scope.generation.id, texts, wanted=scope.wanted)
    hits = [
        Hit(
            rank,
            chunk,
            scores,
            tuple(one for one in holders.get(chunk.text, ()) if one.document_id != chunk.document_id),
        )
        for rank, (chunk, scores) in enumerate(found[:top_k], start=1)
    ]
    return hits, reading.gone


def _placed(found: Sequence[tuple[IndexedChunk, Scores]]) -> list[Placed]:
    return [Placed(chunk.document_id, chunk.text) for chunk, _ in found]


@dataclass(slots=True)
class _Reading:
    """A ranking that is looked up in the catalogue as few at a time as will do. A text is shown by one document, at so
    many of its places."""

    db: Connection
    scope: Scope
    ranked: Sequence[tuple[str, Scores]]
    same_text: int
    found: list[tuple[IndexedChunk, Scores]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    at: int = 0
    _shown: dict[str, tuple[str, int]] = field(default_factory=dict)  # by text, which document shows it and how often

    async def read(self, wanted: int) -> None:
        """Goes on until so many are found, or to the end."""
        while self.at < len(self.ranked) and len(self.found) < wanted:
            count = 2 * wanted if self.at else wanted
            some = self.ranked[self.at : self.at + count]
            self.at += len(some)
            ids = [chunk_id for chunk_id, _ in some]
            known = await chunks.published(self.db, self.scope.generation.id, ids, wanted=self.scope.wanted)
            self.gone += [chunk_id for chunk_id in ids if chunk_id not in known]
            for chunk_id, scores in some:
                if chunk_id in known and self._is_new(known[chunk_id]):
                    self.found.append((known[chunk_id], scores))

    def _is_new(self, chunk: IndexedChunk) -> bool:
        document_id, places = self._shown.get(chunk.text, (chunk.document_id, 0))
        if document_id != chunk.document_id or places >= self.same_text:
            return False
        self._shown[chunk.text] = (document_id, places + 1)
        return True
