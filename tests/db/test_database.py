"""What every function of the catalogue relies on: one trip or many, a transaction is whole or nothing."""

import asyncio
import contextlib

import pytest
from sqlalchemy import text

from rag_api.db import collections
from rag_api.db.database import Connection, Database
from rag_api.errors import CollectionExists, CollectionNotFound

COUNT = "SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000"


async def test_a_change_in_one_trip_is_kept(db: Database) -> None:
    made = await db.change(collections.create, "faq", description="questions")
    assert await db.ask(collections.get, "faq") == made


async def test_a_change_that_fails_leaves_nothing(db: Database) -> None:
    async def create_two(rows: Connection) -> None:
        await collections.create(rows, "faq")
        await collections.create(rows, "faq")

    with pytest.raises(CollectionExists):
        await db.change(create_two)
    with pytest.raises(CollectionNotFound):
        await db.ask(collections.get, "faq")


async def test_a_function_that_waits_for_something_else_is_told_so_and_leaves_nothing(db: Database) -> None:
    async def create_and_sleep(rows: Connection) -> None:
        await collections.create(rows, "faq")
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="create_and_sleep waits for something else than its connection"):
        await db.change(create_and_sleep)
    with pytest.raises(CollectionNotFound):
        await db.ask(collections.get, "faq")


async def test_what_is_asked_together_is_answered_to_each(db: Database) -> None:
    made = [await db.change(collections.create, f"c{i}") for i in range(60)]
    names = [name for i in range(60) for name in (f"c{i}", f"none{i}")]
    found = await asyncio.gather(*(db.ask(collections.get, name) for name in names), return_exceptions=True)
    assert found[::2] == made
    assert {type(one) for one in found[1::2]} == {CollectionNotFound}


async def test_who_leaves_costs_who_asked_with_it_nothing(db: Database) -> None:
    made = await db.change(collections.create, "faq")
    asked = [asyncio.create_task(db.ask(collections.get, "faq")) for _ in range(3)]
    await asyncio.sleep(0)
    asked[1].cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [found[0], found[2]] == [made, made]
    assert isinstance(found[1], asyncio.CancelledError)


async def test_what_was_written_before_is_seen(db: Database) -> None:
    async def write_and_read(i: int) -> None:
        made = await db.change(collections.create, f"c{i}")
        assert await db.ask(collections.get, f"c{i}") == made

    await asyncio.gather(*(write_and_read(i) for i in range(40)))


async def test_writers_take_turns(db: Database) -> None:
    async def create(i: int) -> None:
        async with db.write() as rows:
            await collections.create(rows, f"c{i}")
            await asyncio.sleep(0)

    await asyncio.gather(*(create(i) for i in range(20)), *(db.change(collections.create, f"d{i}") for i in range(20)))
    async with db.read() as rows:
        page = await collections.page(rows, limit=100, cursor=None)
    assert {row.name for row in page.items} >= {f"{kind}{i}" for kind in "cd" for i in range(20)}


async def test_whoever_is_cancelled_leaves_its_connection_usable_and_nothing_written(db: Database) -> None:
    async def create_slowly(name: str) -> None:
        async with db.write() as rows:
            await collections.create(rows, name)
            await rows.execute(text(f"WITH RECURSIVE n(i) AS ({COUNT}) SELECT max(i) FROM n"))
            await asyncio.sleep(0.01)

    for i in range(12):
        task = asyncio.create_task(create_slowly(f"c{i}"))
        await asyncio.sleep(0.003 * i)
        if not task.done():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert task.cancelled() or task.done()
        is_there = True
        try:
            await db.ask(collections.get, f"c{i}")
        except CollectionNotFound:
            is_there = False
        assert is_there is not task.cancelled()
    await db.change(collections.create, "faq")
