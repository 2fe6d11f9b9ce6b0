"""Parsed blocks become one text. Pure.

Verbatim documents pass as they are. Others lose what their medium put in: running headers, page numbers, line-end
hyphens, ligatures, invisible characters. Blocks are joined by an empty line, table rows and list items by a line end.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ingest.documents import Block, BlockKind, Document, Page, Parsed, Section
from ingest.errors import EmptyDocument

_LONGEST_NAME = 200
_LONGEST_TITLE = 500
_FEWEST_PAGES = 3
_LIGATURES = {"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"}
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SPACE = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
# The joiners U+200C and U+200D stay: Persian, Indic scripts and emoji mean something by them. The tag characters at
# the end go although some flags use them: they carry instructions that only language models see.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufdd0-\ufdef"
    "\ufeff\ufff9-\ufffc\ufffe\uffff\U000e0000-\U000e007f]"
)
_NULS = re.compile("\x00+")
_LIGATURE = re.compile("[ﬀ-ﬆ]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INNER_SPACE = re.compile(r"(?<=\S)[ \t]+")
_CJK = "[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]"
_CJK_LINE_END = re.compile(f"(?<={_CJK})\n(?={_CJK})")
_HYPHEN_LINE_END = re.compile(r"(?<=\w)-\n(?=\w)")
_COMPOUND = re.compile(r"\b\w{1,40}-\w{1,40}\b")
_LAST_WORD = re.compile(r"[\w-]+$")
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+")
_SUSPENDED = frozenset({"and", "or", "to", "und", "oder", "bis", "et", "ou", "y", "o", "e"})
_HYPHENATED = frozenset({"self", "well", "half", "cross", "quasi", "vice"})
_REFLOWED = frozenset({BlockKind.PARAGRAPH, BlockKind.LIST, BlockKind.HEADING})
_LEADERS = re.compile(r"(?: ?\.){5,}")
_CLOSE_SET = frozenset({BlockKind.TABLE, BlockKind.LIST})


def clean(parsed: Parsed) -> Document:
    """The text with where its sections and pages begin. Raises EmptyDocument when no text remains."""
    if parsed.verbatim:
        blocks = [replace(block, text=storable(block.text)) for block in parsed.blocks if block.text]
    else:
        blocks = _tidy_all(_without_running_lines(parsed.blocks))
    text, sections, pages = _assemble(blocks, verbatim=parsed.verbatim)
    title = " ".join(_plain(parsed.title).split())[:_LONGEST_TITLE]
    if not text.strip():
        raise EmptyDocument(f"'{parsed.source or title}' has no text in it: send a document that has some")
    return Document(title, text, sections, pages, parsed.metadata, parsed.source, parsed.acl, parsed.media_type)


def storable(text: str) -> str:
    """The text as UTF-8 and every database can hold it: a space for NULs, U+FFFD for each lone surrogate."""
    return _SURROGATE.sub("\ufffd", _NULS.sub(" ", text))


def _assemble(blocks: Iterable[Block], *, verbatim: bool) -> tuple[str, tuple[Section, ...], tuple[Page, ...]]:
    pieces: list[str] = []
    sections: list[Section] = []
    pages: list[Page] = []
    path: list[tuple[int, str]] = []
    offset = 0
    previous: Block | None = None
    for block in blocks:
        separator = "" if verbatim or previous is None else _separator(previous, block)
        offset += len(separator)
        if block.page is not None and (not pages or pages[-1].number != block.page):
            pages.append(Page(offset, block.page))
        if block.kind is BlockKind.HEADING and (name := _name(block)):
            while path and path[-1][0] >= block.level:
                path.pop()
            path.append((block.level, name))
            sections.append(Section(offset, tuple(name for _, name in path)))
        pieces += separator, block.text
        offset += len(block.text)
        previous = block
    return "".join(pieces), tuple(sections), tuple(pages)


def _separator(before: Block, after: Block) -> str:
    if before.kind is after.kind and before.kind in _CLOSE_SET:
        return "\n"
    if before.page != after.page and after.kind is BlockKind.PARAGRAPH and _runs_on(before, after.text):
        return " "
    return "\n\n"


def _runs_on(before: Block, text: str) -> bool:
    """A sentence goes on over the page break."""
    prose = before.kind in (BlockKind.PARAGRAPH, BlockKind.LIST)
    return prose and text[0].islower() and (before.text[-1].isalnum() or before.text[-1] in ",-–")


def _name(block: Block) -> str:
    return " ".join(_plain(block.heading or block.text).split())[:_LONGEST_NAME]


def _plain(text: str) -> str:
    """Readable characters only, composed, with line feeds for all kinds of line ends."""
    if text.isascii() and text.isprintable():
        return text
    text = _LINE_END.sub("\n", text)
    if not text.isascii():
        text = _SPACE.sub(" ", text.replace("\xad\n", ""))
        text = _LIGATURE.sub(lambda match: _LIGATURES[match[0]], text)
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", storable(text)))


def _tidy_all(blocks: Sequence[Block]) -> list[Block]:
    texts = [_plain(block.text) for block in blocks]
    paged = (text for block, text in zip(blocks, texts, strict=True) if block.page is not None)
    compounds = frozenset(compound.lower() for text in paged for compound in _COMPOUND.findall(text))
    tidy = ((block, _tidy(block, text, compounds)) for block, text in zip(blocks, texts, strict=True))
    return [replace(block, text=text) for block, text in tidy if text]


def _tidy(block: Block, text: str, compounds: frozenset[str]) -> str:
    lines = text.split("\n")
    if block.kind is BlockKind.CODE:
        return "\n".join(line.rstrip() for line in lines).strip("\n")
    if block.kind is BlockKind.LIST:
        lines = [_INNER_SPACE.sub(" ", line).rstrip() for line in lines]
    else:
        lines = [" ".join(line.split()) for line in lines]
    text = "\n".join(line for line in lines if line)
    is_printed = block.page is not None and block.kind in _REFLOWED
    return _reflow(text, compounds) if is_printed else text


def _reflow(text: str, compounds: frozenset[str]) -> str:
    """One line of the lines of a printed paragraph, words whole again."""

    def rejoined(line_end: re.Match[str]) -> str:
        before = _LAST_WORD.search(text[max(0, line_end.start() - 60) : line_end.start()])
        after = _WORD.match(text, line_end.end(), line_end.end() + 60)
        return _hyphen_between(before[0] if before else "", after[0] if after else "", compounds)

    text = _HYPHEN_LINE_END.sub(rejoined, text)
    return _LEADERS.sub(" …", _CJK_LINE_END.sub("", text).replace("\n", " "))


def _hyphen_between(before: str, after: str, compounds: frozenset[str]) -> str:
    """What stands for a hyphen and the line end after it; in doubt the hyphen is the typesetter's."""
    if after in _SUSPENDED:
        return "- "
    is_compound = "-" in before or before in _HYPHENATED or f"{before}-{after}".lower() in compounds
    is_name = not after[:1].islower() or not before[1:].islower()
    return "-" if is_compound or is_name else ""


def _without_running_lines(blocks: Sequence[Block]) -> list[Block]:
    """Without the lines that recur at the top or the bottom of half of the pages, or that count pages."""
    edges = _edge_lines(blocks)
    lines_by_signature: dict[str, dict[int, str]] = defaultdict(dict)
    for at, row in edges:
        block, line = blocks[at], blocks[at].text.split("\n")[row]
        if block.page is not None:
            lines_by_signature[_signature(block, line)].setdefault(block.page, _alike(line))
    page_count = len({block.page for block in blocks})
    running = {signature for signature, lines in lines_by_signature.items() if _runs(lines, page_count)}
    doomed: dict[int, set[int]] = defaultdict(set)
    for at, row in edges:
        if _signature(blocks[at], blocks[at].text.split("\n")[row]) in running:
            doomed[at].add(row)
    return [_without_rows(block, doomed[at]) if at in doomed else block for at, block in enumerate(blocks)]


def _edge_lines(blocks: Sequence[Block]) -> list[tuple[int, int]]:
    """The first two and the last two lines of each page, as (block, row in its text)."""
    lines_by_page: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for at, block in enumerate(blocks):
        if block.page is not None:
            lines = block.text.split("\n")
            lines_by_page[block.page] += [(at, row) for row, line in enumerate(lines) if line.strip()]
    return [edge for lines in lines_by_page.values() for edge in dict.fromkeys(lines[:2] + lines[-2:])]


def _signature(block: Block, line: str) -> str:
    # "Step 1", "Step 2" at the top of pages are headings; only word for word the same heading is a running one.
    return f"heading {_alike(line)}" if block.kind is BlockKind.HEADING else _NUMBER.sub("#", _alike(line))


def _alike(line: str) -> str:
    return " ".join(line.split()).casefold()


def _runs(lines: dict[int, str], page_count: int) -> bool:
    """`lines` differ in numbers at most; keys are pages."""
    if len(lines) < _FEWEST_PAGES:
        return False
    if len(set(lines.values())) > 1:
        return _count_pages(lines)
    return _has_letter(lines) and len(lines) * 2 >= page_count


def _count_pages(lines: dict[int, str]) -> bool:
    """Beside words a number larger than the page's is a thing's own: of an invoice, say, where each has a page."""
    numbers = [(page, _NUMBER.findall(line)) for page, line in lines.items()]
    if not all(found for _, found in numbers):
        return False
    first, last = ({int(found[end][:9]) - page for page, found in numbers} for end in (0, -1))
    return any(len(ahead) == 1 and (max(ahead) <= 0 or not _has_letter(lines)) for ahead in (first, last))


def _has_letter(lines: dict[int, str]) -> bool:
    return any(map(str.isalpha, next(iter(lines.values()))))


def _without_rows(block: Block, rows: set[int]) -> Block:
    lines = block.text.split("\n")
    return replace(block, text="\n".join(line for row, line in enumerate(lines) if row not in rows))
