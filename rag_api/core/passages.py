"""Hits that stand beside each other in a document, read as one passage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeAlias

from rag_api.core.hits import Hit, IndexedChunk

Place: TypeAlias = tuple[str, int, int]


def neighbours(hits: Sequence[Hit]) -> list[list[Hit]]:
    """Groups of hits whose chunks follow one another on one page and in one section of a version, each in reading
    order; the groups by their best hit."""
    at: dict[Place, Hit] = {}
    for hit in hits:
        at.setdefault(_place(hit.chunk), hit)
    groups: dict[Place, list[Hit]] = {}
    for hit in hits:
        document_id, version, index = _place(hit.chunk)
        while (before := at.get((document_id, version, index - 1))) and _belong(
            before, at[document_id, version, index]
        ):
            index -= 1
        groups.setdefault((document_id, version, index), []).append(hit)
    return [sorted(group, key=lambda hit: hit.chunk.index) for group in groups.values()]


def gaps(group: Sequence[Hit]) -> list[tuple[int, int]]:
    """What of the document's text lies between the group's chunks: start and end of each gap that there is."""
    chunks = [hit.chunk for hit in group]
    return [(one.end, other.start) for one, other in pairwise(chunks) if one.end < other.start]


def join(group: Sequence[Hit], between: Mapping[tuple[int, int], str]) -> Hit:
    """One hit for the group, with the best one's id, rank and scores, whose text is the document's from the first chunk
    to the last. `between`: the text of each gap."""
    if len(group) == 1:
        return group[0]
    best = min(group, key=lambda hit: hit.rank)
    first = group[0].chunk
    text, end = first.text, first.end
    for hit in group[1:]:
        chunk = hit.chunk
        text += between[end, chunk.start] if end < chunk.start else ""
        text += chunk.text[max(0, end - chunk.start) :]
        end = max(end, chunk.end)
    dense = [hit.scores.dense for hit in group if hit.scores.dense is not None]
    scores = best.scores._replace(dense=max(dense, default=None))
    return replace(best, chunk=replace(first, chunk_id=best.chunk.chunk_id, end=end, text=text), scores=scores)


def _place(chunk: IndexedChunk) -> Place:
    return chunk.document_id, chunk.version, chunk.index


def _belong(one: Hit, other: Hit) -> bool:
    return (one.chunk.page, one.chunk.section) == (other.chunk.page, other.chunk.section)
