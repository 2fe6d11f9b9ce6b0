"""What tests of parsers share."""

from collections.abc import Iterator
from pathlib import Path

from ingest.clean import clean
from ingest.documents import Document, Parsed, Source
from ingest.parsers import Failure, Opened, media_type_of, parse


def source_of(folder: Path, name: str, content: bytes | str) -> Source:
    """Under another name than its own, as uploads are kept."""
    raw = content.encode() if isinstance(content, str) else content
    path = folder / "upload"
    path.write_bytes(raw)
    return Source(name, media_type_of(name, raw[:1024]), path)


def document_of(folder: Path, name: str, content: bytes | str) -> Document:
    (parsed,) = parse(source_of(folder, name, content))
    assert isinstance(parsed, Parsed)
    return clean(parsed)


def text_of(folder: Path, name: str, content: bytes | str) -> str:
    return document_of(folder, name, content).text


def results_of(source: Source) -> Iterator[Parsed | Failure]:
    return (found for found in parse(source) if not isinstance(found, Opened))


def sections_of(document: Document) -> list[tuple[str, ...]]:
    return [section.path for section in document.sections]
