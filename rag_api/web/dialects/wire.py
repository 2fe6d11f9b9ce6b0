"""What the dialects share of server-sent events: bytes of one event, events of one batch."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import orjson

from rag_api.core.events import Event, Logged, Reasoned, TextAppended

DONE = b"data: [DONE]\n\n"
_LINE_ENDS = [(mark.encode(), f"\\u{ord(mark):04x}".encode()) for mark in ("\u0085", "\u2028", "\u2029")]


def line(body: Any) -> bytes:
    """One line of JSON. Line ends that some readers see beyond the standard's own are escaped in it."""
    data = orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS)
    for mark, escaped in _LINE_ENDS:
        data = data.replace(mark, escaped)
    return data


def event(body: Any, name: str = "") -> bytes:
    head = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (head, line(body))


def coalesced(batch: Sequence[Logged]) -> Iterator[Event]:
    """The events, texts that follow one another being one."""
    for _, group in groupby((logged.event for logged in batch), key=type):
        found = list(group)
        match first := found[0]:
            case TextAppended() | Reasoned():
                yield replace(first, text="".join(one.text for one in found if isinstance(one, type(first))))
            case _:
                yield from found
