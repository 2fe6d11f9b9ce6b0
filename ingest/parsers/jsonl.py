"""JSONL: one document a line, `{"text": …}` with `id`, `title`, `url`, `metadata` and `acl` if wanted."""

import json
from collections.abc import Iterator
from typing import BinaryIO

import orjson

from ingest.clean import storable
from ingest.documents import Block, Json, Parsed, Source, json_problem
from ingest.errors import BrokenDocument, DocumentTooLarge, EmptyDocument, IngestError
from ingest.parsers import Failure
from ingest.parsers.decoding import with_line_feeds

_LONGEST_LINE = 64 * 1024**2
_BOM = b"\xef\xbb\xbf"


def parse(source: Source) -> Iterator[Parsed | Failure]:
    """A document or a failure for each line, in order; needs no more memory than the longest line."""
    is_empty = True
    with source.path.open("rb") as file:
        for number, line in enumerate(_lines(file), start=1):
            place = f"{source.uri}#{number}"
            if line is None:
                is_empty = False
                limit = f"{_LONGEST_LINE // 1024**2} MB"
                yield Failure(place, DocumentTooLarge(f"'{place}' is longer than {limit}: split its text"))
            elif line := line.removeprefix(_BOM if number == 1 else b"").strip():
                is_empty = False
                yield _read(line, place)
    if is_empty:
        raise EmptyDocument(f"'{source.uri}' has no lines in it: send a file that has some")


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """None for a line over the limit."""
    while line := file.readline(_LONGEST_LINE + 1):
        is_whole = len(line) <= _LONGEST_LINE
        yield line if is_whole else None
        while not is_whole and line and not line.endswith(b"\n"):
            line = file.readline(_LONGEST_LINE)


def _read(line: bytes, place: str) -> Parsed | Failure:
    try:
        return _parsed(_record(line, place), place)
    except IngestError as error:
        return Failure(place, error)
    except RecursionError as error:
        broken = BrokenDocument(f"'{place}' is nested too deeply: make it flatter")
        broken.__cause__ = error
        return Failure(place, broken)


def _record(line: bytes, place: str) -> dict[str, Json]:
    try:
        record = _loads(line)
        orjson.dumps(record)  # what can be read need not be writable: it may be nested too deeply
    except (ValueError, TypeError) as error:
        raise BrokenDocument(f"'{place}' is not JSON in UTF-8 ({error}): repair the line") from error
    if not isinstance(record, dict):
        raise BrokenDocument(f"'{place}' is not a JSON object: write {{\"text\": …}}")
    if problem := json_problem(record):
        raise BrokenDocument(f"'{place}' can't be kept: {problem}")
    return record


def _loads(line: bytes) -> Json:
    try:
        value: Json = orjson.loads(line)
    except orjson.JSONDecodeError:
        if b"\\ud" not in line.lower():
            raise
        # Half a surrogate pair, as texts have it that were cut by length; orjson refuses it.
        value = orjson.loads(storable(json.dumps(json.loads(line), ensure_ascii=False)))
    return _storable(value) if b"\\u0000" in line else value


def _storable(value: Json) -> Json:
    match value:
        case str():
            return storable(value)
        case list():
            return [_storable(item) for item in value]
        case dict():
            return {storable(key): _storable(item) for key, item in value.items()}
    return value


def _parsed(record: dict[str, Json], place: str) -> Parsed:
    text = record.get("text")
    if not isinstance(text, str):
        raise BrokenDocument(f"'{place}' has no string \"text\": give it one")
    if not text.strip():
        raise EmptyDocument(f"'{place}' has an empty \"text\": give it words or leave the line out")
    metadata, url = record.get("metadata") or {}, _string(record, "url", place)
    if not isinstance(metadata, dict):
        raise BrokenDocument(f"'{place}' has \"metadata\" that are not an object: write {{…}}")
    source = _string(record, "id", place) or url or place
    return Parsed(
        title=_string(record, "title", place) or source,
        blocks=(Block(with_line_feeds(text)),),
        metadata=metadata | {"url": url} if url else metadata,
        verbatim=True,
        source=source,
        acl=_acl(record, place),
    )


def _string(record: dict[str, Json], key: str, place: str) -> str:
    value = record.get(key)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BrokenDocument(f"'{place}' has \"{key}\" that is no string: make it one")
    return str(value)


def _acl(record: dict[str, Json], place: str) -> tuple[str, ...]:
    """Refused rather than guessed: a misread list would show the text to the wrong people."""
    acl = record.get("acl")
    if acl is None:
        return ()
    if not isinstance(acl, list) or not all(isinstance(name, str) and name for name in acl):
        raise BrokenDocument(f'\'{place}\' has "acl" that is not a list of names: write ["…"]')
    return tuple(name for name in acl if isinstance(name, str))
