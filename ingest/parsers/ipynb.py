"""Jupyter notebooks: Markdown cells with their headings, code cells, and what they printed as text."""

import re
from collections.abc import Iterator
from dataclasses import replace

import orjson

from ingest.clean import storable
from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument, DocumentTooLarge
from ingest.parsers.decoding import with_line_feeds
from ingest.parsers.markdown import blocks_of

_MOST_BYTES = 128 * 1024**2  # most of which are pictures
_LONGEST_OUTPUT = 20_000
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def parse(source: Source) -> Parsed:
    if source.path.stat().st_size > _MOST_BYTES:
        raise DocumentTooLarge(f"'{source.uri}' is over {_MOST_BYTES // 1024**2} MB: clear its outputs")
    try:
        notebook: Json = orjson.loads(source.path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BrokenDocument(f"'{source.uri}' is not a notebook ({error}): save it again") from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(notebook, dict) or not isinstance(cells, list):
        raise BrokenDocument(
            f"'{source.uri}' has no cells of a notebook in version 4 or later: save it anew in Jupyter"
        )
    blocks = tuple(block for cell in cells if isinstance(cell, dict) for block in _cell(cell))
    title = next((block.heading for block in blocks if block.level == 1), "")
    return Parsed(title, blocks, verbatim=True)


def _cell(cell: dict[str, Json]) -> Iterator[Block]:
    """Blocks that end with an empty line, as they are joined by nothing."""
    text = _joined(cell.get("source")).strip("\n")
    if not text.strip():
        return
    if cell.get("cell_type") == "markdown":
        *blocks, last = blocks_of(text)
        yield from blocks
        yield replace(last, text=last.text + "\n\n")
        return
    yield Block(text + "\n\n", BlockKind.CODE)
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else ():
        if isinstance(output, dict) and (shown := _output(output).strip("\n")).strip():
            yield Block(shown[:_LONGEST_OUTPUT] + "\n\n", BlockKind.CODE)


def _output(output: dict[str, Json]) -> str:
    data = output.get("data")
    if isinstance(data, dict):
        return _joined(data.get("text/markdown") or data.get("text/plain"))
    if output.get("output_type") == "error":
        return f"{_joined(output.get('ename'))}: {_joined(output.get('evalue'))}"
    return _joined(output.get("text"))


def _joined(lines: Json) -> str:
    """A text or its lines."""
    text = "".join(map(str, lines)) if isinstance(lines, list) else lines if isinstance(lines, str) else ""
    return with_line_feeds(_ESCAPES.sub("", storable(text)))
