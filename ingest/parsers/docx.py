"""Word documents: the body in its order, then the notes. Deleted, hidden and generated text stays out."""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from zipfile import BadZipFile

import docx
from docx.document import Document as WordDocument
from docx.opc.exceptions import PackageNotFoundError
from docx.oxml import parse_xml
from docx.oxml.ns import qn
from lxml.etree import LxmlError  # type: ignore[import-untyped]

from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument
from ingest.parsers.archives import check_archive
from ingest.parsers.docx_numbers import Numbers
from ingest.parsers.docx_styles import Element, Style, Styles, find_value
from ingest.parsers.rows import Cell, lines_of, names_columns

_TEXTS = frozenset({qn("w:t"), qn("m:t")})
_SIGNS = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"  # its sibling for old readers
_UNSEEN = frozenset({qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr"), _FALLBACK})
_LONGEST_CELL = 2_000  # a longer one makes the table a layout
_LONGEST_CARRIED = 200
# What python-docx lets through when parts are missing or are not what they should be.
_PROVOKED = (
    PackageNotFoundError,
    BadZipFile,
    zlib.error,
    LxmlError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    NotImplementedError,
    OSError,
    EOFError,
)


def parse(source: Source) -> Parsed:
    check_archive(source)
    try:
        document = docx.Document(str(source.path))
        if document.element.getroottree().docinfo.internalDTD is not None:
            raise BrokenDocument(f"'{source.uri}' declares entities, which Word never does: save it again in Word")
        styles = document.styles.element
        reader = _Reader(Styles(styles), Numbers(_numbering(document), styles))
        blocks = tuple(chain(reader.blocks(document.element.body), reader.blocks(_notes(document))))
        title, metadata = _properties(document)
    except _PROVOKED as error:
        raise BrokenDocument(f"'{source.uri}' is no whole Word document ({error}): save it again") from error
    heading = next((block.heading or block.text for block in blocks if block.level == 1), "")
    return Parsed(title or heading, blocks, metadata)


def _notes(document: WordDocument) -> Iterator[Element]:
    """What footnotes and endnotes hold; those with a type are only their separators."""
    for relationship in document.part.rels.values():
        if relationship.reltype.endswith(("/footnotes", "/endnotes")) and not relationship.is_external:
            for note in parse_xml(relationship.target_part.blob):
                if note.get(qn("w:type")) is None:
                    yield from note


def _numbering(document: WordDocument) -> Element | None:
    for relationship in document.part.rels.values():
        if relationship.reltype.endswith("/numbering") and not relationship.is_external:
            return parse_xml(relationship.target_part.blob)
    return None


def _properties(document: WordDocument) -> tuple[str, dict[str, Json]]:
    author = document.core_properties.author.strip()
    return document.core_properties.title.strip(), {"author": author} if author else {}


@dataclass(frozen=True, slots=True)
class _Box:
    """A cell of a table with what is in it."""

    element: Element
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        return " ".join(block.text.strip().removeprefix("- ") for block in self.blocks)

    @property
    def is_layout(self) -> bool:
        return (
            any(block.level for block in self.blocks) or sum(len(block.text) for block in self.blocks) > _LONGEST_CELL
        )

    def cell(self, column: int, above: dict[int, str]) -> Cell:
        """`above`: the texts of the cells over this row by column; a merged cell says again what it began with."""
        merge, span = (
            self.element.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}"),
            find_value(self.element, "w:tcPr", "w:gridSpan"),
        )
        text = self.text
        if merge is not None and merge.get(qn("w:val")) != "restart":
            text = above.get(column, "")[:_LONGEST_CARRIED]
        above[column] = text
        return Cell(text, columns=int(span) if span.isdigit() else 1)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Recursion is bounded: libxml2 refuses trees deeper than 256."""

    styles: Styles
    numbers: Numbers

    def blocks(self, elements: Iterable[Element]) -> Iterator[Block]:
        for element in elements:
            if element.tag == qn("w:p"):
                yield from self._paragraph(element)
            elif element.tag == qn("w:tbl"):
                yield from self._table(element)
            elif element.tag not in _UNSEEN:
                yield from self.blocks(element)

    def _paragraph(self, paragraph: Element) -> Iterator[Block]:
        boxes: list[Element] = []
        text = "".join(_pieces(paragraph, boxes)).strip()
        style = self.styles.of(paragraph)
        mark = self._mark(style) if style.is_item and (text or not _is_unseen(paragraph)) else ""
        if text and not style.is_generated:
            yield _block(text, style, mark)
        for box in boxes:
            yield from self.blocks(box)

    def _mark(self, style: Style) -> str:
        """An item counts whether it has words or not."""
        depth = self.numbers.level_of(style.number, style.numbered_by) if style.depth is None else style.depth
        mark = self.numbers.mark(style.number, depth)
        return mark if style.level else f"{'  ' * depth}{mark}"

    def _table(self, table: Element) -> Iterator[Block]:
        rows = list(_within(table, "w:tr"))
        grid = [[_Box(cell, tuple(self.blocks(cell))) for cell in _within(row, "w:tc")] for row in rows]
        boxes = [box for row in grid for box in row]
        if len(boxes) == 1 or any(box.is_layout for box in boxes):
            yield from chain.from_iterable(box.blocks for box in boxes)
            return
        for line in lines_of(_with_header(rows, _cells(grid))):
            yield Block(line, BlockKind.TABLE)


def _block(text: str, style: Style, mark: str) -> Block:
    if style.level:
        name, mark = " ".join(text.split()), mark.removeprefix("- ")
        return Block(mark + name, BlockKind.HEADING, style.level, heading=name if mark else "")
    return Block(mark + text, BlockKind.LIST) if style.is_item else Block(text)


def _is_unseen(paragraph: Element) -> bool:
    """Its end is deleted or hidden, so that it is none of its own."""
    end = paragraph.find(f"{qn('w:pPr')}/{qn('w:rPr')}")
    return end is not None and any(end.find(qn(name)) is not None for name in ("w:del", "w:vanish"))


def _pieces(element: Element, boxes: list[Element]) -> Iterator[str]:
    """The texts in it; text boxes, which float, are put aside."""
    for child in element:
        if child.tag in _TEXTS:
            yield child.text or ""
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag == qn("w:txbxContent"):
            boxes.append(child)
        elif child.tag not in _UNSEEN and child.find(f"{qn('w:rPr')}/{qn('w:vanish')}") is None:
            yield from _pieces(child, boxes)


def _within(element: Element, name: str) -> Iterator[Element]:
    """The rows of a table or the cells of a row, in whatever wrappers, but not those of tables inside."""
    for child in element:
        if child.tag == qn(name):
            yield child
        elif child.tag not in _UNSEEN and child.tag != qn("w:tbl"):
            yield from _within(child, name)


def _cells(grid: Sequence[Sequence[_Box]]) -> Iterator[list[Cell]]:
    above: dict[int, str] = {}
    for row in grid:
        cells: list[Cell] = []
        column = 0
        for box in row:
            cells.append(box.cell(column, above))
            column += cells[-1].columns
        yield cells


def _with_header(rows: Sequence[Element], cells: Iterable[Sequence[Cell]]) -> Iterator[Sequence[Cell]]:
    """Rows that repeat on each page are headers, and so is a first row of names."""
    for number, (row, line) in enumerate(zip(rows, cells, strict=True)):
        is_first = number == 0 and len(rows) > 1 and len(line) > 1
        repeats = row.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
        is_header = repeats or (is_first and names_columns([cell.text for cell in line]))
        yield [replace(cell, is_header=True) for cell in line] if is_header else line
