"""The nouns of the write path. All offsets are Unicode code points, ends exclusive."""

import secrets
import time
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


MAX_JSON_DEPTH = 32


def json_problem(value: object, depth: int = MAX_JSON_DEPTH) -> str | None:
    """Why parsed JSON can't be kept, or None: nested too deeply, or with half a surrogate pair in it."""
    if not depth:
        return f"it is nested more than {MAX_JSON_DEPTH} levels deep"
    match value:
        case str() if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return "it holds half a surrogate pair, which is no text"
        case dict():
            parts = [*value.keys(), *value.values()]
        case list() | tuple():
            parts = list(value)
        case _:
            return None
    return next((problem for part in parts if (problem := json_problem(part, depth - 1))), None)


def new_id(kind: str) -> str:
    """A fresh id such as `doc_019a…`: after the kind the moment in milliseconds, so that rows written together lie
    together in every index, and 80 random bits, so that ids are never used twice and can't be guessed."""
    return f"{kind}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


@dataclass(frozen=True, slots=True)
class Span:
    start: int
    end: int

    def of(self, text: str) -> str:
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Source:
    """Where bytes came from. `uri` is the name people know (a file's path, a URL); `path` holds the bytes."""

    uri: str
    media_type: str
    path: Path


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    TABLE = "table"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a document in reading order, as a parser found it.

    A heading has a `level` from 1; `heading` is its name where that differs from its text (Markdown's `## Fees`).
    `page` counts from 1 and is None in formats without pages.
    """

    text: str
    kind: BlockKind = BlockKind.PARAGRAPH
    level: int = 0
    heading: str = ""
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a parser makes of one document.

    `verbatim`: the blocks' texts joined by nothing are the author's text and must stay as they are.
    `source` and `acl` are set where one file holds many documents, and `media_type` where they are of other types
    than the file.
    """

    title: str
    blocks: tuple[Block, ...]
    metadata: Mapping[str, Json] = field(default_factory=dict)
    verbatim: bool = False
    source: str | None = None
    acl: tuple[str, ...] = ()
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """From `start` on, the text stands under these headings, outermost first."""

    start: int
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    start: int
    number: int


@dataclass(frozen=True, slots=True)
class Document:
    """The whole source as a person knows it: one text, with where its sections and pages begin (ascending)."""

    title: str
    text: str
    sections: tuple[Section, ...] = ()
    pages: tuple[Page, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    source: str | None = None
    acl: tuple[str, ...] = ()
    media_type: str | None = None

    def section_at(self, offset: int) -> str:
        at = bisect_right(self.sections, offset, key=lambda section: section.start)
        return " > ".join(self.sections[at - 1].path) if at else ""

    def page_at(self, offset: int) -> int | None:
        at = bisect_right(self.pages, offset, key=lambda page: page.start)
        return self.pages[at - 1].number if at else None


@dataclass(frozen=True, slots=True)
class Chunk:
    """The indexed piece of a document: `text == document.text[span.start:span.end]`; tokens as embedded."""

    index: int
    text: str
    span: Span
    section: str
    page: int | None
    tokens: int


@dataclass(frozen=True, slots=True)
class VersionKey:
    """Names one version of one document in one index generation."""

    generation_id: str
    document_id: str
    version: int

    def chunk_id(self, index: int) -> str:
        return f"{self.document_id}:{self.version}:{index}"


def is_bulk(media_type: str) -> bool:
    """Whether a file of this type holds many documents."""
    return media_type in (
        "application/jsonl",
        "application/x-ndjson",
        "application/zip",
        "application/x-zip-compressed",
    )
