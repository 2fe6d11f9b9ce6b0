"""Documents' texts with their structure: what an index is built from again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, and_, bindparam, func, select

from ingest.documents import VersionKey
from rag_api.db.database import Connection
from rag_api.db.prepared import prepared
from rag_api.db.tables import chunks, collections, documents, texts, versions


@dataclass(frozen=True, slots=True)
class StoredText:
    """`sections`: where each begins, with its headings; `pages`: where each begins, with its number."""

    text: str
    embedded_title: str
    sections: Sequence[tuple[int, Sequence[str]]]
    pages: Sequence[tuple[int, int]]


async def stored(db: Connection, key: VersionKey) -> StoredText | None:
    """Of a published version; None when it has been replaced or deleted."""
    query = (
        select(texts.c.text, texts.c.sections, texts.c.pages, versions.c.embedded_title, documents.c.collection_id)
        .join(versions, and_(versions.c.document_id == texts.c.document_id, versions.c.number == texts.c.version))
        .join(documents, and_(documents.c.id == texts.c.document_id, documents.c.current == texts.c.version))
        .where(texts.c.document_id == key.document_id, texts.c.version == key.version, documents.c.deleted_at.is_(None))
    )
    row = (await db.execute(query)).first()
    if row is None:
        return None
    sections, pages = row.sections, row.pages
    if sections is None:
        sections, pages = await _as_chunks_have_it(db, key, row.collection_id)
    return StoredText(row.text, row.embedded_title, sections, pages or [])


async def pieces(
    db: Connection, document_id: str, version: int, spans: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], str]:
    """Of the text, from start to end; nothing when it is gone."""
    found: dict[tuple[int, int], str] = {}
    for start, end in spans:
        of = {"document_id": document_id, "version": version, "from": start + 1, "length": end - start}
        if row := (await db.execute(_PIECE, of)).first():
            found[start, end] = row[0]
    return found


_PIECE = prepared(
    select(func.substr(texts.c.text, bindparam("from", type_=Integer), bindparam("length", type_=Integer))).where(
        texts.c.document_id == bindparam("document_id"), texts.c.version == bindparam("version")
    )
)


async def _as_chunks_have_it(
    db: Connection, key: VersionKey, collection_id: str
) -> tuple[list[tuple[int, list[str]]], list[tuple[int, int]]]:
    """The structure of a text that was stored without it: where the chunks in use say another section or page."""
    query = (
        select(chunks.c.start, chunks.c.section, chunks.c.page)
        .join(collections, collections.c.generation_id == chunks.c.generation_id)
        .where(
            collections.c.id == collection_id,
            chunks.c.document_id == key.document_id,
            chunks.c.version == key.version,
        )
        .order_by(chunks.c.index)
    )
    sections: list[tuple[int, list[str]]] = []
    pages: list[tuple[int, int]] = []
    for row in await db.execute(query):
        if not sections or sections[-1][1] != [row.section]:
            sections.append((row.start, [row.section] if row.section else []))
        if row.page is not None and (not pages or pages[-1][1] != row.page):
            pages.append((row.start, row.page))
    return sections, pages
