"""Server-sent events, to the letter of the HTML standard's section 9.2.6, from bytes that arrive in any pieces."""

import codecs
from typing import NamedTuple


class ServerSentEvent(NamedTuple):
    """A tuple, as a stream makes one for each token."""

    event: str
    data: str
    id: str


class EventStreamDecoder:
    """`feed` takes bytes and gives the events that are complete. What follows the last blank line is never given."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._begun: list[str] = []  # the pieces of a line whose end has not come
        self._is_first = True
        self._after_cr = False
        self._event, self._id = "", ""
        self._data: list[str] = []

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        text = self._decode(piece)
        if self._is_first and text:
            text, self._is_first = text.removeprefix("\ufeff"), False
        if self._after_cr and text:
            text, self._after_cr = text.removeprefix("\n"), False  # the second half of a CRLF
        if "\r" in text:
            self._after_cr = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        first, *lines = text.split("\n")
        self._begun.append(first)
        if not lines:
            return []
        lines.insert(0, "".join(self._begun))
        self._begun = [lines.pop()]
        found: list[ServerSentEvent] = []
        for line in lines:
            if line.startswith("data: "):  # nearly all of them
                self._data.append(line[6:])
            elif line:
                self._field(line)
            else:
                if self._data:
                    found.append(ServerSentEvent(self._event or "message", "\n".join(self._data), self._id))
                self._event, self._data = "", []
        return found

    def _field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
