"""Subtitles and transcripts (WebVTT, SubRip): what one speaker says becomes paragraphs with the time they begin at."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.documents import Block, BlockKind, Parsed, Source
from ingest.errors import BrokenDocument
from ingest.parsers.decoding import read_text

_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:[ \t].*)?")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>\n]{1,200})>")
_SPEAKER = re.compile(r"^(?:>>\s*)?([A-Z][\w.'’-]{0,30}(?: [A-Z][\w.'’-]{0,30}){0,3}):\s+(?=\S)")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>|<\d[\d:.]{0,20}>|\{\\[^{}\n]{0,200}\}")
_TITLE = re.compile(r"WEBVTT[ \t]+(?:-[ \t]*)?([^\n]{1,200})")
_PAUSE_S = 3.0
_LONGEST_S = 60.0
_SENTENCE_END = tuple('.!?…。！？"”')


@dataclass(frozen=True, slots=True)
class Cue:
    start_s: float
    end_s: float
    speaker: str
    text: str


def parse(source: Source) -> Parsed:
    text = read_text(source)
    cues = list(_cues(text))
    if not cues and text.strip():
        raise BrokenDocument(f"'{source.uri}' has no subtitles with times in it: send the right file")
    title = _TITLE.match(text)
    return Parsed(title[1].strip() if title else "", tuple(_blocks(cues)))


def _cues(text: str) -> Iterator[Cue]:
    """Cues are told by their line of times; what stands between them and is no text is left out."""
    times: re.Match[str] | None = None
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        found = _TIMES.fullmatch(line) if "-->" in line else None
        if found or not line.strip():
            yield from _read(times, lines)
            times, lines = (found, []) if found else (None, [])
        elif times:
            lines.append(line)


def _read(times: re.Match[str] | None, lines: list[str]) -> Iterator[Cue]:
    """What each speaker says in one cue."""
    if times is None:
        return
    start, end = _seconds(times, 1), _seconds(times, 5)
    pieces = _VOICE.split("\n".join(lines))
    if len(pieces) > 1:
        named = [("", pieces[0]), *zip(pieces[1::2], pieces[2::2], strict=True)]
    else:
        found = _SPEAKER.match(_plain(pieces[0]))
        named = [(found[1], _plain(pieces[0])[found.end() :])] if found else [("", pieces[0])]
    for speaker, words in named:
        if text := _plain(words):
            yield Cue(start, end, speaker.strip(), text)


def _plain(words: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", words)).split())


def _seconds(times: re.Match[str], group: int) -> float:
    hours, minutes, seconds, fraction = times.group(group, group + 1, group + 2, group + 3)
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000


def _blocks(cues: list[Cue]) -> Iterator[Block]:
    """A paragraph ends with its speaker, in a pause, and after a sentence once it is long."""
    at = 0
    while at < len(cues):
        first, words = cues[at], [cues[at].text]
        while (following := cues[at + 1] if at + 1 < len(cues) else None) and _goes_on(first, cues[at], following):
            at += 1
            if cues[at].text != words[-1]:  # rolling captions say each line twice
                words.append(cues[at].text)
        at += 1
        name = f"{first.speaker}: " if first.speaker else ""
        yield Block(f"[{_clock(first.start_s)}] {name}{' '.join(words)}", BlockKind.LIST)


def _goes_on(first: Cue, last: Cue, following: Cue) -> bool:
    if following.speaker != first.speaker or following.start_s - last.end_s > _PAUSE_S:
        return False
    length = following.end_s - first.start_s
    return length <= _LONGEST_S / 2 or (length <= _LONGEST_S and not last.text.endswith(_SENTENCE_END))


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
