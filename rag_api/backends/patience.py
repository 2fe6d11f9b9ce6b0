"""A limit on many short waits that follow each other.

As asyncio.timeout, but with one timer for all of them, which looks again when it fires: a token that comes in time
costs no timer.
"""

import asyncio
import time
from collections.abc import Callable
from types import TracebackType


class Patience:
    """`with` it one waits until the moment that `due` gives, by time.monotonic, then TimeoutError is raised. For one
    task; to be ended."""

    def __init__(self, due: Callable[[], float]) -> None:
        self._due = due
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = 0.0
        self._task: asyncio.Task[object] | None = None
        self._is_waiting = False
        self._cancelling = 0
        self._is_over = False

    def __enter__(self) -> None:
        if self._task is None:
            self._task = asyncio.current_task()
            assert self._task
        self._is_waiting = True
        self._cancelling = self._task.cancelling()
        if self._timer is None or self._due() < self._looks_at:  # the moment may have been brought forward
            self.end()
            self._look()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_waiting = False
        if not self._is_over:
            return
        self._is_over = False
        assert self._task
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def end(self) -> None:
        if self._timer:
            self._timer.cancel()

    def _look(self) -> None:
        """Its time may have been moved; nobody may be waiting just now."""
        self._timer = None
        self._looks_at = self._due()
        left_s = self._looks_at - time.monotonic()
        if left_s > 0:
            self._timer = asyncio.get_running_loop().call_later(left_s, self._look)
        elif self._is_waiting and self._task:
            self._is_over = True
            self._task.cancel()
