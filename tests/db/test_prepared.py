"""Statements that SQLite's driver runs itself find what SQLAlchemy finds, and fail as it does."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    tuple_,
)
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateTable

from rag_api.db.database import Connection, Database
from rag_api.db.prepared import prepared

things = Table(
    "things",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("bytes", LargeBinary),
    Column("said", JSON),
)
BARE = (
    select(things, func.length(things.c.name).label("long"))
    .where(
        things.c.name.in_(bindparam("names", expanding=True)),
        tuple_(things.c.name, things.c.index).in_(bindparam("keys", expanding=True)),
        things.c.index >= bindparam("least"),
        things.c.index < 1_000,
    )
    .order_by(things.c.name, things.c.index)
)
PREPARED = prepared(BARE)


@pytest.fixture
async def db(tmp_path: Path) -> Any:
    database = Database(f"sqlite:///{tmp_path}/things.db")
    await database.change(_fill)
    yield database
    await database.close()


async def _fill(db: Connection) -> None:
    await db.execute(CreateTable(things))
    rows = [{"name": f"n{i}", "index": i, "bytes": bytes([i]), "said": {"i": i} if i % 2 else None} for i in range(40)]
    await db.execute(insert(things), rows)


async def _found(db: Connection, statement: Any, of: dict[str, Any]) -> list[dict[str, Any]]:
    return [row._asdict() for row in await db.execute(statement, of)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 8, 9, 40])
async def test_it_finds_what_sqlalchemy_finds(db: Database, count: int) -> None:
    of = {"names": [f"n{i}" for i in range(count)], "keys": [(f"n{i}", i) for i in range(count)], "least": 1}
    expected = await db.ask(_found, BARE, of)
    assert len(expected) == max(0, count - 1)
    assert await db.ask(_found, PREPARED, of) == await db.glance(_found, PREPARED, of) == expected


async def test_a_row_is_a_tuple_with_names(db: Database) -> None:
    async def first(db: Connection) -> Any:
        of = {"names": ["n3"], "keys": [("n3", 3)], "least": 0}
        one = (await db.execute(PREPARED, of)).first()
        names = list((await db.execute(PREPARED, of)).scalars())
        none = (await db.execute(PREPARED, of | {"least": 9})).first()
        return one, names, none

    one, names, none = await db.glance(first)
    assert tuple(one) == ("n3", 3, b"\3", {"i": 3}, 2)
    assert (one.name, one.said, one[1]) == ("n3", {"i": 3}, 3)
    assert names == ["n3"]
    assert none is None


async def test_what_the_driver_says_is_an_error_of_sqlalchemy(db: Database) -> None:
    async def wrong(db: Connection) -> None:
        await db.execute(prepared(select(func.no_such_function(things.c.name))))

    for ask in (db.ask, db.glance):
        with pytest.raises(OperationalError, match="no such function"):
            await ask(wrong)
    of = {"names": ["n1"], "keys": [("n1", 1)], "least": 0}
    assert len(await db.glance(_found, PREPARED, of)) == 1


async def test_a_glance_sees_one_state_throughout(db: Database) -> None:
    of = {"names": ["n1"], "keys": [("n1", 1)], "least": 0}
    assert len(await db.glance(_found, PREPARED, of)) == 1
    await db.change(_forget)
    assert await db.glance(_found, PREPARED, of) == []


async def _forget(db: Connection) -> None:
    await db.execute(things.delete())
