"""Markdown is cut at its headings and otherwise kept to the character."""

import re
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.documents import Block, BlockKind, Parsed, Source
from ingest.parsers.decoding import read_text

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?=[A-Za-z_][\w-]*:)(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_TITLE = re.compile(r"^title:[ \t]*(?P<quote>[\"']?)(?P<title>[^\n]+?)(?P=quote)[ \t]*$", re.MULTILINE)
_LONGEST_FRONT_MATTER = 20_000
_LINE = re.compile(r"[^\n]*\n|[^\n]+")  # not splitlines: markdown-it ends lines at line feeds only


def parse(source: Source) -> Parsed:
    text = read_text(source)
    front_matter = _FRONT_MATTER.match(text, 0, _LONGEST_FRONT_MATTER)
    start = front_matter.end() if front_matter else 0
    blocks = [Block(text[:start])] if start else []
    blocks += blocks_of(text[start:])
    named = _TITLE.search(text, 0, start)
    title = named["title"] if named else next((block.heading for block in blocks if block.level == 1), "")
    return Parsed(title, tuple(blocks), verbatim=True)


def blocks_of(text: str) -> list[Block]:
    """Their texts joined are the text."""
    # What stands inside of lines matters in headings only, and takes minutes on a megabyte of brackets.
    structure, inside = MarkdownIt("commonmark").disable("inline"), MarkdownIt("commonmark")
    lines = _LINE.findall(text)
    blocks: list[Block] = []
    at = 0
    for opening, inline in pairwise(structure.parse(text)):
        if opening.type != "heading_open" or opening.level or opening.map is None:
            continue
        start, end = opening.map
        name = _plain(inside, inline.content)
        blocks.append(Block("".join(lines[at:start])))
        blocks.append(Block("".join(lines[start:end]), BlockKind.HEADING, int(opening.tag[1:]), name))
        at = end
    blocks.append(Block("".join(lines[at:])))
    return [block for block in blocks if block.text]


def _plain(markdown: MarkdownIt, heading: str) -> str:
    pieces = [piece for inline in markdown.parseInline(heading[:1000]) for piece in inline.children or ()]
    return "".join(" " if piece.type.endswith("break") else _shown(piece) for piece in pieces).strip()


def _shown(piece: Token) -> str:
    return "" if piece.type == "html_inline" else piece.content
