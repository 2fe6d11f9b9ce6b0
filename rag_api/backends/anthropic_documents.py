"""Passages as documents of a message, and the model's citations of them as numbers and quotes of ours."""

from collections.abc import Mapping, Sequence
from typing import Any

from rag_api.core.fencing import blanked, without_hidden
from rag_api.core.hits import Passage
from rag_api.core.ports import Quote

CITE_BY_DOCUMENTS = (
    "The passages come as documents. Cite them by the means that documents have; write no numbers in brackets."
)

TITLE_CHARS = 500


def document(passage: Passage) -> dict[str, Any]:
    return {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": blanked(passage.chunk.text)},
        **({"title": without_hidden(passage.chunk.title)[:TITLE_CHARS]} if passage.chunk.title else {}),
        **({"context": without_hidden(passage.chunk.section)} if passage.chunk.section else {}),
        "citations": {"enabled": True},
    }


def number(citation: Mapping[str, Any], passages: Sequence[Passage]) -> int | None:
    """Of the passage that it names; None for one that is not there."""
    index = citation.get("document_index")
    return index + 1 if isinstance(index, int) and 0 <= index < len(passages) else None


def quote(citation: Mapping[str, Any], passages: Sequence[Passage]) -> Quote | None:
    """The characters that it names, if they are what it quotes, else those that it quotes, if they are there."""
    n, said = number(citation, passages), citation.get("cited_text")
    start, end = citation.get("start_char_index"), citation.get("end_char_index")
    if n is None or not isinstance(start, int) or not isinstance(end, int):
        return None
    text = blanked(passages[n - 1].chunk.text)
    if isinstance(said, str) and said and text[max(0, start) : end] != said:
        start = text.find(said)
        end = start + len(said)
    found = text[start:end] if 0 <= start < end <= len(text) else ""
    blank = len(found) - len(found.lstrip())
    return Quote(n, start + blank, start + len(found.rstrip())) if found.strip() else None
