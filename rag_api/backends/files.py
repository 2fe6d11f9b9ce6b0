"""The original files, in a folder, under names of our own."""

import asyncio
import contextlib
import errno
import hashlib
import os
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rag_api.errors import StorageFull

PIECE_BYTES = 1024**2
HEAD_BYTES = 4096
FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`head`: the first bytes, for telling what kind of file it is."""

    name: str
    sha256: str
    size: int
    head: bytes


class FileStore:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    async def keep(self, file: BinaryIO) -> StoredFile:
        """A copy that is on the disk when this returns. Raises StorageFull."""
        return await asyncio.to_thread(self._keep, file)

    async def older_than(self, age_s: float) -> set[str]:
        """The names of the files that nobody has written to for so long."""
        return await asyncio.to_thread(self._older_than, time.time() - age_s)

    def _older_than(self, moment: float) -> set[str]:
        found: set[str] = set()
        for path in self._folder.glob("??/*"):
            with contextlib.suppress(FileNotFoundError):  # deleted while we look
                if path.stat().st_mtime < moment:
                    found.add(path.name)
        return found

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

    def _keep(self, file: BinaryIO) -> StoredFile:
        name = uuid.uuid4().hex
        path = self.path(name)
        digest, size, head = hashlib.sha256(), 0, b""
        try:
            path.parent.mkdir(exist_ok=True)
            with path.open("xb") as copy:
                while piece := file.read(PIECE_BYTES):
                    head = head or piece[:HEAD_BYTES]
                    digest.update(piece)
                    size += copy.write(piece)
                copy.flush()
                os.fsync(copy.fileno())
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno in FULL:
                raise StorageFull(
                    f"the disk of {self._folder} has no room left for this file; make some and send it again"
                ) from error
            raise
        return StoredFile(name, digest.hexdigest(), size, head)
