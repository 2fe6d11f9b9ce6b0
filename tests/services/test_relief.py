"""When a vector store is started again because of its memory, and who waits for it."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rag_api.db import collections
from rag_api.db.database import Database
from rag_api.services import upkeep as module
from rag_api.services.upkeep import CHECKED_FACT, Upkeep

LIMIT = 1_000


class Process:
    def __init__(self) -> None:
        self.starts = 1
        self.memory = LIMIT + 1

    async def incarnation(self) -> str | None:
        return str(self.starts)

    async def cannot_start(self) -> bool:
        return False

    async def memory_bytes(self) -> int:
        return self.memory

    async def restart(self) -> None:
        self.starts += 1

    async def empty(self) -> bool:
        raise AssertionError("nothing is to be emptied")


class Reconciler:
    def __init__(self) -> None:
        self.compared = 0

    async def reconcile(self) -> None:
        self.compared += 1

    async def ping(self) -> None:
        pass


class Reaper:
    async def reap_some(self) -> bool:
        return False

    async def remove_unknown_files(self) -> None:
        pass


class House(SimpleNamespace):
    db: Database
    process: Process
    reconciler: Reconciler
    turn: asyncio.Lock
    upkeep: Upkeep


@pytest.fixture
async def house(empty_catalogue: Path, tmp_path: Path) -> AsyncIterator[House]:
    shutil.copy(empty_catalogue, tmp_path / "known.db")
    db = Database(f"sqlite:///{tmp_path / 'known.db'}")
    process, reconciler, turn = Process(), Reconciler(), asyncio.Lock()
    parts: Any = (db, Reaper(), reconciler, process, SimpleNamespace(turn=turn))
    upkeep = Upkeep(*parts, memory_bytes=LIMIT)
    yield House(db=db, process=process, reconciler=reconciler, turn=turn, upkeep=upkeep)
    await db.close()


async def test_a_store_with_too_much_is_started_again_without_being_compared_again(house: House) -> None:
    await house.upkeep.once()
    assert (house.process.starts, house.reconciler.compared) == (2, 1)
    assert await house.db.ask(collections.fact, CHECKED_FACT) == "2"
    await house.upkeep.once()
    assert house.reconciler.compared == 1


async def test_it_waits_until_nobody_writes(house: House) -> None:
    async with house.turn:
        working = asyncio.create_task(house.upkeep.once())
        done, _ = await asyncio.wait([working], timeout=0.2)
        assert not done and house.process.starts == 1
    await asyncio.wait_for(working, 10)
    assert house.process.starts == 2


async def test_a_store_within_its_limit_is_left_alone(house: House) -> None:
    house.process.memory = LIMIT
    await house.upkeep.once()
    assert house.process.starts == 1


async def test_it_is_not_started_again_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.upkeep.once()
    await house.upkeep.once()
    assert house.process.starts == 2
    monkeypatch.setattr(module, "RELIEF_S", 0.0)
    house.upkeep._relief_at = 0.0
    await house.upkeep.once()
    await house.upkeep.once()
    assert house.process.starts == 4


async def test_one_that_has_come_back_by_itself_is_compared_first(house: House) -> None:
    house.process.memory = 0
    await house.upkeep.once()
    house.process.starts, house.process.memory = 5, LIMIT + 1
    await house.upkeep.once()
    assert (house.process.starts, house.reconciler.compared) == (6, 2)
