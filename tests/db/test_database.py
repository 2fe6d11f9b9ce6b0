"""What every function of the catalogue relies on: one trip or many, a transaction is whole or nothing."""

import asyncio
import contextlib
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, inspect, text
from sqlalchemy.exc import OperationalError

from rag_api.db import collections, sqlite
from rag_api.db.database import MIGRATIONS, Connection, Database, migrate, newest_revision
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


async def in_which_thread(rows: Connection) -> threading.Thread:
    await rows.execute(text("SELECT 1"))
    return threading.current_thread()


async def test_a_glance_sees_what_was_changed_before_and_tells_what_is_wrong(db: Database) -> None:
    made = await db.change(collections.create, "faq")
    assert await db.glance(collections.get, "faq") == made
    with pytest.raises(CollectionNotFound):
        await db.glance(collections.get, "none")
    await db.change(collections.delete, "faq")
    with pytest.raises(CollectionNotFound):
        await db.glance(collections.get, "faq")


async def test_a_glance_at_a_file_is_a_trip_for_a_while_after_one_that_took_long(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WHILE_S", 0.3)
    monkeypatch.setattr(sqlite, "LONG_S", 60.0)
    for _ in range(3):
        assert await db.glance(in_which_thread) is threading.main_thread()
    monkeypatch.setattr(sqlite, "LONG_S", 0.0)
    assert await db.glance(in_which_thread) is threading.main_thread()
    assert await db.glance(in_which_thread) is not threading.main_thread()
    await asyncio.sleep(0.4)
    assert await db.glance(in_which_thread) is threading.main_thread()


async def test_a_glance_at_a_file_that_is_locked_is_a_trip(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LONG_S", 60.0)
    asked: list[bool] = []

    async def locked_at_first(rows: Connection) -> int:
        asked.append(threading.current_thread() is threading.main_thread())
        if len(asked) == 1:
            raise OperationalError("SELECT 1", None, Exception("database is locked"))
        return len((await rows.execute(text("SELECT 1"))).all())

    assert await db.glance(locked_at_first) == 1
    assert asked == [True, False]


def test_the_newest_revision_is_known_without_alembic() -> None:
    assert newest_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_a_catalogue_of_an_older_revision_is_brought_up_to_date(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url)
    command.upgrade(config, "0004")
    for _ in range(2):
        migrate(url)
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newest_revision()
            assert "keys" in inspect(engine).get_table_names()
