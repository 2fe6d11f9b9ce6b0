"""What may be believed for a moment without asking again."""

import time
from typing import Generic, TypeVar

T = TypeVar("T")


class Briefly(Generic[T]):
    """At most `entries` values, each for `seconds`; the oldest is pushed out."""

    def __init__(self, *, seconds: float, entries: int) -> None:
        self._seconds = seconds
        self._entries = entries
        self._kept: dict[bytes, tuple[float, T]] = {}
        self.cleared = 0  # how often: what was looked up before the last time may be wrong

    def get(self, name: bytes) -> T | None:
        kept = self._kept.get(name)
        if kept and time.monotonic() < kept[0]:
            return kept[1]
        return None

    def keep(self, name: bytes, value: T, *, looked_up_at: int) -> None:
        """`looked_up_at`: what `cleared` was then."""
        if looked_up_at != self.cleared:
            return
        self._kept.pop(name, None)
        self._kept[name] = (time.monotonic() + self._seconds, value)
        while len(self._kept) > self._entries:
            del self._kept[next(iter(self._kept))]

    def clear(self) -> None:
        self.cleared += 1
        self._kept.clear()
