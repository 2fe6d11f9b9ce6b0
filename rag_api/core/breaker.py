"""When to leave a language model alone that keeps failing. Pure: whoever asks brings the time."""

import math
from typing import Literal, TypeAlias

State: TypeAlias = Literal["closed", "open", "half_open"]


class Breaker:
    """Opens after `failures` in a row, for `open_s` seconds; then one probe decides whether it closes.

    A probe that is heard closes it, and until it has come to a good end the next failure opens it again.
    """

    def __init__(self, *, failures: int, open_s: float) -> None:
        self._limit = failures
        self._open_s = open_s
        self._failures = 0
        self._open_until = -math.inf
        self._is_open = False
        self._is_probed = False

    def state(self, now_s: float) -> State:
        if not self._is_open:
            return "closed"
        return "open" if now_s < self._open_until else "half_open"

    def rest_s(self, now_s: float) -> float:
        return max(0.0, self._open_until - now_s) if self._is_open else 0.0

    def admits(self, now_s: float) -> bool:
        """Whether to try now. Each try that was admitted ends with one of `ended`, `failed` and `left`."""
        state = self.state(now_s)
        if state == "half_open" and not self._is_probed:
            self._is_probed = True
            return True
        return state == "closed"

    def heard(self) -> None:
        """The first words of a try have come."""
        if self._is_open:
            self._is_open = self._is_probed = False
            self._failures = self._limit - 1

    def ended(self) -> None:
        self.heard()
        self._failures = 0

    def failed(self, now_s: float) -> None:
        self._failures += 1
        self._is_probed = False
        if self._failures >= self._limit:
            self._is_open, self._open_until = True, now_s + self._open_s

    def left(self) -> None:
        """A try that says nothing about the model: its caller has gone, or the request was refused."""
        self._is_probed = False
