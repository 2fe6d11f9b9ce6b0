"""Calls that come while others are under way leave together: many callers, few round trips, and no timer.

Somebody who is alone waits for nobody. Who comes while `lanes` calls are under way waits for the first of them to
end, and then goes with others who waited: half of them, or `few` where that is more. All in one call would go on
together for ever, and whoever serves the next step would stand idle meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class SharedCalls(Generic[Item, Result]):
    """`call` gives a result for each item, in order. One that fails is made again for each of its items alone, so that
    nobody's item costs the others theirs."""

    def __init__(
        self, call: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], *, most: int, few: int = 0, lanes: int = 2
    ) -> None:
        self._call = call
        self._most = most
        self._few = few or most
        self._free = lanes
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._calls: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item) -> Result:
        if self._free and not self._waiting:
            return await self._ask_at_once(item)
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        self._go()
        return await answer

    async def _ask_at_once(self, item: Item) -> Result:
        self._free -= 1
        try:
            [result] = await self._call([item])
        finally:
            self._free += 1
            self._go()
        return result

    def _go(self) -> None:
        while self._free and self._waiting:
            waiting = len(self._waiting)
            together = [self._waiting.popleft() for _ in range(min(waiting, self._most, max(self._few, waiting // 2)))]
            together = [(item, answer) for item, answer in together if not answer.cancelled()]
            if together:
                self._free -= 1
                task = asyncio.create_task(self._ask(together))
                self._calls.add(task)
                task.add_done_callback(self._calls.discard)

    async def _ask(self, together: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        """The next call leaves before these go on with their results, so that whoever is called need not wait."""
        try:
            results = await self._call([item for item, _ in together])
            told = list(zip(together, results, strict=True))
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who asked
            if len(together) > 1:  # it may be about one of them
                await asyncio.gather(*(self._ask_alone(item, answer) for item, answer in together))
            elif not together[0][1].done():
                together[0][1].set_exception(error)
            self._end()
        except asyncio.CancelledError:  # the loop ends
            for _, answer in together:
                answer.cancel()
            raise
        else:
            self._end()
            for (_, answer), result in told:
                if not answer.done():
                    answer.set_result(result)

    def _end(self) -> None:
        self._free += 1
        self._go()

    async def _ask_alone(self, item: Item, answer: asyncio.Future[Result]) -> None:
        try:
            [result] = await self._call([item])
        except Exception as error:  # noqa: BLE001 - as above
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)
