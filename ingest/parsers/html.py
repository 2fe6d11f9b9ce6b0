"""HTML: what a reader of the page would call its text.

One walk over the tree in document order, without recursion, for trees may be 50,000 deep. Words gather until a block
begins or ends. The cells of a table are blocks at first; where it ends and was no mere layout, its rows replace them.
Which blocks lie in <main>, <article> or a form is noted on the way; at the end decides how much of the page each is.
"""

import re
from dataclasses import dataclass, field
from itertools import accumulate

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.documents import Block, BlockKind, Json, Parsed, Source
from ingest.parsers.decoding import decode
from ingest.parsers.nesting import check_depth
from ingest.parsers.rows import Cell, lines_of

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_NOISE = frozenset(
    "script style template noscript nav aside button select option input textarea svg iframe object canvas audio video "
    "map datalist dialog progress meter".split()
)
_NOISE_ROLES = frozenset("navigation search menu menubar toolbar".split())
_NOISE_CLASSES = frozenset("headerlink mw-editsection mw-jump-link".split())
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|\b(?:font-size|opacity)\s*:\s*[0.]+\s*(?:px|pt|r?em|%)?\s*(?:[;!]|$)",
    re.I,
)
_BLOCKS = frozenset(
    "address article blockquote body caption center dd details dir div dl dt fieldset figcaption figure footer form h1 "
    "h2 h3 h4 h5 h6 header hgroup hr html legend li main menu ol p pre section summary table tbody td tfoot th thead "
    "tr ul".split()
)
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_PARTS = frozenset({"main", "article", "form"})
_LONGEST_CELL = 2_000  # a longer one makes the table a layout
_SPACE = re.compile(r"[ \t\r\n\f]+")


@dataclass(slots=True)
class _Table:
    body_start: int
    rows: list[list[Cell]] = field(default_factory=list)
    cell_start: int = 0
    is_layout: bool = False

    def open(self, tag: str, at: int) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            if not any(self.rows):
                self.body_start = at  # what came before is the caption
            self.cell_start = at

    def add_cell(self, blocks: list[Block], attributes: dict[str, str | None], *, is_header: bool) -> None:
        text = " ".join(block.text.strip().removeprefix("- ") for block in blocks[self.cell_start :])
        self.is_layout = self.is_layout or len(text) > _LONGEST_CELL
        columns, rows = _number(attributes.get("colspan"), 1), _number(attributes.get("rowspan"), 1)
        self.rows[-1].append(Cell(text, is_header, columns, rows))

    def close(self, blocks: list[Block]) -> None:
        if not self.is_layout:
            blocks[self.body_start :] = [Block(line, BlockKind.TABLE) for line in lines_of(self.rows)]


def parse(source: Source) -> Parsed:
    return read_page(source.path.read_bytes(), name=source.uri)


def read_page(raw: bytes, *, name: str, declared: str = "") -> Parsed:
    """`declared` is the encoding by which the page came, if it is not to tell that itself."""
    found = _CHARSET.search(raw[:4096])
    html = decode(raw, name=name, declared=declared or (found[1].decode("ascii") if found else ""))
    check_depth(html, name=name)
    tree = LexborHTMLParser(html)
    reader = _Reader()
    if tree.body is not None:
        reader.read(tree.body)
    blocks = reader.main_blocks()
    title = _text(tree.css_first("head title")) or next((block.text for block in blocks if block.level == 1), "")
    return Parsed(title, tuple(blocks), _metadata(tree))


def _metadata(tree: LexborHTMLParser) -> dict[str, Json]:
    root, description = tree.css_first("html"), tree.css_first("meta[name=description i]")
    found = {
        "lang": root.attributes.get("lang") if root else None,
        "description": description.attributes.get("content") if description else None,
    }
    return {name: value.strip() for name, value in found.items() if value and value.strip()}


def _text(node: LexborNode | None) -> str:
    return " ".join(node.text().split()) if node else ""


class _Reader:
    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._words: list[str] = []
        self._heading = 0
        self._pre = 0
        self._tables: list[_Table] = []
        self._lists: list[int | None] = []  # the number of the last item, None in lists without numbers
        self._bullet = ""
        self._open_parts: list[tuple[int, str, int]] = []
        self._parts: list[tuple[str, int, int]] = []

    def read(self, root: LexborNode) -> None:
        node = root
        while True:
            if self._enter(node):
                if child := node.first_child:
                    node = child
                    continue
                self._leave(node)
            # Not `==`, which compares the HTML of both.
            while node.mem_id != root.mem_id and not node.next and node.parent:
                node = node.parent
                self._leave(node)
            if node.mem_id == root.mem_id or not node.next:
                return
            node = node.next

    def main_blocks(self) -> list[Block]:
        """Those of <main> or of the only <article> if most of the text is there, without small forms."""
        ends = [0, *accumulate(len(block.text) for block in self._blocks)]
        parts = [(ends[end] - ends[start], tag, start, end) for tag, start, end in self._parts]
        half = ends[-1] / 2
        is_only = sum(tag == "article" for _, tag, _, _ in parts) == 1
        mains = [
            part for part in parts if part[0] >= half and (part[1] == "main" or (part[1] == "article" and is_only))
        ]
        _, _, first, last = min(mains, default=(0, "", 0, len(self._blocks)))
        doomed = {at for size, tag, start, end in parts if tag == "form" and size < half for at in range(start, end)}
        return [self._blocks[at] for at in range(first, last) if at not in doomed]

    def _enter(self, node: LexborNode) -> bool:
        """Whether what is inside counts."""
        tag = node.tag or "-"
        if tag == "-text":
            text = node.text_content or ""
            self._words.append(text if self._pre else _SPACE.sub(" ", text))
        elif tag == "br":
            self._words.append("\n")
        if tag.startswith("-") or tag == "br" or tag in _NOISE:
            return False
        attributes = node.attributes
        if tag != "body" and self._is_noise(tag, attributes):
            return False
        if tag in _BLOCKS:
            self._flush()
            self._open(node, tag, attributes)
        return True

    def _is_noise(self, tag: str, attributes: dict[str, str | None]) -> bool:
        if not attributes and tag not in ("header", "footer"):
            return False
        role = attributes.get("role") or ""
        classes = (attributes.get("class") or "").split()
        is_frame = tag in ("header", "footer") or role in ("banner", "contentinfo")
        return (
            "hidden" in attributes
            or attributes.get("aria-hidden") == "true"
            or role in _NOISE_ROLES
            or (is_frame and not any(part in ("main", "article") for _, part, _ in self._open_parts))
            or (tag == "a" and "hreflang" in attributes)  # the same page in another language
            or (tag == "sup" and "reference" in classes)
            or not _NOISE_CLASSES.isdisjoint(classes)
            or bool(_HIDDEN_STYLE.search(attributes.get("style") or ""))
        )

    def _open(self, node: LexborNode, tag: str, attributes: dict[str, str | None]) -> None:
        part = "main" if attributes.get("role") == "main" else tag
        if part in _PARTS:
            self._open_parts.append((node.mem_id, part, len(self._blocks)))
        if self._tables and (part in _PARTS or tag in _HEADINGS or tag in ("table", "pre")):
            self._tables[-1].is_layout = True
        if tag in _HEADINGS:
            self._heading = _HEADINGS[tag]
        elif tag == "pre":
            self._pre += 1
        elif tag in ("ul", "ol", "menu", "dir"):
            self._lists.append(_number(attributes.get("start"), 1) - 1 if tag == "ol" else None)
        elif tag == "li":
            self._bullet = self._next_bullet()
        elif tag == "table":
            is_layout = attributes.get("role") in ("presentation", "none")
            self._tables.append(_Table(len(self._blocks), is_layout=is_layout))
        elif self._tables:
            self._tables[-1].open(tag, len(self._blocks))

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or "-"
        if tag not in _BLOCKS:
            return
        self._flush()
        if self._open_parts and self._open_parts[-1][0] == node.mem_id:
            _, part, start = self._open_parts.pop()
            self._parts.append((part, start, len(self._blocks)))
        if tag in _HEADINGS:
            self._heading = 0
        elif tag == "pre":
            self._pre -= 1
        elif tag in ("ul", "ol", "menu", "dir"):
            self._lists.pop()
        elif tag == "li":
            self._bullet = ""
        elif tag == "table":
            self._tables.pop().close(self._blocks)
        elif tag in ("td", "th") and self._tables:
            self._tables[-1].add_cell(self._blocks, node.attributes, is_header=tag == "th")

    def _next_bullet(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "- "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def _flush(self) -> None:
        """The words since the last border become a block."""
        text = "".join(self._words)
        self._words.clear()
        if not text.strip():
            return
        if self._pre:
            self._blocks.append(Block(text.strip("\n"), BlockKind.CODE))
        elif self._heading:
            self._blocks.append(Block(" ".join(text.split()), BlockKind.HEADING, self._heading))
        else:
            lines = "\n".join(" ".join(line.split()) for line in text.strip().split("\n"))
            self._blocks.append(self._item(lines) if self._lists else Block(lines))

    def _item(self, text: str) -> Block:
        indent = "  " * min(len(self._lists) - 1, 8)
        bullet, self._bullet = self._bullet or "  ", ""
        return Block(indent + bullet + text, BlockKind.LIST)


def _number(value: str | None, otherwise: int) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 6 else otherwise
