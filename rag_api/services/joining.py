"""Neighbouring hits as one, for who reads them in a row."""

from collections.abc import Sequence

from rag_api.core.hits import Hit
from rag_api.core.passages import gaps, join, neighbours
from rag_api.db import texts
from rag_api.db.database import Connection


async def joined(db: Connection, hits: Sequence[Hit]) -> list[Hit]:
    """The hits, those beside each other in a document as one whose text is the document's."""
    found: list[Hit] = []
    for group in neighbours(hits):
        spans, chunk = gaps(group), group[0].chunk
        between = await texts.pieces(db, chunk.document_id, chunk.version, spans) if spans else {}
        if all(len(between.get(span, "")) == span[1] - span[0] for span in spans):
            found.append(join(group, between))
        else:  # the text has been replaced since
            found += sorted(group, key=lambda hit: hit.rank)
    return found
