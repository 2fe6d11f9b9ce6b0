import asyncio
from collections.abc import Sequence

import pytest

from rag_api.backends.sharing import SharedCalls


class Doubling:
    """Doubles numbers when it is let; refuses any call in which there is a 13."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.let = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.calls.append(list(items))
        await self.let.wait()
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


async def test_who_is_alone_goes_at_once_and_who_comes_meanwhile_goes_together() -> None:
    doubling = Doubling()
    shared = SharedCalls(doubling, most=3, lanes=1)
    asked = [asyncio.create_task(shared.ask(i)) for i in range(6)]
    await asyncio.sleep(0.01)
    assert doubling.calls == [[0]]
    doubling.let.set()
    assert await asyncio.gather(*asked) == [0, 2, 4, 6, 8, 10]
    assert doubling.calls == [[0], [1, 2, 3], [4, 5]]


async def test_one_bad_item_costs_the_others_nothing() -> None:
    doubling = Doubling()
    shared = SharedCalls(doubling, most=8, lanes=1)
    asked = [asyncio.create_task(shared.ask(i)) for i in (1, 2, 13, 3)]
    doubling.let.set()
    results = await asyncio.gather(*asked, return_exceptions=True)
    assert [results[0], results[1], results[3]] == [2, 4, 6]
    assert isinstance(results[2], ValueError)


async def test_who_left_is_not_asked_for_and_the_lane_is_free_again() -> None:
    doubling = Doubling()
    shared = SharedCalls(doubling, most=8, lanes=1)
    asked = [asyncio.create_task(shared.ask(i)) for i in range(3)]
    await asyncio.sleep(0.01)
    asked[0].cancel()
    asked[1].cancel()
    await asyncio.sleep(0.01)
    doubling.let.set()
    assert await asked[2] == 4
    assert doubling.calls == [[0], [2]]
    assert await shared.ask(5) == 10
    with pytest.raises(asyncio.CancelledError):
        await asked[0]
