"""Mails: the headers that people read, the body once, then the attachments that can be read."""

import codecs
import contextlib
import email
import email.policy
from collections.abc import Iterator, Sequence
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from itertools import chain
from typing import Any

from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument, DocumentTooLarge, IngestError
from ingest.parsers import Recogniser, members
from ingest.parsers.archives import DAMAGED
from ingest.parsers.attached import Attachments, reason_of
from ingest.parsers.decoding import decode, with_line_feeds
from ingest.parsers.html import read_page

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_MOST_BYTES = 128 * 1024**2
_MOST_PARTS = 1_000
_MOST_ATTACHMENTS = 100
_DEEPEST_MAIL = 30
_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF8)


def parse(source: Source, recognise: Recogniser | None, attachments: Attachments) -> Parsed:
    if source.path.stat().st_size > _MOST_BYTES:
        raise DocumentTooLarge(
            f"'{source.uri}' is over {_MOST_BYTES // 1024**2} MB: send its attachments by themselves"
        )
    raw = source.path.read_bytes()
    if raw.startswith(_WIDE):  # saved by a program that took it for text
        raw = decode(raw, name=source.uri).encode()
    try:
        message = email.message_from_bytes(raw.lstrip(), policy=email.policy.compat32)
        mail = _Mail(source.uri, 1, recognise, attachments)
        blocks = tuple(mail.blocks(message))
    except RecursionError as error:
        raise BrokenDocument(f"'{source.uri}' holds mails in mails, nested too deeply to be read") from error
    if not message.keys():
        raise BrokenDocument(f"'{source.uri}' has no headers of a mail: send the right file")
    metadata: dict[str, Json] = {
        name.lower(): value for name in ("From", "To", "Cc") if (value := _header(message, name))
    }
    date = _date(message)
    return Parsed(_header(message, "Subject"), blocks, metadata | ({"date": date} if date else {}))


class _Mail:
    """Of the alternatives of a body the plain one is read, if there is text in it."""

    def __init__(self, name: str, depth: int, recognise: Recogniser | None, attachments: Attachments) -> None:
        self._name = name
        self._depth = depth
        self._recognise = recognise
        self._attachments = attachments
        self._parts = 0
        self._attached = 0

    def blocks(self, message: "Message[str, str]") -> Iterator[Block]:
        headers = [f"{name}: {value}" for name in _HEADERS if (value := _header(message, name))]
        if headers:
            yield Block("\n".join(headers))
        yield from self._part(message)

    def _part(self, part: "Message[str, str]") -> Iterator[Block]:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise DocumentTooLarge(f"'{self._name}' has over {_MOST_PARTS:,} parts: send them by themselves")
        kind, inner = part.get_content_type(), part.get_payload()
        if kind == "message/rfc822" and isinstance(inner, list):
            yield from self._forwarded(inner)
        elif isinstance(inner, list):
            yield from (
                self._alternative(inner)
                if kind == "multipart/alternative"
                else chain.from_iterable(map(self._part, inner))
            )
        elif part.get_content_disposition() == "attachment" or part.get_filename() or kind not in _BODIES:
            yield from self._attachment(part)
        else:
            yield from _body(part, self._name)

    def _alternative(self, parts: "Sequence[Any]") -> Iterator[Block]:
        """The plain text comes first and the richest form last."""
        fallback: list[Block] = []
        for part in sorted(parts, key=lambda part: part.get_content_type() != "text/plain"):
            blocks = list(self._part(part))
            if sum(len(block.text.strip()) for block in blocks) > 1:
                yield from blocks
                return
            fallback = fallback or blocks
        yield from fallback

    def _forwarded(self, inner: "Sequence[Any]") -> Iterator[Block]:
        if self._depth >= _DEEPEST_MAIL:
            raise BrokenDocument(f"'{self._name}' holds mails in mails, nested too deeply to be read")
        for message in inner:
            title = _header(message, "Subject")
            if title:
                yield Block(title, BlockKind.HEADING, 1)
            mail = _Mail(self._name, self._depth + 1, self._recognise, self._attachments)
            yield from mail.blocks(message)

    def _attachment(self, part: "Message[str, str]") -> Iterator[Block]:
        """Its text if it can be read, else its name at least: the mail itself is good."""
        filename, content = _decoded(part.get_filename() or ""), part.get_payload(decode=True)
        if not filename or not isinstance(content, bytes) or not content:
            return
        yield Block(f"Attachment: {filename}", BlockKind.HEADING, 1, heading=filename)
        self._attached += 1
        if self._attached > _MOST_ATTACHMENTS:
            return
        with self._attachments.reading() as problem:
            found = problem or self._read(filename, content)
        if isinstance(found, str):
            yield Block(f"(not read: {found})")
            return
        for block in found:
            # Headings go below the attachment's own; pages of several attachments would be one row of pages.
            level = block.level + 1 if block.level else 0
            yield Block(block.text, block.kind, level, block.heading)

    def _read(self, filename: str, content: bytes) -> Sequence[Block] | str:
        """Its blocks, or why there are none."""
        try:
            parsed = members.parse_bytes(
                filename,
                content,
                inside=self._name,
                recognise=self._recognise,
                attachments=self._attachments,
            )
        except IngestError as error:
            return reason_of(error)
        except DAMAGED:
            return reason_of(BrokenDocument())
        except RecursionError:
            return "nested too deeply"
        except MemoryError:
            return reason_of(DocumentTooLarge())
        return parsed.blocks


_BODIES = frozenset({"text/plain", "text/html", "text/enriched"})


def _body(part: "Message[str, str]", name: str) -> Iterator[Block]:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes) or not content.strip():
        return
    declared = part.get_content_charset() or ""
    if part.get_content_type() == "text/html":
        yield from read_page(content, name=name, declared=declared).blocks
        return
    text = with_line_feeds(decode(content, name=name, declared=declared))
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            yield Block(paragraph.strip("\n"))


def _header(message: "Message[str, str]", name: str) -> str:
    return _decoded(next((value for key, value in message.raw_items() if key.lower() == name.lower()), ""))


def _decoded(value: str) -> str:
    """Of encoded words, and of raw bytes that should have been."""
    text = decode(value.encode("utf-8", "surrogateescape"), name="header", declared="cp1252") if value else ""
    with contextlib.suppress(HeaderParseError, ValueError, LookupError):  # what can't be decoded is shown as it came
        text = str(make_header(decode_header(text)))
    return " ".join(text.split())


def _date(message: "Message[str, str]") -> str:
    try:
        return parsedate_to_datetime(_header(message, "Date")).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""
