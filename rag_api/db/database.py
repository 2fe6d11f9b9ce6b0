"""Connections and transactions."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import CursorResult, Executable, create_engine, pool, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import create_async_engine

from rag_api.db.sqlite import CACHE_KB, TURN_S, Sqlite
from rag_api.errors import StorageFull

P = ParamSpec("P")
T = TypeVar("T")
MIGRATIONS = Path(__file__).parent / "migrations"
CONNECTIONS = 8
FULL = ("database or disk is full", "No space left on device")  # as SQLite and as Postgres say it


class Connection(Protocol):
    """What the functions of this package ask. They await nothing else, so that `Database.ask` may run them whole."""

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[*tuple[Any, ...]]: ...


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Database:
    """Transactions, short and never across a stream; all raise StorageFull.

    `read` and `write` give a connection. `ask` and `change` run one function of this package in a transaction of its
    own, in a single trip where the database is a file: the cheaper way wherever one function will do. `cache_kb`: what
    each connection to a file keeps of it.
    """

    def __init__(self, url: str, *, cache_kb: int = CACHE_KB) -> None:
        self.url = url
        is_file = make_url(url).get_backend_name() == "sqlite"
        self._backend: Sqlite | _Server = Sqlite(url, cache_kb=cache_kb) if is_file else _Server(url)

    def read(self) -> AbstractAsyncContextManager[Connection]:
        return self._transaction(is_write=False)

    def write(self) -> AbstractAsyncContextManager[Connection]:
        return self._transaction(is_write=True)

    async def ask(
        self, function: Callable[Concatenate[Connection, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with _full_disk_told():
            return await self._backend.run(function, args, kwargs, is_write=False)

    async def glance(
        self, function: Callable[Concatenate[Connection, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `ask`, for a few rows by their keys: from a file they are read at once, without a trip."""
        with _full_disk_told():
            return await self._backend.glance(function, args, kwargs)

    async def change(
        self, function: Callable[Concatenate[Connection, P], Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with _full_disk_told():
            return await self._backend.run(function, args, kwargs, is_write=True)

    async def truncate_log(self) -> None:
        """SQLite's write-ahead log is copied into the file and emptied, as soon as nobody reads from it any more."""
        if isinstance(self._backend, Sqlite):
            await self._backend.truncate_log()

    async def close(self) -> None:
        await self._backend.close()

    @asynccontextmanager
    async def _transaction(self, *, is_write: bool) -> AsyncIterator[Connection]:
        with _full_disk_told():
            async with self._backend.transaction(is_write=is_write) as connection:
                yield connection


class _Server:
    """A database that is reached over a network."""

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(
            url, pool_size=CONNECTIONS, max_overflow=CONNECTIONS, pool_timeout=TURN_S, hide_parameters=True
        )

    @asynccontextmanager
    async def transaction(self, *, is_write: bool) -> AsyncIterator[Connection]:
        async with self._engine.begin() if is_write else self._engine.connect() as connection:
            yield connection

    async def run(
        self, function: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any, *, is_write: bool
    ) -> T:
        async with self.transaction(is_write=is_write) as connection:
            return await function(connection, *args, **kwargs)

    async def glance(self, function: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any) -> T:
        return await self.run(function, args, kwargs, is_write=False)

    async def close(self) -> None:
        await self._engine.dispose()


def migrate(url: str) -> None:
    """Brings the schema up to date; safe to repeat. Blocks."""
    if _revision(url) == newest_revision():
        return
    from alembic import command  # which is more than the rest of this layer, and a catalogue is mostly up to date
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    command.upgrade(config, "head")


def newest_revision() -> str:
    """That of the catalogue's newest schema, by which the migration's file is named."""
    return max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]


def _revision(url: str) -> str:
    """Of a catalogue in a file; empty where there is none yet, and for one on a server."""
    address = make_url(url)
    if address.get_backend_name() != "sqlite":
        return ""
    engine = create_engine(address.set(drivername="sqlite"), poolclass=pool.NullPool)
    try:
        with engine.connect() as connection:
            return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
    except OperationalError:  # no such table, or what the migration will say
        return ""


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
