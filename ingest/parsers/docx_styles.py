"""What the paragraph styles of a Word document mean: headings, list items, generated text."""

import re
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from docx.oxml.ns import qn

Element: TypeAlias = Any  # lxml has no types

_HEADING = re.compile(r"heading (\d)")
_LONGEST_CHAIN = 10  # a style may be based on itself
_NO_LIST = "0"  # takes a paragraph out of its style's list
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Style:
    """An item has the `number` of the list that it is counted in, by which style, and a `depth` in it if it says so."""

    level: int = 0
    is_item: bool = False
    number: str = ""
    numbered_by: str = ""
    depth: int | None = None
    is_generated: bool = False  # a table of contents


class Styles:
    def __init__(self, styles: Element) -> None:
        elements = {style.get(qn("w:styleId")): style for style in styles.iter(qn("w:style"))}
        self._by_id = {style_id: _inherited(style, elements) for style_id, style in elements.items()}

    def of(self, paragraph: Element) -> Style:
        """Its named style, as changed by the paragraph itself."""
        properties = paragraph.find(qn("w:pPr"))
        style = self._by_id.get(find_value(properties, "w:pStyle"), Style())
        if properties is None:
            return style
        number, depth = _numbering(properties)
        return replace(
            style,
            level=_outline_level(properties) or style.level,
            is_item=number != _NO_LIST if number else style.is_item,
            number=number or style.number,
            depth=style.depth if depth is None else depth,
        )


def find_value(element: Element | None, *path: str) -> str:
    """The `w:val` of what stands at the path below the element, empty if nothing does."""
    child = None if element is None else element.find("/".join(map(qn, path)))
    return "" if child is None else child.get(qn("w:val")) or ""


def _inherited(element: Element, elements: dict[str, Element]) -> Style:
    style = Style()
    for _ in range(_LONGEST_CHAIN):
        base = _own(element)
        style = Style(
            style.level or base.level,
            style.is_item or base.is_item,
            style.number or base.number,
            style.numbered_by or base.numbered_by,
            base.depth if style.depth is None else style.depth,
            style.is_generated or base.is_generated,
        )
        element = elements.get(find_value(element, "w:basedOn"))
        if element is None:
            break
    return style


def _own(element: Element) -> Style:
    name, properties = find_value(element, "w:name").lower(), element.find(qn("w:pPr"))
    heading, (number, depth) = _HEADING.match(name), _numbering(properties)
    return Style(
        level=int(heading[1]) if heading else int(name == "title") or _outline_level(properties),
        is_item=name.startswith(("list bullet", "list number")) or number not in ("", _NO_LIST),
        number=number,
        numbered_by=(element.get(qn("w:styleId")) or "") if number else "",
        depth=depth,
        is_generated=name.startswith("toc "),
    )


def _numbering(properties: Element | None) -> tuple[str, int | None]:
    """The number of the list and the level in it, where they are said."""
    number, depth = find_value(properties, "w:numPr", "w:numId"), find_value(properties, "w:numPr", "w:ilvl")
    return number, min(int(depth), _DEEPEST) if depth.isdigit() else None


def _outline_level(properties: Element | None) -> int:
    level = find_value(properties, "w:outlineLvl")
    return int(level) + 1 if level.isdigit() and int(level) < 9 else 0
