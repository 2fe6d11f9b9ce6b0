"""JSON: objects become lines `name: value`, lists of records a row each, what is deeper sections by its name."""

from collections.abc import Iterator, Mapping, Sequence

import orjson

from ingest.documents import MAX_JSON_DEPTH, Block, BlockKind, Json, Parsed, Source, json_problem
from ingest.errors import BrokenDocument, DocumentTooLarge
from ingest.parsers.decoding import decode

_MOST_BYTES = 64 * 1024**2  # what is read takes ten times its bytes
_LONGEST_INLINE = 300
_DEEPEST_SECTION = 6
_TITLES = ("title", "name")


def parse(source: Source) -> Parsed:
    if source.path.stat().st_size > _MOST_BYTES:
        limit = f"{_MOST_BYTES // 1024**2} MB"
        raise DocumentTooLarge(f"'{source.uri}' is over {limit} of JSON: split it, or send a .jsonl with a line a text")
    text = decode(source.path.read_bytes(), name=source.uri)
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BrokenDocument(f"'{source.uri}' is not JSON ({error}): repair it and send it again") from error
    if problem := json_problem(value):
        raise BrokenDocument(f"'{source.uri}' can't be kept: {problem}, and {MAX_JSON_DEPTH} levels are the limit")
    named = (value.get(name) for name in _TITLES) if isinstance(value, dict) else iter(())
    title = next((name for name in named if isinstance(name, str)), "")
    return Parsed(title, tuple(_blocks("", value, 1)))


def _blocks(name: str, value: Json, level: int) -> Iterator[Block]:
    match value:
        case dict():
            yield from _members(value, level)
        case list():
            yield from _items(name, value, level)
        case _ if _is_long(value):
            yield Block(f"{name}:" if name else "")
            yield Block(_shown(value))
        case _:
            yield Block(_line(name, value), BlockKind.TABLE)


def _members(value: Mapping[str, Json], level: int) -> Iterator[Block]:
    """What is short comes first, or it would stand under the heading of what is not."""
    flat = {name: item for name, item in value.items() if _is_flat(item)}
    for name, item in flat.items():
        yield from _blocks(name, ", ".join(map(_shown, item)) if isinstance(item, list) else item, level)
    for name, item in value.items():
        if name not in flat and item:
            yield Block(name, BlockKind.HEADING, min(level, _DEEPEST_SECTION))
            yield from _blocks(name, item, level + 1)


def _items(name: str, items: Sequence[Json], level: int) -> Iterator[Block]:
    for item in items:
        if isinstance(item, dict):
            row = _flattened("", item)
            line = "; ".join(_line(key, value) for key, value in row.items() if _shown(value))
            if line:
                yield Block(line, BlockKind.TABLE)
            for key, value in _deep("", item):
                yield from _blocks(key, value, level + 1)
        elif isinstance(item, list):
            if all(map(_is_scalar, item)):
                yield Block(" | ".join(filter(None, map(_shown, item))), BlockKind.TABLE)
            else:
                yield from _items(name, item, level)
        elif shown := _shown(item):
            yield Block(shown) if _is_long(item) else Block(f"- {shown}", BlockKind.LIST)


def _flattened(prefix: str, record: Mapping[str, Json]) -> dict[str, Json]:
    """The scalars of a record and of the records in it, by dotted names."""
    found: dict[str, Json] = {}
    for name, value in record.items():
        if isinstance(value, dict):
            found |= _flattened(f"{prefix}{name}.", value)
        elif isinstance(value, list) and all(map(_is_scalar, value)):
            found[prefix + name] = ", ".join(filter(None, map(_shown, value)))
        elif not isinstance(value, list):
            found[prefix + name] = value
    return found


def _deep(prefix: str, record: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    """The lists of more than scalars in a record, which have no place in its row."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _deep(f"{prefix}{name}.", value)
        elif isinstance(value, list) and not all(map(_is_scalar, value)):
            yield prefix + name, value


def _is_scalar(value: Json) -> bool:
    return not isinstance(value, dict | list)


def _is_flat(value: Json) -> bool:
    return _is_scalar(value) or (
        isinstance(value, list) and all(_is_scalar(item) and not _is_long(item) for item in value)
    )


def _is_long(value: Json) -> bool:
    return isinstance(value, str) and (len(value) > _LONGEST_INLINE or "\n" in value.strip())


def _line(name: str, value: Json) -> str:
    shown = " ".join(_shown(value).split())
    return f"{name}: {shown}" if name and shown else shown


def _shown(value: Json) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
    return str(value)
