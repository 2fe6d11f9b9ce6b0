"""Parsing in a child process, so that no file can hurt the service.

Purpose: a file may hang a parser, exhaust memory or crash a C library; only its own child suffers.
Mechanism: a pool of warm children (`python -m ingest.sandbox_child`), each with a cap on memory, takes one file at a
time as a line of JSON and answers with length-prefixed JSON frames: a document, its chunks' spans, …, the end. The
parent limits the wait for each frame and its size, kills a child that breaks a limit and replaces it; a child is
recycled after `files_per_child`. A member of an archive that costs its child is a failure of its own, and the next
child goes on behind it; an attachment that does is passed over by the next child, which reads its mail anew. Nothing
of a child is trusted beyond being JSON of a known shape.
Does not promise: isolation from the network or from files that the service's user may read.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ingest.children import Child, sweep
from ingest.documents import Chunk, Document, Page, Section, Source, Span
from ingest.errors import BrokenDocument, DocumentTooLarge, IngestError, ParserCrashed, ParserTimedOut, all_errors
from ingest.parsers.attached import MOST_LOST, reason_of
from ingest.split import Splitting

LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Limits:
    memory_bytes: int = 2 * 1024**3
    document_s: float = 120.0
    text_chars: int = 50_000_000
    files_per_child: int = 100
    ocr: bool = False


@dataclass(frozen=True, slots=True)
class SplitDocument:
    """A parsed document and its chunks, or the reason why this one of several could not be had.

    `embedded_title`: as much of the title as goes before each chunk when it is embedded.
    """

    document: Document
    chunks: tuple[Chunk, ...] = ()
    embedded_title: str = ""
    error: IngestError | None = None


@dataclass
class ParserPool:
    """Parses and splits files in at most `size` children at once; `close` ends them."""

    limits: Limits = field(default_factory=Limits)
    size: int = 2
    _idle: list[Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.size)
        sweep()

    async def parse(
        self, source: Source, title: str, tokenizer: Path | None, splitting: Splitting
    ) -> AsyncGenerator[SplitDocument, None]:
        """The documents of a file in order: one, or many when it is a bulk load. A `title` overrides the file's own."""
        request = {
            "uri": source.uri,
            "media_type": source.media_type,
            "path": str(source.path),
            "title": title,
            "tokenizer": str(tokenizer) if tokenizer else None,
            "splitting": asdict(splitting),
            "text_chars": self.limits.text_chars,
            "first_member": 0,
            "lost": {},
            "ocr": self.limits.ocr,
        }
        async with self._slots:
            while True:
                async with self._child() as child:
                    is_used = child.files > 1
                    first = await self._ask(child, request, source)
                    if first is None and is_used:
                        continue  # it died at rest, which is not this file's fault
                    try:
                        async with aclosing(self._answers(child, source, first)) as answers:
                            async for answer in answers:
                                yield answer
                        return
                    except (ParserCrashed, ParserTimedOut, DocumentTooLarge) as error:
                        if child.is_at_rest or not (child.member or _can_lose_attachment(child, request)):
                            raise
                        lost = _pass_over(child, request, error)
                if lost:
                    yield lost

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().end()

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[Child]:
        child = self._idle.pop() if self._idle else await Child.start(self.limits.memory_bytes)
        child.begin()
        watching = asyncio.create_task(child.watch())
        try:
            yield child
        finally:
            watching.cancel()
            if child.is_at_rest and child.files < self.limits.files_per_child:
                self._idle.append(child)
            else:
                await child.end()

    async def _ask(self, child: Child, request: dict[str, Any], source: Source) -> dict[str, Any] | None:
        """The first frame of the answer; None when the child is dead."""
        await _send(child.process, request)
        try:
            return await self._frame(child, source)
        except ParserCrashed:
            if child.files > 1:
                return None
            raise

    async def _answers(
        self, child: Child, source: Source, first: dict[str, Any] | None
    ) -> AsyncGenerator[SplitDocument, None]:
        frame = first
        while True:
            frame = frame or await self._frame(child, source)
            child.is_at_rest = frame["kind"] in ("error", "end")
            match frame["kind"]:
                case "member":
                    child.member = frame["source"], frame["index"]
                case "attachment":
                    child.attachment = frame["place"]
                case "document":
                    yield await self._document(frame, child, source)
                case "failure":
                    error = _error_of(frame)
                    yield SplitDocument(Document(title="", text="", source=frame["source"]), error=error)
                case "error":
                    raise _error_of(frame)
                case "end":
                    return
            frame = None

    async def _document(self, frame: dict[str, Any], child: Child, source: Source) -> SplitDocument:
        document, spans = _document_of(frame), list(frame["chunks"])
        while len(spans) < frame["total"]:
            spans += (await self._frame(child, source))["chunks"]
        chunks = tuple(
            Chunk(index, document.text[start:end], Span(start, end), section, page, tokens)
            for index, (start, end, section, page, tokens) in enumerate(spans)
        )
        return SplitDocument(document, chunks, frame["embedded_title"])

    async def _frame(self, child: Child, source: Source) -> dict[str, Any]:
        process = child.process
        assert process.stdout
        try:
            async with asyncio.timeout(self.limits.document_s):
                (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
                if length > 6 * self.limits.text_chars:
                    name = _name_of(child, source)
                    raise DocumentTooLarge(f"{name}: its text is over {self.limits.text_chars:,} characters")
                frame: dict[str, Any] = orjson.loads(await process.stdout.readexactly(length))
                return frame
        except TimeoutError as error:
            raise ParserTimedOut(
                f"{_name_of(child, source)}: parsing took longer than {self.limits.document_s:.0f} s; "
                "split the file or save it anew"
            ) from error
        except asyncio.IncompleteReadError as error:
            raise self._death(child, await child.status(), source) from error

    def _death(self, child: Child, status: int, source: Source) -> IngestError:
        """Libraries in C and Rust die of memory that they can't have, each by another signal."""
        name, cap = _name_of(child, source), self.limits.memory_bytes
        if status < 0 and child.peak_bytes > cap // 2:
            used = f"{child.peak_bytes // 1024**2:,} of {cap // 1024**2:,} MB"
            return DocumentTooLarge(
                f"{name}: parsing it needs more memory than is allowed (the parser died with {used} in use); split it"
            )
        return ParserCrashed(
            f"{name}: the parser's process ended with status {status} on this file; save it in another format"
        )


def _can_lose_attachment(child: Child, request: dict[str, Any]) -> bool:
    return child.attachment is not None and len(_lost_of(child, request)) < MOST_LOST


def _lost_of(child: Child, request: dict[str, Any]) -> dict[str, str]:
    """Of the mail that it reads; what was lost before it is of an earlier member."""
    is_same = child.member is None or child.member[1] == request["first_member"]
    return dict(request["lost"]) if is_same else {}


def _pass_over(child: Child, request: dict[str, Any], error: IngestError) -> SplitDocument | None:
    """Changes the request so that the next child leaves out what cost this one; what was lost if it was a document."""
    name, index = child.member or ("", 0)
    if _can_lose_attachment(child, request):
        lost = _lost_of(child, request) | {str(child.attachment): reason_of(error)}
        request |= {"first_member": index, "lost": lost}
        return None
    request |= {"first_member": index + 1, "lost": {}}
    return SplitDocument(Document(title="", text="", source=name), error=error)


def _name_of(child: Child, source: Source) -> str:
    return child.member[0] if child.member else source.uri


async def _send(process: asyncio.subprocess.Process, request: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(orjson.dumps(request) + b"\n")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a dead child shows when its answer is read
        await process.stdin.drain()


def _error_of(frame: dict[str, Any]) -> IngestError:
    return all_errors().get(frame["code"], BrokenDocument)(frame["message"])


def _document_of(frame: dict[str, Any]) -> Document:
    return Document(
        title=frame["title"],
        text=frame["text"],
        sections=tuple(Section(start, tuple(path)) for start, path in frame["sections"]),
        pages=tuple(Page(start, number) for start, number in frame["pages"]),
        metadata=frame["metadata"],
        source=frame["source"],
        acl=tuple(frame["acl"]),
        media_type=frame["media_type"],
    )
