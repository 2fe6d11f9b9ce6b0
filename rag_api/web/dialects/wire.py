"""What the dialects share of server-sent events: bytes of one event."""

from typing import Any

import orjson

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


DONE = b"data: [DONE]\n\n"
