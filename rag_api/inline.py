"""What the event loop does by itself because a trip to a thread would cost more, as long as it is short."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

LONG_S, WHILE_S = 0.02, 1.0


class Inline:
    """Is off for a while once two in a while took long: a single one may have lost the processor in its midst."""

    def __init__(self) -> None:
        self._off_until = self._last_long = -WHILE_S

    @property
    def is_on(self) -> bool:
        return time.monotonic() >= self._off_until

    @contextmanager
    def timed(self) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            if ended - began > LONG_S:
                if ended - self._last_long < WHILE_S:
                    self.switch_off()
                self._last_long = ended

    def switch_off(self) -> None:
        """For a while."""
        self._off_until = time.monotonic() + WHILE_S
