"""Citations in text that arrives in pieces. Pure.

Purpose: find each `[n]` (also `[1, 2]`) wherever the pieces are cut, and the sentence of the answer that it stands for.
Mechanism: `feed` appends a piece and releases all text but the shortest tail that may still become a marker. A complete
marker that names a passage gives one Cited a number: the sentence before it, markers at its edges left out. Text is
never changed: markers stay in it, and a number that names no passage is plain text.
Law: cutting the same text anywhere gives the same text and the same citations.
Does not promise: that the cited passage supports the sentence; `core.verifying` judges that.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.documents import Span
from ingest.sentences import sentence_spans

_MARKER = re.compile(r"\[[\d,; ]{1,20}\]")
_MARKER_BEGUN = re.compile(r"\[[\d,; ]{0,20}\Z")
_LEADING = re.compile(r"(?:\s|\[[\d,; ]{1,20}\]|[.,;:!?](?=\s))*")
_TRAILING = re.compile(r"(?:\s*\[[\d,; ]{1,20}\])*\s*\Z")
SENTENCE_CHARS = 2_000


def without_markers(text: str) -> str:
    return _MARKER.sub("", text)


@dataclass(frozen=True, slots=True)
class Cited:
    """The marker's number and the span of the answer that it stands for."""

    n: int
    answer: Span


class CitationFinder:
    def __init__(self, passages: int) -> None:
        self._passages = passages
        self._text = ""
        self._released = 0
        self._searched = 0

    @property
    def text(self) -> str:
        """What has been released so far."""
        return self._text[: self._released]

    def feed(self, piece: str) -> tuple[str, list[Cited]]:
        """The text that is safe to show now, and the citations that became complete in it."""
        self._text += piece
        begun = _MARKER_BEGUN.search(self._text, max(self._released, len(self._text) - 21))
        return self._release(begun.start() if begun else len(self._text))

    def finish(self) -> tuple[str, list[Cited]]:
        """The held-back tail, which has become no marker."""
        return self._release(len(self._text))

    def _release(self, end: int) -> tuple[str, list[Cited]]:
        released, self._released = self._text[self._released : end], end
        found: list[Cited] = []
        for marker in _MARKER.finditer(self._text, self._searched, end):
            self._searched = marker.end()
            found += self._cited(marker)
        return released, found

    def _cited(self, marker: re.Match[str]) -> Iterator[Cited]:
        known = [n for n in map(int, re.findall(r"\d+", marker[0])) if 1 <= n <= self._passages]
        if known and (sentence := self._sentence_before(marker.start())):
            for n in dict.fromkeys(known):
                yield Cited(n, sentence)

    def _sentence_before(self, end: int) -> Span | None:
        floor = max(0, end - SENTENCE_CHARS)
        end = floor + _TRAILING.search(self._text[floor:end]).start()  # type: ignore[union-attr]  # it always matches
        sentences = list(sentence_spans(self._text, floor, end))
        if not sentences:
            return None
        last = sentences[-1]
        start = _LEADING.match(self._text, last.start, last.end).end()  # type: ignore[union-attr]  # so does this
        return Span(start, last.end) if start < last.end else None
