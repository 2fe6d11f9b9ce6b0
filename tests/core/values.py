"""Chunks, hits and passages for tests, by what matters in them."""

from rag_api.core.hits import Hit, IndexedChunk, Passage, Scores


def chunk(text: str, *, title: str = "Fares", section: str = "", page: int | None = None) -> IndexedChunk:
    return IndexedChunk(
        chunk_id="doc:1:0",
        document_id="doc",
        version=1,
        index=0,
        title=title,
        source="fares.md",
        page=page,
        section=section,
        start=0,
        end=len(text),
        text=text,
        metadata={},
    )


def hit(text: str, rank: int = 1, *, fused: float = 0.5, dense: float | None = 0.4) -> Hit:
    return Hit(rank, chunk(text), Scores(dense, None, fused))


def passage(
    text: str,
    n: int = 1,
    *,
    similarity: float | None = 0.5,
    title: str = "Fares",
    section: str = "",
    page: int | None = None,
) -> Passage:
    return Passage(n, chunk(text, title=title, section=section, page=page), 0.5, similarity)
