"""SQLite behind the event loop: a statement, or a whole function of statements, is one trip to a thread.

A trip costs some 0.1 ms and the interpreter's lock twice. A driver that makes one for each step of a statement spends
more on them than SQLite spends on the query. Functions that are asked for in one turn of the loop go together: a
hundred questions at once make a few trips, and one that is alone waits for nobody. Who looks up a few rows by their
keys makes no trip at all, as two threads that share the interpreter's lock cost more than the rows: `glance` reads in
the loop. When that took long, or somebody holds the file's lock, such reads make trips like others for a while.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from rag_api.db.connections import Glances, Local, Remote, engine

T = TypeVar("T")
READERS = 8
READS_A_TRIP = 25
TURN_S = 30
TRUNCATE_S = 60
LONG_S, WHILE_S = 0.02, 1.0
CACHE_KB = 8_000  # of pages, for each of ten connections


class Sqlite:
    """One writer at a time, which takes the lock at its start (BEGIN IMMEDIATE), so it waits instead of failing."""

    def __init__(self, url: str, *, cache_kb: int = CACHE_KB) -> None:
        file = make_url(url).set(drivername="sqlite")
        self._readers = _Side(engine(file, cache_kb, size=READERS, begin="BEGIN"), asyncio.Semaphore(READERS))
        self._writers = _Side(engine(file, cache_kb, size=1, begin="BEGIN IMMEDIATE"), asyncio.Semaphore(1))
        self._glances = Glances(engine(file, cache_kb, size=1, begin="", busy_s=0))
        self._no_glance_before = 0.0
        self._threads = ThreadPoolExecutor(READERS + 1, thread_name_prefix="catalogue")
        self._asked: list[_Read] = []
        self._reading: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def transaction(self, *, is_write: bool) -> AsyncIterator["Remote"]:
        side = self._writers if is_write else self._readers
        async with side.turn():
            connection = Remote(self._trip, side.engine)
            try:
                yield connection
            except BaseException:
                await self._trip(connection.end, False)
                raise
            await self._trip(connection.end, True)

    async def run(
        self, function: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any, *, is_write: bool
    ) -> T:
        if not is_write:
            read = _Read(function, args, kwargs, asyncio.get_running_loop().create_future())
            self._asked.append(read)
            if len(self._asked) == 1:
                asyncio.get_running_loop().call_soon(self._read)
            result: T = await read.answer
            return result
        async with self._writers.turn():
            return await self._trip(_whole, self._writers.engine, function, args, kwargs)

    async def glance(self, function: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any) -> T:
        began = time.monotonic()
        if began >= self._no_glance_before:
            try:
                with self._glances.snapshot() as connection:
                    return _done(function, connection, args, kwargs)
            except sa.exc.OperationalError:  # locked; whatever else it is, the trip meets it again
                self._no_glance_before = began + WHILE_S
            finally:
                if time.monotonic() - began > LONG_S:
                    self._no_glance_before = time.monotonic() + WHILE_S
        return await self.run(function, args, kwargs, is_write=False)

    def _read(self) -> None:
        asked, self._asked = self._asked, []
        for at in range(0, len(asked), READS_A_TRIP):
            task = asyncio.create_task(self._read_together(asked[at : at + READS_A_TRIP]))
            self._reading.add(task)
            task.add_done_callback(self._reading.discard)

    async def _read_together(self, asked: Sequence["_Read"]) -> None:
        try:
            async with self._readers.turn():
                await self._trip(_all, self._readers.engine, [read for read in asked if not read.answer.cancelled()])
        except asyncio.CancelledError:  # the loop ends
            for read in asked:
                read.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - of the trip itself, so of all
            for read in asked:
                read.error = error
        for read in asked:
            read.tell()

    async def truncate_log(self) -> None:
        async with asyncio.timeout(TRUNCATE_S), self._writers.turn():
            while True:
                if not await self._trip(_is_log_in_use, self._writers.engine):
                    return
                await asyncio.sleep(0.1)

    async def close(self) -> None:
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self._trip(self._readers.engine.dispose)
        await self._trip(self._writers.engine.dispose)
        await self._trip(self._glances.close)
        self._threads.shutdown()

    async def _trip(self, function: Callable[..., T], *args: Any) -> T:
        trip = asyncio.get_running_loop().run_in_executor(self._threads, function, *args)
        try:
            return await asyncio.shield(trip)
        except asyncio.CancelledError:
            while not trip.done():  # or the connection would serve two
                try:
                    await asyncio.wait([trip])
                except asyncio.CancelledError:
                    continue
            trip.exception()
            raise


@dataclass(slots=True)
class _Read:
    function: Callable[..., Coroutine[Any, Any, Any]]
    args: Any
    kwargs: Any
    answer: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None

    def tell(self) -> None:
        if self.answer.done():
            return
        if self.error:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)


class _Side:
    def __init__(self, engine: sa.Engine, turns: asyncio.Semaphore) -> None:
        self.engine = engine
        self._turns = turns

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        if self._turns.locked():
            async with asyncio.timeout(TURN_S):
                await self._turns.acquire()
        else:
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()


def _whole(engine: sa.Engine, function: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any) -> T:
    with engine.begin() as connection:
        return _done(function, Local(connection), args, kwargs)


def _all(engine: sa.Engine, reads: Sequence[_Read]) -> None:
    with engine.begin() as connection:
        for read in reads:
            try:
                read.result = _done(read.function, Local(connection), read.args, read.kwargs)
            except Exception as error:  # noqa: BLE001 - it belongs to who asked, and costs the others nothing
                read.error = error


def _done(function: Callable[..., Coroutine[Any, Any, T]], connection: Local, args: Any, kwargs: Any) -> T:
    asked = function(connection, *args, **kwargs)
    try:
        asked.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    asked.close()
    raise RuntimeError(f"{function.__qualname__} waits for something else than its connection")


def _is_log_in_use(engine: sa.Engine) -> bool:
    connection = engine.raw_connection()
    try:
        (is_busy, *_) = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return bool(is_busy)
    finally:
        connection.close()
