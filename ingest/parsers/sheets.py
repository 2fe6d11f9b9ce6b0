"""Sheets of cells become sections of rows, each told by the header of its table. Pure.

A sheet may hold several tables and lines of text between them. A row with one cell only is such a line. The first row
of several cells is a header if it names columns; after an empty row, so is one that names other columns or follows a
line. Only cells that hold something are ever looked at, so a cell in the far corner costs nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ingest.documents import Block, BlockKind
from ingest.errors import DocumentTooLarge
from ingest.parsers.rows import header_of, line_of, names_columns

_MOST_CHARACTERS = 100_000_000  # a header comes again in each row, so a small file can make a large text


@dataclass(frozen=True, slots=True)
class Row:
    """The cells that are not blank, by column, in a row that is counted from 1."""

    number: int
    cells: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    rows: Iterable[Row]


def blocks_of(sheets: Iterable[Sheet], *, name: str) -> Iterator[Block]:
    """Raises DocumentTooLarge when the rows and their headers make too long a text."""
    size = 0
    for sheet in sheets:
        yield Block(sheet.name, BlockKind.HEADING, 1)
        for block in _sheet_blocks(sheet.rows):
            size += len(block.text)
            if size > _MOST_CHARACTERS:
                raise DocumentTooLarge(f"'{name}' makes over {_MOST_CHARACTERS:,} characters of rows: split the file")
            yield block


def _sheet_blocks(rows: Iterable[Row]) -> Iterator[Block]:
    header: dict[int, str] = {}
    waiting = True  # for the first row of a table
    last: int | None = None
    pending: Row | None = None  # a header, until it is known to have rows below it
    for row in rows:
        after_gap = last is not None and row.number > last + 1
        last = row.number
        if len(row.cells) == 1 and (waiting or after_gap or not header):
            yield from _lone(pending)
            pending, header, waiting = None, {}, True
            yield Block(*_line_of_text(row))
            continue
        if (waiting or (after_gap and row.cells.keys() != header.keys())) and _is_header(row):
            yield from _lone(pending)
            pending, waiting = row, False
            header = dict(zip(row.cells, header_of(list(row.cells.values())), strict=True))
            continue
        waiting, pending = False, None
        yield Block(_told(row, header), BlockKind.TABLE)
    yield from _lone(pending)


def _is_header(row: Row) -> bool:
    return len(row.cells) > 1 and names_columns(list(row.cells.values()))


def _lone(header: Row | None) -> Iterator[Block]:
    """A row of names with nothing below it is a row like others."""
    if header is not None:
        yield Block(_told(header, {}), BlockKind.TABLE)


def _line_of_text(row: Row) -> tuple[str, BlockKind]:
    [text] = row.cells.values()
    return text, BlockKind.PARAGRAPH


def _told(row: Row, header: Mapping[int, str]) -> str:
    return line_of(list(row.cells.values()), [header.get(column, "") for column in row.cells] if header else [])
