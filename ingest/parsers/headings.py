"""Which paragraphs of printed pages are headings: by the outline if there is one, else by their letters. Pure."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ingest.parsers.paragraphs import BULLET, Line

_LARGER = 1.1
_MOST_LINES = 3
_LONGEST = 200
_LONGEST_BOLD = 120
_DEEPEST = 6
_NUMBERING = re.compile(r"^[\W\d]+|\W+")


@dataclass(frozen=True, slots=True)
class Paragraph:
    page: int
    lines: tuple[Line, ...]

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)


@dataclass(frozen=True, slots=True)
class Entry:
    """Of the outline: levels count from 1."""

    page: int
    level: int
    title: str


def levels_of(paragraphs: Sequence[Paragraph], outline: Collection[Entry]) -> list[int]:
    """The level of each paragraph, 0 for those that are no headings."""
    levels = _by_outline(paragraphs, outline)
    return levels if sum(map(bool, levels)) * 2 > len(outline) else _by_letters(paragraphs)


def title_of(paragraphs: Sequence[Paragraph]) -> str:
    """What the first page opens with if that is set as a heading, else its largest heading; may be empty."""
    levels = _by_letters(paragraphs)
    first_page = [
        (level, paragraph) for level, paragraph in zip(levels, paragraphs, strict=True) if paragraph.page == 1
    ]
    headings = [found for found in first_page if found[0]]
    if not headings:
        return ""
    opening = first_page[0] if first_page[0][0] else min(headings, key=lambda found: found[0])
    return opening[1].text


def _by_outline(paragraphs: Sequence[Paragraph], outline: Collection[Entry]) -> list[int]:
    """Empty without an outline."""
    level_by_place = {(entry.page, _key(entry.title)): entry.level for entry in outline}
    return [
        level_by_place.get((paragraph.page, _key(paragraph.text)), 0) if _is_short(paragraph) else 0
        for paragraph in paragraphs
        if outline
    ]


def _key(title: str) -> str:
    """Numbers before a title and spaces in it are not the same in the outline and on the page."""
    return _NUMBERING.sub("", title[:_LONGEST]).casefold()


def _by_letters(paragraphs: Sequence[Paragraph]) -> list[int]:
    weights: Counter[float] = Counter()
    bold = 0
    for line in (line for paragraph in paragraphs for line in paragraph.lines):
        weights[round(line.size * 2) / 2] += len(line.text)
        bold += len(line.text) if line.is_bold else 0
    body = max(weights, key=weights.__getitem__, default=0.0)
    large = [_size(paragraph) if _is_large(paragraph, body) else 0.0 for paragraph in paragraphs]
    sizes = sorted(set(large) - {0.0}, reverse=True)
    below = len(sizes) + 1 if bold * 3 < weights.total() else 0
    return [
        min(sizes.index(size) + 1 if size else below if _is_bold(paragraph, body) else 0, _DEEPEST)
        for paragraph, size in zip(paragraphs, large, strict=True)
    ]


def _size(paragraph: Paragraph) -> float:
    return round(paragraph.lines[0].size * 2) / 2


def _is_short(paragraph: Paragraph) -> bool:
    text = paragraph.text
    has_words = sum(map(str.isalpha, text[:_LONGEST])) > 1
    return has_words and len(paragraph.lines) <= _MOST_LINES and len(text) <= _LONGEST and not BULLET.match(text)


def _is_large(paragraph: Paragraph, body: float) -> bool:
    is_sentence = len(paragraph.text) > 60 and paragraph.text.endswith((".", ",", ";"))
    return paragraph.lines[0].size >= _LARGER * body and _is_short(paragraph) and not is_sentence


def _is_bold(paragraph: Paragraph, body: float) -> bool:
    return (
        all(line.is_bold for line in paragraph.lines)
        and paragraph.lines[0].size > 0.9 * body
        and _is_short(paragraph)
        and len(paragraph.text) <= _LONGEST_BOLD
        and not paragraph.text.endswith((".", ",", ";", ":"))
    )
