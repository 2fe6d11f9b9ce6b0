"""Table rows become lines that can stand alone: `Header: cell; Header: cell`."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

_LONGEST_NAME = 100  # a longer header is prose, and would come again in each row
_LONGEST_CARRIED = 200
_MOST_SPANNED = 1_000
_YEAR = re.compile(r"((?:19|20)\d\d)(?:[-–/]((?:19|20)?\d\d))?")


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    is_header: bool = False
    columns: int = 1
    rows: int = 1


def lines_of(table: Iterable[Sequence[Cell]]) -> list[str]:
    """A line for each row under the header rows; those are rows of header cells at the top."""
    lines: list[str] = []
    header: list[str] = []
    in_body = False
    for row in _filled(table):
        texts = [cell.text for cell in row]
        in_body = in_body or not all(cell.is_header for cell in row)
        if not in_body and len(set(filter(None, texts))) > 1:
            header = [_merged(*names) for names in zip_longest(header, texts, fillvalue="")]
        else:
            lines.append(_line_of_cells(row, header_of(header)))
    if header and not in_body:
        lines.append(line_of(header))
    return [line for line in lines if line]


def line_of(cells: Sequence[str], header: Sequence[str] = ()) -> str:
    """One line; empty cells are left out, and so are the names of cells beyond the header."""
    cells = [" ".join(cell.split()) for cell in cells]
    if not any(header):
        return " | ".join(cell for cell in cells if cell).replace(": | ", ": ")
    names = [*header, *[""] * (len(cells) - len(header))]
    named = (
        f"{name}: {cell}" if name and name != cell else cell for name, cell in zip(names, cells, strict=False) if cell
    )
    return "; ".join(named)


def header_of(row: Sequence[str]) -> list[str]:
    """The row as names for the cells below."""
    return [" ".join(name.split())[:_LONGEST_NAME] for name in row]


def names_columns(row: Sequence[str]) -> bool:
    """Different words, none of them a number unless a year; only the first, over an index, may be missing."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return (
        all(cells[1:])
        and len(set(cells)) == len(cells)
        and all(len(cell) <= _LONGEST_NAME and not _is_number(cell) for cell in cells)
        and any(map(str.isalpha, "".join(cells)))
    )


def is_year(cell: str) -> bool:
    """Also one of accounts, such as 2024–25."""
    found = _YEAR.fullmatch(cell)
    return found is not None and (found[2] is None or (int(found[2]) - int(found[1])) % 100 == 1)


def _is_number(cell: str) -> bool:
    if is_year(cell):
        return False
    return any(map(str.isdigit, cell)) and not any(map(str.isalpha, cell))


def _filled(table: Iterable[Sequence[Cell]]) -> Iterator[list[Cell]]:
    """Rows with a cell for each column: one that spans rows stands in each of them."""
    carried: dict[int, tuple[Cell, int]] = {}
    for row in table:
        filled: list[Cell] = []
        for cell in row:
            _carry(filled, carried)
            # A header names all of its columns, a value is told once.
            rest = cell if cell.is_header else Cell("")
            for part in (cell, *[rest] * (min(cell.columns, _MOST_SPANNED - len(filled)) - 1)):
                if cell.rows > 1:
                    carried[len(filled)] = (part, cell.rows - 1)
                filled.append(part)
        _carry(filled, carried)
        if filled:
            yield filled


def _carry(filled: list[Cell], carried: dict[int, tuple[Cell, int]]) -> None:
    while span := carried.pop(len(filled), None):
        cell, rows = span
        if rows > 1:
            carried[len(filled)] = (cell, rows - 1)
        filled.append(cell if len(cell.text) <= _LONGEST_CARRIED else Cell("", cell.is_header))


def _merged(upper: str, lower: str) -> str:
    return upper if upper == lower else f"{upper} {lower}".strip()


def _line_of_cells(row: Sequence[Cell], header: Sequence[str]) -> str:
    texts = [cell.text for cell in row]
    if row[0].columns > 1 and {texts[0]} == set(filter(None, texts)):
        return line_of(texts[:1])
    if row[0].is_header and not header and any(texts[1:]):
        return f"{line_of(texts[:1])}: {line_of(texts[1:])}"
    return line_of(texts, header)
