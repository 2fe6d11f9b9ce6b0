"""Parsing in a child process, so that no file can hurt the service.

Purpose: a file may hang a parser, exhaust memory or crash a C library; only its own child suffers.
Mechanism: a pool of warm children (`python -m ingest.sandbox_child`), each with a cap on memory, takes one file at a
time as a line of JSON and answers with length-prefixed JSON frames: a document, its chunks' spans, …, the end. The
parent limits the wait for each frame and its size, kills a child that breaks a limit and replaces it; a child is
recycled after `files_per_child`. Nothing of a child is trusted beyond being JSON of a known shape.
Does not promise: isolation from the network or from files that the service's user may read.
"""

import asyncio
import contextlib
import os
import struct
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ingest.documents import Chunk, Document, Page, Section, Source, Span
from ingest.errors import BrokenDocument, DocumentTooLarge, IngestError, ParserCrashed, ParserTimedOut, all_errors
from ingest.split import Splitting

LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Limits:
    memory_bytes: int = 2 * 1024**3
    document_s: float = 120.0
    text_chars: int = 50_000_000
    files_per_child: int = 100


@dataclass(frozen=True, slots=True)
class SplitDocument:
    """A parsed document and its chunks, or the reason why this one of several could not be had.

    `embedded_title`: as much of the title as goes before each chunk when it is embedded.
    """

    document: Document
    chunks: tuple[Chunk, ...] = ()
    embedded_title: str = ""
    error: IngestError | None = None


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    files: int = 0
    is_at_rest: bool = True


@dataclass
class ParserPool:
    """Parses and splits files in at most `size` children at once; `close` ends them."""

    limits: Limits = field(default_factory=Limits)
    size: int = 2
    _idle: list[_Child] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._slots = asyncio.Semaphore(self.size)

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
        }
        async with self._slots:
            while True:
                async with self._child() as child:
                    is_used = child.files > 1
                    first = await self._ask(child, request, source)
                    if first is None and is_used:
                        continue  # it died at rest, which is not this file's fault
                    async with aclosing(self._answers(child, source, first)) as answers:
                        async for answer in answers:
                            yield answer
                return

    async def close(self) -> None:
        while self._idle:
            await _end(self._idle.pop())

    @asynccontextmanager
    async def _child(self) -> AsyncIterator[_Child]:
        child = self._idle.pop() if self._idle else await self._start()
        child.files += 1
        child.is_at_rest = False
        try:
            yield child
        finally:
            if child.is_at_rest and child.files < self.limits.files_per_child:
                self._idle.append(child)
            else:
                await _end(child)

    async def _start(self) -> _Child:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ingest.sandbox_child",
            str(self.limits.memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_without_secrets()
            | {"TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        return _Child(process)

    async def _ask(self, child: _Child, request: dict[str, Any], source: Source) -> dict[str, Any] | None:
        """The first frame of the answer; None when the child is dead."""
        await _send(child.process, request)
        try:
            return await self._frame(child.process, source)
        except ParserCrashed:
            if child.files > 1:
                return None
            raise

    async def _answers(
        self, child: _Child, source: Source, first: dict[str, Any] | None
    ) -> AsyncGenerator[SplitDocument, None]:
        frame = first
        while True:
            frame = frame or await self._frame(child.process, source)
            child.is_at_rest = frame["kind"] in ("error", "end")
            match frame["kind"]:
                case "document":
                    yield await self._document(frame, child.process, source)
                case "failure":
                    error = _error_of(frame)
                    yield SplitDocument(Document(title="", text="", source=frame["source"]), error=error)
                case "error":
                    raise _error_of(frame)
                case "end":
                    return
            frame = None

    async def _document(
        self, frame: dict[str, Any], process: asyncio.subprocess.Process, source: Source
    ) -> SplitDocument:
        document, spans = _document_of(frame), list(frame["chunks"])
        while len(spans) < frame["total"]:
            spans += (await self._frame(process, source))["chunks"]
        chunks = tuple(
            Chunk(index, document.text[start:end], Span(start, end), section, page, tokens)
            for index, (start, end, section, page, tokens) in enumerate(spans)
        )
        return SplitDocument(document, chunks, frame["embedded_title"])

    async def _frame(self, process: asyncio.subprocess.Process, source: Source) -> dict[str, Any]:
        assert process.stdout
        try:
            async with asyncio.timeout(self.limits.document_s):
                (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
                if length > 6 * self.limits.text_chars:
                    raise DocumentTooLarge(f"{source.uri}: its text is over {self.limits.text_chars:,} characters")
                frame: dict[str, Any] = orjson.loads(await process.stdout.readexactly(length))
                return frame
        except TimeoutError as error:
            raise ParserTimedOut(
                f"{source.uri}: parsing took longer than {self.limits.document_s:.0f} s; split the file or save it anew"
            ) from error
        except asyncio.IncompleteReadError as error:
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it has closed its output; it may still be running
            status = await process.wait()
            raise ParserCrashed(
                f"{source.uri}: the parser's process ended with status {status} on this file; save it in another format"
            ) from error


def _without_secrets() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}


async def _send(process: asyncio.subprocess.Process, request: dict[str, Any]) -> None:
    assert process.stdin
    process.stdin.write(orjson.dumps(request) + b"\n")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a dead child shows when its answer is read
        await process.stdin.drain()


async def _end(child: _Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        child.process.kill()
    await child.process.communicate()


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
    )
