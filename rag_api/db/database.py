"""Connections and transactions."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from alembic import command
from alembic.config import Config
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from rag_api.errors import StorageFull

Connection: TypeAlias = AsyncConnection
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 20
TRUNCATE_S = 60
FULL = ("database or disk is full", "No space left on device")  # as SQLite and as Postgres say it


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Database:
    """`read` and `write` each give a connection in a transaction of its own: short, and never across a stream.

    SQLite has one writer at a time. A write takes that lock at its start (BEGIN IMMEDIATE), so it waits its turn
    instead of failing half way, and the writers of one process queue for one connection. Both raise StorageFull.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        is_sqlite = self._is_sqlite = make_url(url).get_backend_name() == "sqlite"
        self._readers = _engine(url, is_sqlite=is_sqlite, size=8, begin="BEGIN")
        self._writers = _engine(url, is_sqlite=is_sqlite, size=1 if is_sqlite else 8, begin="BEGIN IMMEDIATE")

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        with _full_disk_told():
            async with self._readers.connect() as connection:
                yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        with _full_disk_told():
            async with self._writers.begin() as connection:
                yield connection

    async def truncate_log(self) -> None:
        """SQLite's write-ahead log is copied into the file and emptied, as soon as nobody reads from it any more."""
        if not self._is_sqlite:
            return
        async with asyncio.timeout(TRUNCATE_S), self._writers.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            while True:
                async with driver.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                    (is_busy, *_) = await cursor.fetchone()
                if not is_busy:
                    return
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        await self._readers.dispose()
        await self._writers.dispose()


def migrate(url: str) -> None:
    """Brings the schema up to date; safe to repeat. Blocks."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")


@contextmanager
def _full_disk_told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not any(said in str(error.orig) for said in FULL):
            raise
        raise StorageFull(
            "the disk of the catalogue has no room left; make some (rag purge gives back what deleted documents took) "
            "and try again"
        ) from error


def _engine(url: str, *, is_sqlite: bool, size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0, pool_timeout=30, hide_parameters=True)
    if not is_sqlite:
        return engine

    @event.listens_for(engine.sync_engine, "connect")
    def _connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_S * 1000}", "journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON",
                       "secure_delete=ON", "cache_size=-32000", "mmap_size=268435456"):  # fmt: skip
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        # one hop to the driver's thread, where a cursor would take four
        connection.connection.dbapi_connection.run_async(lambda driver: driver.execute(begin))

    return engine
