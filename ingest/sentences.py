"""Where sentences begin and end: by punctuation and layout, for any script that uses . ! ? or 。！？"""

import re
from collections.abc import Iterator

from ingest.documents import Span

_ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st sr jr vs no nos fig figs eq eqs ref vol ed eds pp p al approx dept est inc ltd co corp "
    "e.g i.e cf ca gen col lt sgt capt rev hon gov sen rep jan feb mar apr jun jul aug sep sept oct nov dec "
    "z.b d.h bzw usw ggf str nr bd".split()
)
_CANDIDATE = re.compile(
    r"""(?P<stop>(?<![.!?…])[.!?…]++["'”’»)\]]*+)(?=\s)    # a full stop and closing marks, then space
      | (?P<wide>[。！？]+["”’」』）]*)         # full-width stops need no space
      | (?P<blank>\n[^\S\n]*\n)               # a blank line
      | (?P<line>\n)                          # a line's end, which may be a mere wrap
    """,
    re.VERBOSE,
)
_STARTS = re.compile(r"""\s*["'“‘«(\[*_]*[^\W_a-zß-öø-ÿ]""")
_LAST_WORD = re.compile(r"([\w.]+)\.$")
_NEW_ITEM = re.compile(r"\s*(?:[-*+•#>|]|\d+[.)]\s|[^\n:.!?]{1,40}: )")
WRAP_CHARS = 50  # a line shorter than this was ended by its author, not by the margin


def sentence_spans(text: str, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Spans of the sentences in text[start:end], without the white space around them, in order."""
    end = len(text) if end is None else end
    begin = start
    for candidate in _CANDIDATE.finditer(text, start, end):
        if candidate.start() < begin or not _ends_sentence(text, begin, end, candidate):
            continue
        yield from _trimmed(text, begin, candidate.end())
        begin = candidate.end()
    yield from _trimmed(text, begin, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield Span(start, end)


def _ends_sentence(text: str, begin: int, end: int, candidate: re.Match[str]) -> bool:
    match candidate.lastgroup:
        case "stop":
            return _is_full_stop(text, begin, end, candidate)
        case "line":
            return not _is_wrap(text, begin, end, candidate.start())
        case _:
            return True


def _is_full_stop(text: str, begin: int, end: int, candidate: re.Match[str]) -> bool:
    if not _STARTS.match(text, candidate.end(), end):
        return False
    if text[candidate.start()] != ".":
        return True
    word = _LAST_WORD.search(text, max(begin, candidate.start() - 12), candidate.start() + 1)
    if word is None:
        return True
    last = word[1].lower()
    return last not in _ABBREVIATIONS and not re.fullmatch(r"[^\W\d]|(?:[^\W\d]\.)+[^\W\d]", last)


def _is_wrap(text: str, begin: int, end: int, at: int) -> bool:
    line_start = max(text.rfind("\n", 0, at) + 1, begin)
    return at - line_start >= WRAP_CHARS and not _NEW_ITEM.match(text, at + 1, end)
