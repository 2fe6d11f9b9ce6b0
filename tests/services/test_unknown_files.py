"""Files that an upload left which was cut off."""

import asyncio
import io
import os
from pathlib import Path

import pytest

from rag_api.backends.files import FileStore, StoredFile
from rag_api.db import collections, versions
from rag_api.db.database import Database, migrate
from rag_api.db.versions import Incoming
from rag_api.services.reaper import UNDER_WAY_S, Reaper
from tests.fakes import MemoryLexicalIndex, MemoryVectorStore


@pytest.fixture
def files(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


async def keep(files: FileStore, *, age_s: float) -> StoredFile:
    stored = await files.keep(io.BytesIO(b"some bytes"))
    moment = files.path(stored.name).stat().st_mtime - age_s
    os.utime(files.path(stored.name), (moment, moment))
    return stored


async def test_only_what_is_old_and_unknown_is_removed(tmp_path: Path, files: FileStore) -> None:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    await asyncio.to_thread(migrate, url)
    db = Database(url)
    known, unknown = await keep(files, age_s=2 * UNDER_WAY_S), await keep(files, age_s=2 * UNDER_WAY_S)
    under_way = await keep(files, age_s=0)
    async with db.write() as rows:
        row = await collections.create(rows, "faq")
        item = Incoming("a.txt", known.sha256, known.size, "text/plain", "A", file=known.name)
        await versions.accept(rows, row.id, [item])
    await Reaper(db, files, MemoryVectorStore(), MemoryLexicalIndex()).remove_unknown_files()
    await db.close()
    assert [files.path(one.name).exists() for one in (known, unknown, under_way)] == [True, False, True]
