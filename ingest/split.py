"""Document → chunks. Pure.

Purpose: pieces that the embedder reads whole, that begin and end where the author did, with exact character spans.
Mechanism: tokenise a window of the text once; walk it from left to right; each chunk takes as many tokens as fit and
ends at the strongest boundary in reach: a heading, else a blank line, else a line or sentence, else a space, else
wherever the budget ends. When little more than one chunk is left, it is cut near the middle, so no scrap remains.
Promises: chunks are in reading order and together hold every character that is not white space; `text` equals the
document's text at `span`; no chunk has more than `max_tokens` tokens or MAX_TOKEN_CHARS characters a token.
Does not promise: that a sentence longer than the budget stays whole, nor that chunks are of one size.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.documents import Chunk, Document, Span
from ingest.sentences import sentence_spans
from ingest.tokens import Tokenizer

SPLITTER_VERSION = 1
MAX_TITLE_TOKENS = 40
WINDOW_CHARS = 100_000
MAX_TOKEN_CHARS = 12  # a text with fewer tokens than this allows is one that the tokenizer gave up on
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
_SPACE = re.compile(r"\s")
_NOT_SPACE = re.compile(r"\S")


@dataclass(frozen=True, slots=True)
class Splitting:
    """How large chunks are, in the embedder's tokens; `overlap_tokens` of a chunk are repeated in the next one."""

    max_tokens: int
    overlap_tokens: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.overlap_tokens <= self.max_tokens // 2 or self.max_tokens < 8:
            raise ValueError(f"chunks of {self.max_tokens} tokens with {self.overlap_tokens} overlapping can't be cut")


@dataclass(frozen=True, slots=True)
class _Window:
    """A tokenised stretch of the text and the places in it where a chunk may end, strongest kind first."""

    start: int
    end: int
    starts: Sequence[int]
    ends: Sequence[int]
    boundaries: tuple[tuple[float, Sequence[int]], ...]


def split_titled(document: Document, tokenizer: Tokenizer, splitting: Splitting) -> tuple[str, Iterator[Chunk]]:
    """As much of the title as is embedded before each chunk, and the chunks that leave room for it."""
    title = tokenizer(document.title)[:MAX_TITLE_TOKENS]
    room = max(8, splitting.max_tokens - len(title))
    fitted = Splitting(room, min(splitting.overlap_tokens, room // 2))
    return document.title[: title[-1][1]] if title else "", split(document, tokenizer, fitted)


def split(document: Document, tokenizer: Tokenizer, splitting: Splitting) -> Iterator[Chunk]:
    text, at, index = document.text, _skip_space(document.text, 0), 0
    while at < len(text):
        window = _window(document, at, tokenizer, splitting)
        is_last = window.end == len(text)
        while at < window.end:
            end, tokens, fits = _chunk_end(text, window, at, splitting)
            if fits and not is_last:
                break  # the next window may hold more of this chunk
            if _cuts_word(text, at) or _cuts_word(text, end):  # a piece of a word has tokens of its own
                end, tokens = _fitted(text, at, end, tokenizer, splitting)
            span = Span(at, _strip_space(text, at, end))
            yield Chunk(index, span.of(text), span, document.section_at(at), document.page_at(at), tokens)
            index += 1
            at = _next_start(text, window, at, end, splitting)


def _window(document: Document, start: int, tokenizer: Tokenizer, splitting: Splitting) -> _Window:
    size = max(WINDOW_CHARS, 4 * splitting.max_tokens * MAX_TOKEN_CHARS)  # more than any chunk
    text, end = document.text, min(len(document.text), start + size)
    if end < len(text):
        space = text.rfind(" ", start + size // 2, end)
        end = space if space > 0 else end
    stretch = text[start:end]
    offsets = [(a + start, b + start) for a, b in tokenizer(stretch) if b > a]
    sections = [section.start for section in document.sections if start < section.start < end]
    blank_lines = [start + match.end() for match in _BLANK_LINE.finditer(stretch)]
    sentences = [span.start for span in sentence_spans(text, start, end)]
    spaces = [start + match.end() for match in _SPACE.finditer(stretch)]
    return _Window(
        start,
        end,
        starts=[a for a, _ in offsets],
        ends=[b for _, b in offsets],
        # with each kind, how full a chunk must be before it may end there
        boundaries=((0.3, sections), (0.5, blank_lines), (0.3, sentences), (0.0, spaces)),
    )


def _chunk_end(text: str, window: _Window, at: int, splitting: Splitting) -> tuple[int, int, bool]:
    """Where the chunk that starts at `at` ends, its tokens, and whether all that is left of the window is in it."""
    first = bisect_left(window.starts, at)
    left = len(window.starts) - first
    widest = at + splitting.max_tokens * MAX_TOKEN_CHARS
    if left <= splitting.max_tokens and window.end <= widest:
        return window.end, left, True
    room = splitting.max_tokens
    if room < left <= 1.4 * room:
        room = round(0.65 * left)
    limit = min(window.starts[first + room] if room < left else window.end, widest)
    end = max(_best_boundary(window, at, limit), at + 1)
    return end, bisect_left(window.starts, end) - first, False


def _best_boundary(window: _Window, at: int, limit: int) -> int:
    for fill, places in window.boundaries:
        latest = bisect_right(places, limit) - 1
        if latest >= 0 and places[latest] > at + fill * (limit - at):
            return places[latest]
    return limit


def _next_start(text: str, window: _Window, at: int, end: int, splitting: Splitting) -> int:
    following = _skip_space(text, end)
    if not splitting.overlap_tokens or following >= len(text):
        return following
    last = bisect_left(window.starts, end)
    earliest = window.starts[max(0, last - splitting.overlap_tokens)]
    sentences = window.boundaries[2][1]
    candidate = bisect_left(sentences, max(earliest, at + 1))
    if candidate == len(sentences) or sentences[candidate] >= following:
        return following
    reached, _, _ = _chunk_end(text, window, sentences[candidate], splitting)
    return sentences[candidate] if reached > following else following  # a chunk must bring something new


def _cuts_word(text: str, at: int) -> bool:
    return 0 < at < len(text) and not text[at - 1].isspace() and not text[at].isspace()


def _fitted(text: str, at: int, end: int, tokenizer: Tokenizer, splitting: Splitting) -> tuple[int, int]:
    """The end, moved back until the piece alone is within the budget, and its tokens."""
    while True:
        offsets = [(a, b) for a, b in tokenizer(text[at:end]) if b > a]
        if len(offsets) <= splitting.max_tokens:
            return end, len(offsets)
        end = at + max(1, min(offsets[splitting.max_tokens - 1][1], end - at - 1))


def _skip_space(text: str, at: int) -> int:
    found = _NOT_SPACE.search(text, at)
    return found.start() if found else len(text)


def _strip_space(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end
