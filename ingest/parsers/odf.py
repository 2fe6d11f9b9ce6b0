"""OpenDocument texts, sheets and presentations: the body in its order, then the notes. Deleted text stays out."""

from collections.abc import Iterable, Iterator
from itertools import chain
from zipfile import ZipFile

from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.errors import BrokenDocument, EncryptedDocument
from ingest.parsers.archives import DAMAGED, check_archive
from ingest.parsers.rows import Cell, lines_of, names_columns
from ingest.parsers.sheets import Row, Sheet, blocks_of
from ingest.parsers.trees import Element, attribute, tag_of, tree_of

_UNSEEN = frozenset(
    "tracked-changes annotation annotation-end table-of-content alphabetical-index illustration-index table-index "
    "user-index bibliography forms sequence-decls variable-decls user-field-decls shapes".split()
)
_SIGNS = {"tab": "\t", "line-break": "\n"}
_MOST_SPACES = 100
_MOST_COLUMNS = 20_000
_LONGEST_CELL = 2_000  # a longer one makes the table a layout


def parse(source: Source) -> Parsed:
    check_archive(source)
    try:
        with ZipFile(source.path) as archive:
            content = tree_of(archive.read("content.xml"), name=source.uri)
            title, metadata = _properties(archive, source)
            if b"encryption-data" in _optional(archive, "META-INF/manifest.xml"):
                raise EncryptedDocument(f"'{source.uri}' is locked by a password: save it without one")
            styles = _optional(archive, "styles.xml")
    except KeyError as error:
        raise BrokenDocument(f"'{source.uri}' has no content.xml: save it again and send it anew") from error
    except DAMAGED as error:
        raise BrokenDocument(f"'{source.uri}' is damaged ({error}): save it again and send it anew") from error
    trees = [content, tree_of(styles, name=source.uri)] if styles else [content]
    body = content.find("{*}body")
    if body is None or not len(body):
        raise BrokenDocument(f"'{source.uri}' has no body: save it again and send it anew")
    if tag_of(body[0]) == "spreadsheet":
        blocks = tuple(blocks_of(_sheets(body[0]), name=source.uri))
        return Parsed(title, blocks if any(not block.level for block in blocks) else (), metadata)
    reader = _Reader(_numbered_lists(trees))
    blocks = tuple(chain(reader.blocks(body[0]), reader.notes()))
    pages: dict[str, Json] = {"pages": reader.page} if reader.page else {}
    return Parsed(title or next((block.text for block in blocks if block.level), ""), blocks, metadata | pages)


def _optional(archive: ZipFile, part: str) -> bytes:
    return archive.read(part) if part in archive.NameToInfo else b""


def _properties(archive: ZipFile, source: Source) -> tuple[str, dict[str, Json]]:
    meta = _optional(archive, "meta.xml")
    if not meta:
        return "", {}
    found = tree_of(meta, name=source.uri).find("{*}meta")
    title, creator = (
        ("" if found is None else found.findtext(f"{{*}}{name}", "")).strip() for name in ("title", "initial-creator")
    )
    return title, {"author": creator} if creator else {}


def _numbered_lists(trees: Iterable[Element]) -> frozenset[tuple[str, int]]:
    """The styles and levels of lists whose items have numbers."""
    return frozenset(
        (attribute(style, "name"), _count(attribute(level, "level")))
        for tree in trees
        for style in tree.iter("{*}list-style")
        for level in style.iterfind("{*}list-level-style-number")
        if attribute(level, "num-format")
    )


class _Reader:
    """Recursion is bounded: libxml2 refuses trees deeper than 256."""

    def __init__(self, numbered: frozenset[tuple[str, int]]) -> None:
        self.page: int | None = None
        self._numbered = numbered
        self._notes: list[Element] = []
        self._frames: list[Element] = []

    def blocks(self, parent: Element) -> Iterator[Block]:
        for element in parent:
            tag = tag_of(element)
            if tag == "h":
                level = min(_count(attribute(element, "outline-level")), 6)
                yield from self._paragraph(element, BlockKind.HEADING, level)
            elif tag == "p":
                yield from self._paragraph(element)
            elif tag == "list":
                yield from self._list(element, 1, attribute(element, "style-name"))
            elif tag == "table":
                yield from self._table(element)
            elif tag == "page":
                yield from self._page(element)
            elif tag not in _UNSEEN:
                yield from self.blocks(element)

    def notes(self) -> Iterator[Block]:
        """Of footnotes and endnotes, after the text as in Word documents."""
        for note in self._notes:
            body = note.find("{*}note-body")
            if body is not None:
                yield from self.blocks(body)

    def _page(self, page: Element) -> Iterator[Block]:
        self.page = (self.page or 0) + 1
        shapes = [shape for shape in page if tag_of(shape) != "notes"]
        titles = [shape for shape in shapes if attribute(shape, "class") == "title"]
        title = " ".join(block.text for shape in titles for block in self.blocks(shape))
        yield Block(title or f"Slide {self.page}", BlockKind.HEADING, 1, page=self.page)
        for shape in shapes:
            if attribute(shape, "class") not in ("title", "header", "footer", "date-time", "page-number"):
                yield from self.blocks([shape])
        for notes in page.iterfind("{*}notes"):
            text = "\n".join(block.text for block in self.blocks(notes) if not block.text.isdigit())
            if text:
                yield Block(f"Notes: {text}", page=self.page)

    def _paragraph(
        self, paragraph: Element, kind: BlockKind = BlockKind.PARAGRAPH, level: int = 0, mark: str = ""
    ) -> Iterator[Block]:
        waiting, self._frames = self._frames, []
        text = "".join(self._pieces(paragraph)).strip()
        frames, self._frames = self._frames, waiting
        if text:
            yield Block(mark + (" ".join(text.split()) if level else text), kind, level, page=self.page)
        for frame in frames:
            yield from self.blocks(frame)

    def _pieces(self, element: Element) -> Iterator[str]:
        """The texts in it; notes and text boxes are put aside."""
        yield element.text or ""
        for child in element:
            tag = tag_of(child)
            if tag == "note":
                self._notes.append(child)
            elif tag in ("frame", "custom-shape", "text-box"):
                self._frames.append(child)
            elif tag == "s":
                yield " " * min(_count(attribute(child, "c")), _MOST_SPACES)
            elif tag in _SIGNS:
                yield _SIGNS[tag]
            elif tag not in _UNSEEN and tag != "ruby-text":
                yield from self._pieces(child)
            yield child.tail or ""

    def _list(self, items: Element, depth: int, style: str) -> Iterator[Block]:
        number = 0
        for item in items:
            if tag_of(item) not in ("list-item", "list-header"):
                continue
            number = _count(attribute(item, "start-value")) if attribute(item, "start-value") else number + 1
            mark = f"{number}. " if (style, depth) in self._numbered else "- "
            indent = "  " * (min(depth, 9) - 1)
            for part in item:
                tag = tag_of(part)
                if tag == "list":
                    yield from self._list(part, depth + 1, attribute(part, "style-name") or style)
                elif tag == "h":  # a numbered heading
                    yield from self._paragraph(
                        part, BlockKind.HEADING, min(_count(attribute(part, "outline-level")), 6)
                    )
                elif tag == "p":
                    yield from self._paragraph(part, BlockKind.LIST, mark=indent + mark)
                    mark = " " * len(mark)
                else:
                    yield from self.blocks([part])

    def _table(self, table: Element) -> Iterator[Block]:
        rows = list(_table_rows(table))
        grid = [[(cell, tuple(self.blocks(cell))) for cell in row if tag_of(cell) == "table-cell"] for _, row in rows]
        boxes = [blocks for row in grid for _, blocks in row]
        if len(boxes) == 1 or any(map(_is_layout, boxes)):
            yield from chain.from_iterable(boxes)
            return
        cells = [[_cell(cell, blocks) for cell, blocks in row] for row in grid]
        if cells and len(cells) > 1 and len(cells[0]) > 1 and names_columns([cell.text for cell in cells[0]]):
            rows[0] = (True, rows[0][1])
        marked = (
            [Cell(cell.text, is_header, cell.columns, cell.rows) for cell in line]
            for (is_header, _), line in zip(rows, cells, strict=True)
        )
        for line in lines_of(marked):
            yield Block(line, BlockKind.TABLE, page=self.page)


def _is_layout(blocks: tuple[Block, ...]) -> bool:
    return any(block.level for block in blocks) or sum(len(block.text) for block in blocks) > _LONGEST_CELL


def _cell(cell: Element, blocks: tuple[Block, ...]) -> Cell:
    text = " ".join(block.text.strip().removeprefix("- ") for block in blocks)
    columns, rows = attribute(cell, "number-columns-spanned"), attribute(cell, "number-rows-spanned")
    return Cell(text, columns=_count(columns), rows=_count(rows))


def _table_rows(table: Element, *, is_header: bool = False) -> Iterator[tuple[bool, Element]]:
    """The rows with whether they repeat on each page, in whatever groups."""
    for part in table:
        tag = tag_of(part)
        if tag == "table-row":
            yield is_header, part
        elif tag in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _table_rows(part, is_header=is_header or tag == "table-header-rows")


def _sheets(body: Element) -> Iterator[Sheet]:
    for table in body.iterfind("{*}table"):
        yield Sheet(attribute(table, "name"), _sheet_rows(table))


def _sheet_rows(table: Element) -> Iterator[Row]:
    reader = _Reader(frozenset())
    number = 1
    for _, row in _table_rows(table):
        cells: dict[int, str] = {}
        column = 1
        for cell in row:
            repeated = _count(attribute(cell, "number-columns-repeated"))
            text = "\n".join(block.text for block in reader.blocks(cell)) if tag_of(cell) == "table-cell" else ""
            if text:
                cells |= dict.fromkeys(range(column, column + min(repeated, _MOST_COLUMNS - len(cells))), text)
            column += repeated
        if cells:
            yield Row(number, cells)  # the same row again, however often, says nothing new
        number += _count(attribute(row, "number-rows-repeated"))


def _count(value: str) -> int:
    return max(1, int(value)) if value.isascii() and value.isdigit() and len(value) < 10 else 1
