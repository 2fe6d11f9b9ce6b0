"""Lines that stand in columns on a page become the rows of a table. Pure.

Purpose: a cell is worth something with the name of its column, and the header row of a table is no heading.
Mechanism: lines are cut where a gap is wider than between words. From a line with such gaps on, lines are taken as long
as all parts fall into the same columns, which nothing may bridge; a line close below a row goes on with its cells. What
was taken is a table when it has three rows, when each column is aligned on one side or in the middle, and when it is
neither a list with its marks set apart nor prose set in columns. In doubt it is none, and stays as it was.
The first row names the columns if it is set bold, or has words where the rows below have numbers.
Does not promise: tables with cells that span columns, and rows that go on on the next page under the same header.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from ingest.parsers.paragraphs import Line, Part
from ingest.parsers.rows import Cell, is_year, names_columns

_FEWEST_ROWS = 3
_MOST_COLUMNS = 30
_SAME_ROW = 0.4  # these are in sizes of the letters
_SEPARATION = 0.3
_ASTRAY = 0.4
_FARTHEST = 3.2
_LARGER = 1.3
_WIDER = 1.8  # than the widest gap between rows before
_CLOSER = 0.85  # than the usual gap between rows
_MOST_ALONE = 0.3  # of the rows
_MOSTLY = 0.7
_PROSE_WORDS = 4
_PROSE_SHARE = 0.3
_QUANTITY = re.compile(r"[^\w\s]{0,3}\s?\d[\d.,'’ ]*[^\w\s]?\s?\w{0,3}[^\w\s]?")
_MARK = re.compile(r"[\W_]*(?:\d{1,3}(?:\.\d{1,3})*|[a-zA-Z]|[ivxIVX]{1,5})?[\W_]*")


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(slots=True)
class _Row:
    y: float
    parts: list[Part]
    is_bold: bool


@dataclass(slots=True)
class _Grid:
    """Rows downwards, and the columns that their parts fall into: from where to where each reaches."""

    size: float
    rows: list[_Row] = field(default_factory=list)
    columns: list[tuple[float, float]] = field(default_factory=list)
    widest: float = 0.0

    def take(self, line: Line) -> bool:
        """Whether the line fits; if so, it is in the grid now."""
        parts = list(line.parts) or [Part(line.text, line.x, line.right)]
        if max(line.size, self.size) > _LARGER * min(line.size, self.size):
            return False
        row = next((row for row in self.rows if abs(row.y - line.y) < _SAME_ROW * self.size), None)
        gap = self.rows[-1].y - line.y if self.rows else 0.0
        if row is None and self.rows and not 0 < gap <= self._farthest():
            return False
        if row is None and len(parts) == 1 and self.rows and not self._is_in_one(parts[0]):
            return False
        columns = self._columns_with(parts)
        beside = [*row.parts, *parts] if row else parts
        if not _are_apart(beside, columns) or (len(columns) < len(self.columns) and not self._fit(columns)):
            return False
        self.columns = columns
        if row:
            row.parts, row.is_bold = beside, row.is_bold and line.is_bold
        else:
            self.widest = max(self.widest, gap)
            self.rows.append(_Row(line.y, parts, line.is_bold))
        return True

    def _farthest(self) -> float:
        most = _FARTHEST * self.size
        return min(most, _WIDER * self.widest) if len(self.rows) >= _FEWEST_ROWS else most

    def _fit(self, columns: Sequence[tuple[float, float]]) -> bool:
        return all(_are_apart(row.parts, columns) for row in self.rows)

    def _columns_with(self, parts: Sequence[Part]) -> list[tuple[float, float]]:
        found: list[tuple[float, float]] = []
        for left, right in sorted([*self.columns, *((part.x, part.right) for part in parts)]):
            if found and left < found[-1][1] + _SEPARATION * self.size:
                found[-1] = found[-1][0], max(found[-1][1], right)
            else:
                found.append((left, right))
        return found

    def _is_in_one(self, part: Part) -> bool:
        return sum(part.x < right and left < part.right for left, right in self.columns) == 1


def tables_in(page: Sequence[Line]) -> Iterator[list[Line] | Table]:
    """The page in its order: tables, and the lines between them."""
    between: list[Line] = []
    at = 0
    while at < len(page):
        back = _beside(between, page[at]) if page[at].parts else 0
        table, count = _table(page[at - back :]) if page[at].parts else (None, 1)
        if table:
            del between[len(between) - back :]
            if between:
                yield between
            yield table
            between, at = [], at - back + count
        else:
            between.append(page[at])
            at += 1
    if between:
        yield between


def _beside(before: Sequence[Line], line: Line) -> int:
    """How many lines before belong to its row: those of cells of several lines, which end below it."""
    count = 0
    for near in reversed(before):
        if near.y > line.y + _SAME_ROW * line.size or near.right > line.x:
            break
        count += 1
    return count


def _table(page: Sequence[Line]) -> tuple[Table | None, int]:
    """The table that the page begins with, if it does, and of how many lines."""
    grid = _Grid(page[0].size)
    counts: list[int] = []  # of lines up to each row
    for count, line in enumerate(page, start=1):
        if not grid.take(line):
            break
        counts[len(grid.rows) - 1 :] = [count]
    rows = _whole_rows(grid)
    while rows and len(rows[-1][0].parts) < 2:
        rows.pop()
    cells = [[_cell_text(row, column) for column in grid.columns] for row, _ in rows]
    if not rows or not _is_table([row for row, _ in rows], cells, grid):
        return None, 1
    is_named = _is_header([row.is_bold for row, _ in rows], cells)
    table = Table(
        tuple(tuple(Cell(text, is_named and at == 0) for text in row) for at, row in enumerate(cells)),
    )
    return table, counts[rows[-1][1]]


def _whole_rows(grid: _Grid) -> list[tuple[_Row, int]]:
    """Rows with the lines that go on with their cells, and the number of the last one of these."""
    begun = [
        above.y - row.y for above, row in pairwise(grid.rows) if len(row.parts) > 1 and _has_first(row, grid.columns)
    ]
    usual = median(begun) if begun else 0.0
    found: list[tuple[_Row, int]] = []
    for at, row in enumerate(grid.rows):
        if found and _goes_on(row, grid.rows[at - 1], grid, usual):
            above = found[-1][0]
            found[-1] = _Row(above.y, above.parts + row.parts, above.is_bold and row.is_bold), at
        else:
            found.append((row, at))
    return found


def _goes_on(row: _Row, above: _Row, grid: _Grid, usual: float) -> bool:
    if len(row.parts) == len(grid.columns):
        return False
    is_close = above.y - row.y < _CLOSER * usual
    return is_close or (not _has_first(row, grid.columns) and all(part.text[0].islower() for part in row.parts))


def _has_first(row: _Row, columns: Sequence[tuple[float, float]]) -> bool:
    return any(part.x < columns[0][1] for part in row.parts)


def _cell_text(row: _Row, column: tuple[float, float]) -> str:
    left, right = column
    return " ".join(part.text for part in row.parts if part.x < right and left < part.right)


def _is_table(rows: Sequence[_Row], cells: Sequence[Sequence[str]], grid: _Grid) -> bool:
    alone = sum(sum(map(bool, row)) < 2 for row in cells)
    if len(rows) - alone < _FEWEST_ROWS or alone > _MOST_ALONE * len(rows):
        return False
    columns = list(zip(*cells, strict=True))
    if not 2 <= len(columns) <= _MOST_COLUMNS or any(sum(map(bool, column)) < 2 for column in columns):
        return False
    is_list = len(columns) == 2 and all(_MARK.fullmatch(text) for text in columns[0])
    is_prose = sum(map(_is_prose, columns)) > 1
    return not is_list and not is_prose and all(_is_aligned(rows, column, grid.size) for column in grid.columns)


def _is_prose(column: Sequence[str]) -> bool:
    """Lines that go on in the next one."""
    texts = [text for text in column if text]
    words = median(len(text.split()) for text in texts)
    return words >= _PROSE_WORDS and sum(text[0].islower() for text in texts) >= _PROSE_SHARE * len(texts)


def _is_aligned(rows: Sequence[_Row], column: tuple[float, float], size: float) -> bool:
    left, right = column
    parts = [part for row in rows for part in row.parts if part.x < right and left < part.right]
    sides = (
        [part.x for part in parts],
        [part.right for part in parts],
        [(part.x + part.right) / 2 for part in parts],
    )
    return any(_agree(side, _ASTRAY * size) for side in sides)


def _agree(places: Sequence[float], tolerance: float) -> bool:
    usual = median(places)
    return sum(abs(place - usual) <= tolerance for place in places) >= _MOSTLY * len(places)


def _are_apart(parts: Sequence[Part], columns: Sequence[tuple[float, float]]) -> bool:
    """Each in a column of its own."""
    taken = [at for part in parts for at, (left, right) in enumerate(columns) if part.x < right and left < part.right]
    return len(taken) == len(parts) == len(set(taken))


def _is_header(is_bold: Sequence[bool], cells: Sequence[Sequence[str]]) -> bool:
    """What looks like one without being set apart would name columns with what stands in them."""
    first, *body = cells
    if not all(first[1:]) or not names_columns(first):
        return False
    if is_bold[0] and not all(is_bold[1:]):
        return True
    has_numbers = any(any(map(str.isdigit, name)) and not is_year(name) for name in first)
    return not has_numbers and any(_counts(column) for column in zip(*body, strict=True))


def _counts(column: Sequence[str]) -> bool:
    texts = [text for text in column if text]
    return len(texts) > 1 and all(map(_QUANTITY.fullmatch, texts))
