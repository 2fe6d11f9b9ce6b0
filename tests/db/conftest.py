"""A real SQLite catalogue, migrated once and copied for each test."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag_api.db.database import Database, migrate


@pytest.fixture(scope="session")
async def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("catalogue") / "empty.db"
    await asyncio.to_thread(migrate, f"sqlite:///{file}")
    return file


@pytest.fixture
async def db(migrated: Path, tmp_path: Path) -> AsyncIterator[Database]:
    file = tmp_path / "catalogue.db"
    shutil.copy(migrated, file)
    database = Database(f"sqlite:///{file}")
    yield database
    await database.close()
