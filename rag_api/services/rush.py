"""Many questions at once: whoever has read nothing yet comes first.

What an answer needs at its end alone, as the verdicts on what it states without a citation, waits while many questions
still have their passages looked for: those that were there before. So it waits for nobody who comes later, and at most
for `MOST_S`; where few ask it does not wait at all.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

MANY = 32  # questions: fewer are through before waiting would be worth it
MOST_S = 1.0


class Rush:
    def __init__(self) -> None:
        self._open: dict[int, None] = {}  # newcomers by number, the oldest first
        self._next = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @contextmanager
    def newcomer(self) -> Iterator[None]:
        """Whoever is to come first: until its passages are found."""
        mine, self._next = self._next, self._next + 1
        self._open[mine] = None
        try:
            yield
        finally:
            del self._open[mine]
            self._let_go()

    async def over(self) -> None:
        """The newcomers of this moment are through, or have been waited for long enough, or are few."""
        if len(self._open) < MANY:
            return
        loop = asyncio.get_running_loop()
        through = loop.create_future()
        self._waiting.append((self._next, through))
        limit = loop.call_later(MOST_S, _tell, through)
        try:
            await through
        finally:
            limit.cancel()

    def _let_go(self) -> None:
        oldest = next(iter(self._open)) if len(self._open) >= MANY else self._next
        while self._waiting and self._waiting[0][0] <= oldest:
            _, through = self._waiting.popleft()
            _tell(through)


def _tell(through: asyncio.Future[None]) -> None:
    if not through.done():
        through.set_result(None)
