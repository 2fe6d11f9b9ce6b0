"""Whoever has read nothing yet comes first."""

import asyncio
from contextlib import ExitStack

import pytest

from rag_api.services import rush as module
from rag_api.services.rush import MANY, Rush


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_where_few_ask_nobody_waits() -> None:
    rush = Rush()
    with ExitStack() as newcomers:
        for _ in range(MANY - 1):
            newcomers.enter_context(rush.newcomer())
        await asyncio.wait_for(rush.over(), 1)


async def test_many_are_waited_for_but_nobody_who_comes_later() -> None:
    rush = Rush()
    first = rush.newcomer()
    first.__enter__()
    waiting_for_one = [rush.newcomer() for _ in range(MANY)]
    for newcomer in waiting_for_one[1:]:
        newcomer.__enter__()
    waiting = asyncio.create_task(rush.over())
    await turns()
    with ExitStack() as later:
        for _ in range(MANY):
            later.enter_context(rush.newcomer())
        for newcomer in waiting_for_one[1:]:
            newcomer.__exit__(None, None, None)
        await turns()
        assert not waiting.done()
        first.__exit__(None, None, None)
        await asyncio.wait_for(waiting, 1)


async def test_waiting_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_S", 0.01)
    rush = Rush()
    with ExitStack() as newcomers:
        for _ in range(MANY):
            newcomers.enter_context(rush.newcomer())
        await asyncio.wait_for(rush.over(), 1)


async def test_who_stops_waiting_leaves_the_others_alone() -> None:
    rush = Rush()
    with ExitStack() as newcomers:
        for _ in range(MANY):
            newcomers.enter_context(rush.newcomer())
        stopped, waiting = asyncio.create_task(rush.over()), asyncio.create_task(rush.over())
        await turns()
        stopped.cancel()
        await turns()
        assert stopped.cancelled()
        assert not waiting.done()
    await asyncio.wait_for(waiting, 1)


async def test_it_is_over_when_few_are_left() -> None:
    rush = Rush()
    newcomers = [rush.newcomer() for _ in range(MANY)]
    for newcomer in newcomers:
        newcomer.__enter__()
    waiting = asyncio.create_task(rush.over())
    await turns()
    newcomers[-1].__exit__(None, None, None)
    await asyncio.wait_for(waiting, 1)
    for newcomer in newcomers[:-1]:
        newcomer.__exit__(None, None, None)
