"""Lines as they stand on a page become paragraphs. Pure.

A paragraph ends where the gap below a line is wider than usual, where the size of the letters changes, where an item
of a list begins, where the margin moves after its second line, and after a line that had room for the next word.
Distances are in points, y grows upwards.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

BULLET = re.compile("[•◦▪▫●○■□‣⁃∙·➢➤►✓✔\uf0b7\uf0a7\uf0d8\uf0fc\uf076]\\s*|[-–—*]\\s+")
NUMBER = re.compile(r"\(?(?:\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)]\s+\S")
_SENTENCE_END = tuple(".!?:;…。！？”»")
_USUAL_PITCH = 1.2
_LOOSE = 1.7
_WIDER = 1.25
_NEIGHBOURS = 5
_LETTER_WIDTH = 0.5  # of the size, on average


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    x: float
    right: float


@dataclass(frozen=True, slots=True)
class Line:
    """`x` is where its first letter begins, `right` where its last one ends; mirrored if it runs to the left.

    `parts` are what wide gaps cut it into, none if it has no such gap.
    """

    text: str
    x: float
    y: float
    right: float
    size: float
    is_bold: bool = False
    parts: tuple[Part, ...] = ()


def pitch_of(pages: Iterable[Sequence[Line]]) -> float:
    """The usual distance between the lines of a paragraph, in sizes of its letters."""
    gaps = Counter(
        round((above.y - below.y) / above.size * 20) / 20
        for page in pages
        for above, below in pairwise(page)
        if above.size == below.size and 0.8 < (above.y - below.y) / above.size < 2.5
    )
    # In letters and lists the gaps between paragraphs are the more common ones.
    tight = Counter({gap: count for gap, count in gaps.items() if gap < _LOOSE})
    usual = tight if tight.total() * 5 >= gaps.total() else gaps
    return max(usual, key=usual.__getitem__, default=_USUAL_PITCH)


def paragraphs_of(page: Sequence[Line], *, pitch: float) -> Iterator[list[Line]]:
    """The lines of a page, in their order, cut into paragraphs. `pitch` as `pitch_of` gives it."""
    paragraph: list[Line] = []
    for at, line in enumerate(page):
        if paragraph and _begins(line, paragraph, page, at, pitch):
            yield paragraph
            paragraph = []
        paragraph.append(line)
    if paragraph:
        yield paragraph


def _begins(line: Line, paragraph: Sequence[Line], page: Sequence[Line], at: int, pitch: float) -> bool:
    last = paragraph[-1]
    gap = last.y - line.y
    if BULLET.match(line.text):
        return True
    if gap < -last.size / 2:  # further up: a new column
        return line.text[0].isupper() or last.text.endswith(_SENTENCE_END)
    if gap < last.size / 2:
        return False
    goes_on = line.text[0].islower()
    return (
        gap > _WIDER * pitch * last.size
        or abs(line.size - last.size) > last.size / 10
        or (len(paragraph) > 1 and abs(line.x - last.x) > 0.8 * last.size)
        or (bool(NUMBER.match(line.text)) and last.text.endswith(_SENTENCE_END))
        or (not goes_on and all(line.is_bold for line in paragraph) and not line.is_bold)
        or (not goes_on and _had_room(last, line, _margin(page, at - 1)))
    )


def _had_room(last: Line, line: Line, margin: float) -> bool:
    word = line.text.split(maxsplit=1)[0]
    return margin - last.right > (len(word) * _LETTER_WIDTH + 1) * last.size


def _margin(page: Sequence[Line], at: int) -> float:
    """How far to the right the lines around this one go, but for a single one that may span columns."""
    line = page[at]
    rights = sorted(
        near.right
        for near in page[max(0, at - _NEIGHBOURS) : at + _NEIGHBOURS + 1]
        if abs(near.size - line.size) <= line.size / 10 and near.x < line.right and line.x < near.right
    )
    return rights[-2] if len(rights) > 2 else max(rights, default=line.right)
