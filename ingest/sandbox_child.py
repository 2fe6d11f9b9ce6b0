"""The child's side of `ingest.sandbox`: one file at a time, from a line of JSON to frames of JSON."""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from ingest.clean import clean
from ingest.documents import Document, Source
from ingest.errors import DocumentTooLarge, IngestError
from ingest.parsers import Failure, Opened, parse
from ingest.parsers.attached import Attachments
from ingest.parsers.ocr import Tesseract
from ingest.sandbox import LENGTH
from ingest.split import Splitting, split_titled
from ingest.tokens import Tokenizer, load_tokenizer

FRAME_CHUNKS = 2_000
PR_SET_PDEATHSIG = 1
_REASONS = (IngestError, OSError, MemoryError, RecursionError)


def _frames(
    request: dict[str, Any], tokenizers: dict[str | None, Tokenizer], tell: Callable[[dict[str, Any]], None]
) -> Iterator[dict[str, Any]]:
    name = request["tokenizer"]
    if name not in tokenizers:
        tokenizers[name] = load_tokenizer(Path(name) if name else None)
    source = Source(request["uri"], request["media_type"], Path(request["path"]))
    splitting = Splitting(**request["splitting"])
    recognise = Tesseract(lambda: tell({"kind": "alive"})) if request["ocr"] else None
    lost = {int(place): reason for place, reason in request["lost"].items()}
    attachments = Attachments(lost, lambda place: tell({"kind": "attachment", "place": place}))
    first = request["first_member"]
    for parsed in parse(source, first_member=first, recognise=recognise, attachments=attachments):
        if isinstance(parsed, Opened):
            yield {"kind": "member", "source": parsed.source, "index": parsed.index}
            continue
        if isinstance(parsed, Failure):
            yield {"kind": "failure", "source": parsed.source, "code": parsed.error.code, "message": str(parsed.error)}
            continue
        try:
            document = clean(parsed)
            if request["title"] and parsed.source is None:
                document = replace(document, title=request["title"])
            yield from _document_frames(document, request["text_chars"], tokenizers[name], splitting)
        except _REASONS as error:
            if parsed.source is None:
                raise
            yield {"kind": "failure", "source": parsed.source, **_reason(error, parsed.source)}
    yield {"kind": "end"}


def _document_frames(
    document: Document, text_chars: int, tokenizer: Tokenizer, splitting: Splitting
) -> Iterator[dict[str, Any]]:
    if len(document.text) > text_chars:
        raise DocumentTooLarge(f"{document.title}: its text is over {text_chars:,} characters; split the file")
    title, chunks = split_titled(document, tokenizer, splitting)
    spans = [[chunk.span.start, chunk.span.end, chunk.section, chunk.page, chunk.tokens] for chunk in chunks]
    yield {
        "kind": "document",
        "title": document.title,
        "embedded_title": title,
        "text": document.text,
        "sections": [[section.start, section.path] for section in document.sections],
        "pages": [[page.start, page.number] for page in document.pages],
        "metadata": dict(document.metadata),
        "source": document.source,
        "acl": document.acl,
        "media_type": document.media_type,
        "total": len(spans),
        "chunks": spans[:FRAME_CHUNKS],
    }
    for at in range(FRAME_CHUNKS, len(spans), FRAME_CHUNKS):
        yield {"kind": "chunks", "chunks": spans[at : at + FRAME_CHUNKS]}


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    tokenizers: dict[str | None, Tokenizer] = {}
    for line in requests:
        request = orjson.loads(line)
        try:
            for frame in _frames(request, tokenizers, partial(_write, answers)):
                _write(answers, frame)
        except _REASONS as error:
            _write(answers, {"kind": "error", **_reason(error, request["uri"])})


def _reason(error: Exception, name: str) -> dict[str, str]:
    match error:
        case IngestError():
            return {"code": error.code, "message": str(error)}
        case OSError():
            message = f"{name}: its bytes can't be read ({error.strerror}); upload it again"
            return {"code": "broken_document", "message": message}
        case MemoryError():
            message = f"{name}: parsing needs more memory than is allowed; split the file"
            return {"code": "document_too_large", "message": message}
    return {"code": "broken_document", "message": f"{name}: it is nested too deeply to be read"}


def _write(answers: BinaryIO, frame: dict[str, Any]) -> None:
    body = orjson.dumps(frame)
    answers.write(LENGTH.pack(len(body)) + body)
    answers.flush()


def _die_with_parent() -> None:
    """Also in the middle of a file that never ends; elsewhere than on Linux, the end of standard input does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    _die_with_parent()
    memory_bytes = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is not an answer
    _serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
