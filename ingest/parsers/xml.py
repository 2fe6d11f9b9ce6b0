"""XML of any kind: records become a line each, prose paragraphs, what holds more than one level sections.

A record is an element whose children have no children. Where an element mixes text with elements, all of its text is
one paragraph. Names are the elements' own; attributes stand before the children.
"""

from collections.abc import Iterator

from ingest.documents import Block, BlockKind, Parsed, Source
from ingest.errors import DocumentTooLarge
from ingest.parsers.html import read_page
from ingest.parsers.trees import Element, tag_of, tree_of

_MOST_BYTES = 64 * 1024**2  # a tree of XML takes ten times its bytes
_DEEPEST_SECTION = 6
_LONGEST_CELL = 300
_TITLES = frozenset({"title", "name", "heading", "head"})
_TECHNICAL = ("xmlns", "{http://www.w3.org/2001/XMLSchema-instance}", "{http://www.w3.org/XML/1998/namespace}")
_XHTML = "{http://www.w3.org/1999/xhtml}html"


def parse(source: Source) -> Parsed:
    if source.path.stat().st_size > _MOST_BYTES:
        raise DocumentTooLarge(f"'{source.uri}' is over {_MOST_BYTES // 1024**2} MB of XML: split it")
    raw = source.path.read_bytes()
    root = tree_of(raw, name=source.uri)
    if root.tag == _XHTML:
        return read_page(raw, name=source.uri)
    title = next((_text(child) for child in root if tag_of(child).lower() in _TITLES and not len(child)), "")
    return Parsed(title, tuple(_blocks(root, 1)))


def _blocks(element: Element, level: int) -> Iterator[Block]:
    """Recursion is bounded: libxml2 refuses trees deeper than 256."""
    if _is_mixed(element):
        yield Block(_text(element))
        return
    cells = _cells(element)
    if cells:
        yield Block("; ".join(cells), BlockKind.TABLE)
    for child in element:
        if not tag_of(child) or _is_cell(child):
            continue
        if not len(child) or _is_mixed(child):
            if text := _text(child):
                yield Block(text)
        elif _is_record(child):
            yield from _record(child)
        else:
            title = next((_text(inner) for inner in child if tag_of(inner).lower() in _TITLES and _text(inner)), "")
            yield Block(title[:_LONGEST_CELL] or tag_of(child), BlockKind.HEADING, min(level, _DEEPEST_SECTION))
            yield from _blocks(child, level + 1)


def _record(element: Element) -> Iterator[Block]:
    yield Block("; ".join(_cells(element)), BlockKind.TABLE)
    for child in element:
        if tag_of(child) and not _is_cell(child) and (text := _text(child)):
            yield Block(text)


def _cells(element: Element) -> list[str]:
    """Attributes and short children as `name: text`."""
    attributes = [
        (name.rpartition("}")[2], " ".join(value.split()))
        for name, value in element.attrib.items()
        if not name.startswith(_TECHNICAL)
    ]
    own = [(tag_of(element), _text(element))] if not len(element) else []
    children = [
        (name, text)
        for child in element
        if _is_cell(child)
        for name, text in [*_attributes(child), (tag_of(child), _text(child))]
    ]
    return [f"{name}: {text}" for name, text in [*attributes, *own, *children] if text]


def _attributes(element: Element) -> list[tuple[str, str]]:
    tag = tag_of(element)
    return [
        (f"{tag} {name.rpartition('}')[2]}", " ".join(value.split()))
        for name, value in element.attrib.items()
        if not name.startswith(_TECHNICAL)
    ]


def _is_cell(element: Element) -> bool:
    return bool(tag_of(element)) and not len(element) and len(_text(element)) <= _LONGEST_CELL


def _is_record(element: Element) -> bool:
    return all(not len(child) for child in element)


def _is_mixed(element: Element) -> bool:
    """Text beside elements: prose with words set apart in it."""
    return bool(len(element)) and (
        bool((element.text or "").strip()) or any((child.tail or "").strip() for child in element)
    )


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())
