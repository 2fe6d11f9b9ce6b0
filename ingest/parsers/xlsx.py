"""Excel workbooks, read as a stream of the cells that are there: what they show, not how it was computed."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from lxml import etree  # type: ignore[import-untyped]

from ingest.documents import Parsed, Source
from ingest.errors import BrokenDocument
from ingest.parsers.ooxml import Package, open_package
from ingest.parsers.sheets import Row, Sheet, blocks_of
from ingest.parsers.trees import SAFE, Element, attribute, tag_of

_DATES = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_PERCENTS = frozenset({9, 10})
_LITERALS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_REFERENCE = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_RANGE = re.compile(r"([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})")
_MOST_MERGED = 10_000
_LONGEST_CARRIED = 200
_LAST_DAY = 2_958_466  # of the year 9999


def parse(source: Source) -> Parsed:
    with open_package(source) as package:
        workbook = _Workbook(package)
        blocks = tuple(blocks_of(workbook.sheets(), name=source.uri))
        title, metadata = package.properties()
    return Parsed(title, blocks if any(not block.level for block in blocks) else (), metadata)


class _Workbook:
    def __init__(self, package: Package) -> None:
        self._package = package
        self._main = package.main()
        book = package.tree(self._main)
        properties = book.find("{*}workbookPr")
        is_1904 = properties is not None and properties.get("date1904") in ("1", "true")
        self._epoch = datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)
        self._entries = [
            (sheet.get("name", ""), attribute(sheet, "id")) for sheet in book.iterfind("{*}sheets/{*}sheet")
        ]
        self._strings = list(self._shared_strings())
        self._dates, self._percents = self._formats()

    def sheets(self) -> Iterator[Sheet]:
        related = self._package.related(self._main)
        for name, key in self._entries:
            relation = related.get(key)
            if relation and relation.kind == "worksheet" and self._package.has(relation.target):
                yield Sheet(name, self._rows(relation.target))

    def _elements(self, part: str, tag: str) -> Iterator[Element]:
        """As they stand in the part, each forgotten after its turn."""
        with self._package.archive.open(part) as file:
            try:
                for _, element in etree.iterparse(file, tag=f"{{*}}{tag}", remove_comments=True, **SAFE):
                    yield element
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
            except etree.LxmlError as error:
                raise BrokenDocument(f"'{self._package.name}' is no whole workbook ({error}): save it again") from error

    def _shared_strings(self) -> Iterator[str]:
        for part in self._package.of_kind(self._main, "sharedStrings"):
            if self._package.has(part):
                yield from map(_text, self._elements(part, "si"))

    def _formats(self) -> tuple[frozenset[int], frozenset[int]]:
        """The cell styles that show a date or a percentage."""
        styles = [part for part in self._package.of_kind(self._main, "styles") if self._package.has(part)]
        if not styles:
            return frozenset(), frozenset()
        sheet = self._package.tree(styles[0])
        codes = {
            _number(found.get("numFmtId")): _LITERALS.sub("", found.get("formatCode", "")).lower()
            for found in sheet.iterfind("{*}numFmts/{*}numFmt")
        }
        used = [_number(style.get("numFmtId")) for style in sheet.iterfind("{*}cellXfs/{*}xf")]
        dates = {key for key, code in codes.items() if re.search("[dmyhs]", code) and "general" not in code}
        percents = {key for key, code in codes.items() if "%" in code}
        return (
            frozenset(at for at, key in enumerate(used) if key in _DATES | dates),
            frozenset(at for at, key in enumerate(used) if key in _PERCENTS | percents),
        )

    def _rows(self, part: str) -> Iterator[Row]:
        merged = self._merged(part)
        above: dict[int, str] = {}
        number = 0
        for element in self._elements(part, "row"):
            number = _number(element.get("r")) or number + 1
            found = self._cells(element)
            carried = {column: above.get(column, "") for column in merged.get(number, ())}
            above |= {column: text if len(text) <= _LONGEST_CARRIED else "" for column, text in found.items()}
            above |= carried
            cells = {column: text for column, text in sorted((found | carried).items()) if text.strip()}
            if any(column not in carried for column in cells):
                yield Row(number, cells)

    def _cells(self, row: Element) -> dict[int, str]:
        cells: dict[int, str] = {}
        column = 0
        for cell in row:
            if tag_of(cell) == "c":
                place = _REFERENCE.match(cell.get("r", ""))
                column = _column(place[1]) if place else column + 1
                cells[column] = self._shown(cell)
        return cells

    def _merged(self, part: str) -> Mapping[int, list[int]]:
        """By row the columns that say again what stands above: left edges of merged ranges, below their tops."""
        found: dict[int, list[int]] = {}
        room = _MOST_MERGED
        for element in self._elements(part, "mergeCell"):
            if place := _RANGE.fullmatch(element.get("ref", "")):
                rows = range(int(place[2]) + 1, int(place[4]) + 1)[:room]
                room -= len(rows)
                for row in rows:
                    found.setdefault(row, []).append(_column(place[1]))
        return found

    def _shown(self, cell: Element) -> str:
        kind, value = cell.get("t", "n"), str(cell.findtext("{*}v", ""))
        match kind:
            case "s":
                at = _number(value)
                return self._strings[at] if at < len(self._strings) else ""
            case "inlineStr":
                return "".join(map(_text, cell.iterfind("{*}is")))
            case "b":
                return "TRUE" if value == "1" else "FALSE"
            case "e":
                return ""
            case "n":
                return self._number_shown(value, _number(cell.get("s")))
        return value

    def _number_shown(self, value: str, style: int) -> str:
        try:
            number = float(value)
        except ValueError:
            return value
        if style in self._dates and 0 <= number < _LAST_DAY:
            moment = self._epoch + timedelta(seconds=round(number * 86_400))
            time = f"{moment:%H:%M:%S}".removesuffix(":00")
            return time if number < 1 else f"{moment:%Y-%m-%d}" + (f" {time}" if number % 1 else "")
        if style in self._percents:
            return f"{number * 100:.10g}%"
        return f"{number:.0f}" if number.is_integer() and abs(number) < 1e21 else f"{number:.15g}"


def _text(element: Element) -> str:
    """Of a plain or rich string, without the sounds over Japanese words."""
    return "".join(piece.text or "" for piece in element.iter("{*}t") if tag_of(piece.getparent()) != "rPh")


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else 0
