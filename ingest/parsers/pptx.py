"""PowerPoint decks: slides are pages, their titles headings; tables, diagrams and the speaker's notes go with them."""

from collections.abc import Iterable, Iterator

from ingest.documents import Block, BlockKind, Parsed, Source
from ingest.parsers.ooxml import Package, open_package
from ingest.parsers.rows import Cell, lines_of, names_columns
from ingest.parsers.trees import Element, attribute, tag_of

_TITLES = frozenset({"title", "ctrTitle"})
_FRAME = frozenset({"dt", "ftr", "sldNum", "hdr", "sldImg"})
_LISTS = frozenset({"body", "obj", ""})
_WRAPPERS = frozenset({"grpSp", "AlternateContent", "Choice"})  # of a choice's two, the newer
_BREAKS = {"br": "\n", "tab": "\t"}


def parse(source: Source) -> Parsed:
    with open_package(source) as package:
        main = package.main()
        slides = package.related(main)
        order = [attribute(slide, "id") for slide in package.tree(main).iterfind("{*}sldIdLst/{*}sldId")]
        parts = [slides[key].target for key in order if key in slides]
        blocks = [block for number, part in enumerate(parts, start=1) for block in _slide(package, part, number)]
        title, metadata = package.properties()
    heading = next((block.text for block in blocks if block.level and not block.text.startswith("Slide ")), "")
    # Programs name new decks for themselves; the first slide knows better.
    is_named = title and title.lower() not in ("powerpoint presentation", "presentation")
    return Parsed(title if is_named else heading, tuple(blocks), {**metadata, "pages": len(parts)})


def _slide(package: Package, part: str, number: int) -> Iterator[Block]:
    if not package.has(part):
        return
    reader = _Reader(package, part, number)
    blocks = list(reader.shapes(package.tree(part).iterfind("{*}cSld/{*}spTree/*")))
    for notes in package.of_kind(part, "notesSlide"):
        if package.has(notes):
            blocks += _notes(package, notes, number)
    if blocks and not any(block.level for block in blocks):
        # Without a title of its own, a slide would stand under the one before it.
        yield Block(f"Slide {number}", BlockKind.HEADING, 1, page=number)
    yield from sorted(blocks, key=lambda block: not block.level)


def _notes(package: Package, part: str, number: int) -> Iterator[Block]:
    shapes = package.tree(part).iterfind("{*}cSld/{*}spTree/{*}sp")
    lines = [
        text for shape in shapes if _placeholder(shape) == "body" for _, text in _paragraphs(shape) if text.strip()
    ]
    if lines:
        yield Block("Notes: " + "\n".join(lines), page=number)


class _Reader:
    def __init__(self, package: Package, part: str, number: int) -> None:
        self._package = package
        self._related = package.related(part)
        self._number = number

    def shapes(self, shapes: Iterable[Element]) -> Iterator[Block]:
        for shape in shapes:
            tag = tag_of(shape)
            if tag in _WRAPPERS:
                yield from self.shapes(shape)
            elif tag in ("sp", "cxnSp"):
                yield from self._shape(shape)
            elif tag == "graphicFrame":
                yield from self._frame(shape)

    def _shape(self, shape: Element) -> Iterator[Block]:
        kind = _placeholder(shape)
        if kind in _FRAME:
            return
        paragraphs = [(element, text) for element, text in _paragraphs(shape) if text.strip()]
        if kind in _TITLES:
            text = " ".join(" ".join(text.split()) for _, text in paragraphs)
            if text:
                yield Block(text, BlockKind.HEADING, 1, page=self._number)
            return
        for element, text in paragraphs:
            yield self._paragraph(element, text, is_list=kind in _LISTS and len(paragraphs) > 1)

    def _paragraph(self, element: Element, text: str, *, is_list: bool) -> Block:
        properties = element.find("{*}pPr")
        marks = {tag_of(child) for child in properties} if properties is not None else set()
        level = properties.get("lvl", "0") if properties is not None else "0"
        if "buNone" in marks or not (is_list or marks & {"buChar", "buAutoNum", "buBlip"}):
            return Block(text.strip(), page=self._number)
        indent = "  " * (min(int(level), 8) if level.isdigit() else 0)
        return Block(f"{indent}- {' '.join(text.split())}", BlockKind.LIST, page=self._number)

    def _frame(self, frame: Element) -> Iterator[Block]:
        for table in frame.iterfind("{*}graphic/{*}graphicData/{*}tbl"):
            for line in lines_of(_rows(table)):
                yield Block(line, BlockKind.TABLE, page=self._number)
        for diagram in frame.iterfind("{*}graphic/{*}graphicData/{*}relIds"):
            data = self._related.get(attribute(diagram, "dm"))
            if data and self._package.has(data.target):
                for point in self._package.tree(data.target).iterfind("{*}ptLst/{*}pt"):
                    text = " ".join(" ".join(text.split()) for _, text in _paragraphs(point))
                    if text.strip():
                        yield Block(f"- {text.strip()}", BlockKind.LIST, page=self._number)


def _placeholder(shape: Element) -> str | None:
    """What kind of placeholder a shape is, empty for the usual one, None for a shape of its own."""
    found = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return None if found is None else found.get("type", "")


def _paragraphs(shape: Element) -> Iterator[tuple[Element, str]]:
    for body in shape:
        if tag_of(body) in ("txBody", "t"):
            for paragraph in body.iterfind("{*}p"):
                yield paragraph, "".join(_pieces(paragraph))


def _pieces(paragraph: Element) -> Iterator[str]:
    for piece in paragraph.iter():
        tag = tag_of(piece)
        yield (piece.text or "").replace("\v", "\n") if tag == "t" else _BREAKS.get(tag, "")


def _rows(table: Element) -> Iterator[list[Cell]]:
    properties = table.find("{*}tblPr")
    rows = [list(_cells(row)) for row in table.iterfind("{*}tr")]
    has_header = properties is not None and properties.get("firstRow") in ("1", "true")
    for number, row in enumerate(rows):
        is_header = number == 0 and len(rows) > 1 and (has_header or names_columns([cell.text for cell in row]))
        yield [Cell(cell.text, is_header, cell.columns, cell.rows) for cell in row]


def _cells(row: Element) -> Iterator[Cell]:
    for cell in row.iterfind("{*}tc"):
        if cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true"):
            continue
        text = " ".join(text for _, text in _paragraphs(cell))
        yield Cell(text, columns=_count(cell.get("gridSpan")), rows=_count(cell.get("rowSpan")))


def _count(value: str | None) -> int:
    return max(1, int(value)) if value and value.isdigit() and len(value) < 6 else 1
