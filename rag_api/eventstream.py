"""Server-sent events, to the letter of the HTML standard's section 9.2.6, from bytes that arrive in any pieces."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"([^\r\n]*)(\r\n|\n|\r)")


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    event: str
    data: str
    id: str


class EventStreamDecoder:
    """`feed` takes bytes and gives the events that are complete. What follows the last blank line is never given."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._is_first = True
        self._event, self._id = "", ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        text = self._rest + self._decode(piece)
        if self._is_first and text:
            text, self._is_first = text.removeprefix("\ufeff"), False
        at = 0
        for match in _LINE.finditer(text):
            if match[2] == "\r" and match.end() == len(text):
                break  # the second half of a CRLF may be on its way
            at = match.end()
            if event := self._line(match[1]):
                yield event
        self._rest = text[at:]

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._event or "message", "\n".join(self._data), self._id) if self._data else None
        self._event, self._data = "", []
        return event
