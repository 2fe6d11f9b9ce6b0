"""What Word prints before the items of numbered lists: counted along the document, as its numbering part defines it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from docx.oxml.ns import qn

from ingest.parsers.docx_styles import Element, find_value

DEEPEST = 8
_LONGEST_CHAIN = 10  # a definition may refer to itself
_MOST_LETTERS = 26 * 10
_MOST_ROMAN = 3_999
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"),
    (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Level:
    """`text` has `%1` where the number of the first level stands. `restarts_below`: it counts anew below these."""

    format: str
    text: str
    start: int
    restarts_below: int
    is_legal: bool = False
    style: str = ""
    gap: str = " "


@dataclass(frozen=True, slots=True)
class _List:
    """Lists of one `definition` count on from each other, but for the levels that this one has begin anew."""

    definition: str
    levels: Mapping[int, Level]
    begins_anew: frozenset[int] = frozenset()


class Numbers:
    """One document's counters. `numbering` and `styles` are the roots of its parts."""

    def __init__(self, numbering: Element | None, styles: Element) -> None:
        parts = [] if numbering is None else list(numbering)
        self._definitions = {part.get(qn("w:abstractNumId")): part for part in parts if part.tag == qn("w:abstractNum")}
        self._numbers = {part.get(qn("w:numId")): part for part in parts if part.tag == qn("w:num")}
        self._styles = {style.get(qn("w:styleId")): style for style in styles.iter(qn("w:style"))}
        self._lists: dict[str, _List] = {}
        self._counted: dict[str, dict[int, int]] = {}
        self._begun: set[tuple[str, int]] = set()

    def level_of(self, number: str, style: str) -> int:
        """The level of a list that a style stands for."""
        levels = self._list(number).levels
        return next((depth for depth, level in levels.items() if style and level.style == style), 0)

    def mark(self, number: str, depth: int) -> str:
        """What stands before the next item, with the space after it: `2.b) `; `- ` for a bullet."""
        found = self._list(number)
        level = found.levels.get(depth)
        if level is None or level.format == "bullet":
            return "- "
        counted = self._count(number, found, depth)
        text = level.text
        for at in range(depth + 1):
            of = found.levels.get(at, level)
            value = counted.get(at, of.start)
            text = text.replace(f"%{at + 1}", _printed(value, "decimal" if level.is_legal else of.format))
        text = " ".join(text.split())
        return f"{text}{level.gap}" if text else ""

    def _count(self, number: str, found: _List, depth: int) -> Mapping[int, int]:
        counted = self._counted.setdefault(found.definition, {})
        if depth in found.begins_anew and (number, depth) not in self._begun:
            counted.pop(depth, None)
        self._begun.add((number, depth))
        for deeper in [at for at in counted if at > depth]:
            if depth < found.levels[deeper].restarts_below:
                del counted[deeper]
        counted[depth] = counted.get(depth, found.levels[depth].start - 1) + 1
        return counted

    def _list(self, number: str) -> _List:
        if number not in self._lists:
            self._lists[number] = self._read(number)
        return self._lists[number]

    def _read(self, number: str) -> _List:
        element = self._numbers.get(number)
        key = find_value(element, "w:abstractNumId")
        for _ in range(_LONGEST_CHAIN):
            linked = self._styles.get(find_value(self._definitions.get(key), "w:numStyleLink"))
            if linked is None:
                break
            key = find_value(self._numbers.get(find_value(linked, "w:pPr", "w:numPr", "w:numId")), "w:abstractNumId")
        levels = _levels(self._definitions.get(key))
        anew = set()
        for override in () if element is None else element.iterfind(qn("w:lvlOverride")):
            depth, start = _number(override.get(qn("w:ilvl")), 0), find_value(override, "w:startOverride")
            levels |= _levels(override)
            if start and depth in levels:
                anew.add(depth)
                levels[depth] = replace(levels[depth], start=_number(start, 1))
        return _List(key, levels, frozenset(anew))


def _levels(parent: Element | None) -> dict[int, Level]:
    found = {}
    for level in () if parent is None else parent.iterfind(qn("w:lvl")):
        depth = _number(level.get(qn("w:ilvl")), 0)
        if depth <= DEEPEST:
            found[depth] = Level(
                find_value(level, "w:numFmt") or "decimal",
                find_value(level, "w:lvlText"),
                _number(find_value(level, "w:start"), 0),
                _number(find_value(level, "w:lvlRestart"), depth),
                level.find(qn("w:isLgl")) is not None,
                find_value(level, "w:pStyle"),
                "" if find_value(level, "w:suff") == "nothing" else " ",
            )
    return found


def _number(value: str | None, otherwise: int) -> int:
    return int(value) if value and value.isdecimal() and len(value) < 10 else otherwise


def _printed(value: int, format: str) -> str:
    """Digits for what is in none of these scripts: the count is right at least."""
    match format:
        case "lowerLetter" | "upperLetter" if 0 < value <= _MOST_LETTERS:
            found = chr(ord("a") + (value - 1) % 26) * ((value - 1) // 26 + 1)
        case "lowerRoman" | "upperRoman" if 0 < value <= _MOST_ROMAN:
            found = _roman(value)
        case "decimalZero":
            found = f"{value:02}"
        case "ordinal":
            found = f"{value}{_ending(value)}"
        case "none":
            found = ""
        case _:
            found = str(value)
    return found.upper() if format.startswith("upper") else found


def _roman(value: int) -> str:
    found = ""
    for worth, letters in _ROMAN:
        count, value = divmod(value, worth)
        found += letters * count
    return found


def _ending(value: int) -> str:
    return "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
