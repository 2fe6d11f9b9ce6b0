"""Bytes become blocks. A new format is a file here and a line in FORMATS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import PurePosixPath
from typing import TypeAlias

from ingest.documents import Parsed, Source
from ingest.errors import BrokenDocument, EmptyDocument, IngestError, UnsupportedFile
from ingest.parsers.attached import Attachments
from ingest.parsers.decoding import is_binary

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_EMPTY_ZIP = b"PK\x05\x06"
_PDF = b"%PDF-"
_MAGIC_WITHIN = 1024
Recogniser: TypeAlias = Callable[[bytes, str], list[str]]  # of a picture and its document's name


@dataclass(frozen=True, slots=True)
class Failure:
    """One of many documents in a file that could not be read; the others could."""

    source: str
    error: IngestError


@dataclass(frozen=True, slots=True)
class Opened:
    """What follows, up to the next of these, comes from this member of an archive, `index` counting from 0."""

    source: str
    index: int


@dataclass(frozen=True, slots=True)
class Format:
    """`module` of this package has `parse(source)`, which gives a Parsed, or an iterator of them if `many`.

    The first media type and the first extension are the usual ones. With a `magic`, a file begins with one of them.
    Of the `seen` ones, text may have to be recognised: their `parse` takes a recogniser or None. That of the `holding`
    ones takes both that and Attachments.
    """

    name: str
    module: str
    media_types: tuple[str, ...]
    extensions: tuple[str, ...]
    magic: tuple[bytes, ...] = ()
    many: bool = False
    seen: bool = False
    holding: bool = False


FORMATS = (
    Format("PDF", "pdf", ("application/pdf",), (".pdf",), magic=(_PDF,), seen=True),
    Format(
        "Word",
        "docx",
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document",),
        (".docx",),
        magic=(ZIP, OLE),
    ),
    Format(
        "PowerPoint",
        "pptx",
        (
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            "application/vnd.openxmlformats-officedocument.presentationml.slideshow",
            "application/vnd.ms-powerpoint.presentation.macroenabled.12",
        ),
        (".pptx", ".ppsx", ".pptm"),
        magic=(ZIP, OLE),
    ),
    Format(
        "Excel",
        "xlsx",
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.ms-excel.sheet.macroenabled.12",
        ),
        (".xlsx", ".xlsm"),
        magic=(ZIP, OLE),
    ),
    Format(
        "Excel",
        "xls",
        ("application/vnd.ms-excel", "application/vnd.ms-excel.sheet.binary.macroenabled.12"),
        (".xls", ".xlsb"),
        magic=(OLE, ZIP),
    ),
    Format(
        "OpenDocument",
        "odf",
        ("application/vnd.oasis.opendocument.text",),
        (".odt",),
        magic=(ZIP,),
    ),
    Format(
        "OpenDocument",
        "odf",
        ("application/vnd.oasis.opendocument.spreadsheet",),
        (".ods",),
        magic=(ZIP,),
    ),
    Format(
        "OpenDocument",
        "odf",
        ("application/vnd.oasis.opendocument.presentation",),
        (".odp",),
        magic=(ZIP,),
    ),
    Format("HTML", "html", ("text/html", "application/xhtml+xml"), (".html", ".htm", ".xhtml")),
    Format("Markdown", "markdown", ("text/markdown", "text/x-markdown"), (".md", ".markdown")),
    Format("plain text", "text", ("text/plain",), (".txt", ".text", ".log")),
    Format("CSV", "tables", ("text/csv", "application/csv"), (".csv",)),
    Format("TSV", "tables", ("text/tab-separated-values",), (".tsv", ".tab")),
    Format("PNG", "image", ("image/png",), (".png",), magic=(b"\x89PNG",), seen=True),
    Format("JPEG", "image", ("image/jpeg",), (".jpg", ".jpeg"), magic=(b"\xff\xd8\xff",), seen=True),
    Format("TIFF", "image", ("image/tiff",), (".tif", ".tiff"), magic=(b"II*\0", b"MM\0*"), seen=True),
    Format("JSON", "json", ("application/json",), (".json",)),
    Format("XML", "xml", ("application/xml", "text/xml"), (".xml",)),
    Format("EPUB", "epub", ("application/epub+zip",), (".epub",), magic=(ZIP,)),
    Format("mail", "eml", ("message/rfc822",), (".eml",), holding=True),
    Format("RTF", "rtf", ("application/rtf", "text/rtf"), (".rtf",), magic=(b"{\\rtf",)),
    Format("subtitles", "subtitles", ("text/vtt", "application/x-subrip"), (".vtt", ".srt")),
    Format("notebook", "ipynb", ("application/x-ipynb+json",), (".ipynb",)),
    Format("JSONL", "jsonl", ("application/jsonl", "application/x-ndjson"), (".jsonl", ".ndjson"), many=True),
    Format(
        "ZIP", "zip", ("application/zip", "application/x-zip-compressed"), (".zip",), magic=(ZIP, _EMPTY_ZIP), many=True
    ),
)
ARCHIVES = frozenset(FORMATS[-1].media_types)
SUPPORTED = {media_type: format for format in FORMATS for media_type in format.media_types}


def media_type_of(filename: str, head: bytes) -> str:
    """The media type by the first bytes (1 KiB is enough) where they tell, else by the name, else by being text.

    Raises BrokenDocument when the bytes are not what the name says, UnsupportedFile when neither is known.
    """
    suffix = PurePosixPath(filename).suffix.lower()
    named = next((format for format in FORMATS if suffix in format.extensions), None)
    if head.startswith(_PDF):
        return "application/pdf"
    if named and not _contradicts(named, head):
        return named.media_types[0]
    if named:
        # Not parsed as what it is: an error page saved under a contract's name must not pass for the contract.
        raise BrokenDocument(f"'{filename}' is named as {named.name}, but its bytes are not: send the right file")
    if _is_html(head):
        return "text/html"
    if not is_binary(head):
        return "text/plain"
    raise UnsupportedFile(f"'{filename}' is of a kind that can't be read; these can: {supported_extensions()}")


def supported_extensions() -> str:
    return ", ".join(extension for format in FORMATS for extension in format.extensions)


def parse(
    source: Source,
    *,
    first_member: int = 0,
    recognise: Recogniser | None = None,
    attachments: Attachments | None = None,
) -> Iterator[Parsed | Failure | Opened]:
    """The documents of a file: one, or many in the formats that hold many. Lazy; raises IngestErrors on the way.

    Of an archive, members before `first_member` are passed over. `recognise` gives the text of pictures, by page.
    `attachments` are those of the mail that it is, or that its first member is.
    """
    format = SUPPORTED.get(source.media_type.partition(";")[0].strip().lower())
    if format is None:
        raise UnsupportedFile(
            f"'{source.uri}' is {source.media_type}, which can't be read; these can: {supported_extensions()}"
        )
    if source.path.stat().st_size == 0:
        raise EmptyDocument(f"'{source.uri}' is empty (0 bytes): send it again")
    # One parser's libraries are all that a parsing process loads.
    parser = import_module(f"{__name__}.{format.module}")
    if source.media_type in ARCHIVES:
        yield from parser.parse(source, first_member, recognise, attachments or Attachments())
    elif format.many:
        yield from parser.parse(source)
    elif format.holding:
        yield _checked(parser.parse(source, recognise, attachments or Attachments()), source)
    else:
        yield _checked(parser.parse(source, recognise) if format.seen else parser.parse(source), source)


def _checked(parsed: Parsed, source: Source) -> Parsed:
    if not any(block.text.strip() for block in parsed.blocks):
        raise EmptyDocument(f"'{source.uri}' has no words in it: send a document that has some")
    if parsed.title.strip():
        return parsed
    name = PurePosixPath(source.uri.replace("\\", "/").rstrip("/"))
    return replace(parsed, title=name.stem or source.uri)


def _contradicts(format: Format, head: bytes) -> bool:
    return bool(head and format.magic) and not any(magic in head[:_MAGIC_WITHIN] for magic in format.magic)


def _is_html(head: bytes) -> bool:
    return head.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html"))
