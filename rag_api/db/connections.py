"""Connections to SQLite: in another thread, in the thread itself, and the one that is kept open for glances."""

import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event

from rag_api.db.prepared import is_prepared, run

BUSY_S = 20
PRAGMAS = ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON", "mmap_size=67108864")


class Remote:
    """A connection whose statements are made in a thread, their rows read there."""

    def __init__(self, trip: Callable[..., Coroutine[Any, Any, Any]], engine: sa.Engine) -> None:
        self._trip = trip
        self._engine = engine
        self._connection: sa.Connection | None = None

    async def execute(self, statement: sa.Executable, parameters: Any = None, /) -> sa.CursorResult[*tuple[Any, ...]]:
        result: sa.CursorResult[*tuple[Any, ...]] = await self._trip(self._execute, statement, parameters)
        return result

    def _execute(self, statement: sa.Executable, parameters: Any) -> Any:
        if self._connection is None:
            self._connection = self._engine.connect()
        result = self._connection.execute(statement, parameters)
        return result.freeze()() if result.returns_rows else result

    def end(self, is_good: bool) -> None:
        if self._connection is not None:
            with self._connection:
                (self._connection.commit if is_good else self._connection.rollback)()


class Local:
    """The same in the thread itself: what is awaited is there at once."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._driver = driver_of(connection)

    async def execute(self, statement: sa.Executable, parameters: Any = None, /) -> Any:
        if is_prepared(statement):
            return run(self._driver, statement, parameters or {})
        return self._connection.execute(statement, parameters)


class Glances:
    """One connection, kept open: to take it from a pool and to give it back costs more than a row."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = None

    @contextmanager
    def snapshot(self) -> Iterator[Local]:
        if self._connection is None:
            self._connection = self._engine.connect()
        driver = driver_of(self._connection)
        try:
            driver.execute("BEGIN").close()
            yield Local(self._connection)
        except sqlite3.Error as error:
            raise sa.exc.DBAPIError.instance(None, None, error, sqlite3.Error, hide_parameters=True) from error
        finally:
            self._connection.rollback()  # of nothing: what is read needs no commit
            if driver.in_transaction:
                driver.rollback()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()


def engine(url: sa.URL, cache_kb: int, *, size: int, begin: str, busy_s: int = BUSY_S) -> sa.Engine:
    made = sa.create_engine(url, pool_size=size, max_overflow=0, hide_parameters=True)

    @event.listens_for(made, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in (f"busy_timeout={busy_s * 1000}", f"cache_size={-cache_kb}", *PRAGMAS):
            connection.execute(f"PRAGMA {pragma}").close()

    if begin:

        @event.listens_for(made, "begin")
        def _begin(connection: sa.Connection) -> None:
            driver_of(connection).execute(begin).close()

    return made


def driver_of(connection: sa.Connection) -> sqlite3.Connection:
    driver: Any = connection.connection.driver_connection
    return cast(sqlite3.Connection, driver)
