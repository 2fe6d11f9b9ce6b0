import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rag_api.backends.matrix import MatrixFolder
from rag_api.db.database import Database, migrate
from tests.db.catalogue import new_collection
from tests.services.library import KnownLibrary


@pytest.fixture(scope="session")
async def empty_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("empty") / "catalogue.db"
    await asyncio.to_thread(migrate, f"sqlite:///{file}")
    return file


@pytest.fixture
async def known(empty_catalogue: Path, tmp_path: Path) -> AsyncIterator[KnownLibrary]:
    file = tmp_path / "known.db"
    shutil.copy(empty_catalogue, file)
    db = Database(f"sqlite:///{file}")
    yield KnownLibrary(db, await new_collection(db))
    await db.close()


@pytest.fixture
async def matrices(tmp_path: Path) -> AsyncIterator[MatrixFolder]:
    folder = MatrixFolder(tmp_path / "matrix")
    yield folder
    await folder.close()
