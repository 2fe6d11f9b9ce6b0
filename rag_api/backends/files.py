"""The original files, in a folder, under names of our own."""

import asyncio
import hashlib
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PIECE_BYTES = 1024**2
HEAD_BYTES = 4096


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
        """A copy that is on the disk when this returns."""
        return await asyncio.to_thread(self._keep, file)

    async def delete(self, name: str) -> None:
        await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

    def _keep(self, file: BinaryIO) -> StoredFile:
        name = uuid.uuid4().hex
        path = self.path(name)
        path.parent.mkdir(exist_ok=True)
        digest, size, head = hashlib.sha256(), 0, b""
        try:
            with path.open("xb") as copy:
                while piece := file.read(PIECE_BYTES):
                    head = head or piece[:HEAD_BYTES]
                    digest.update(piece)
                    size += copy.write(piece)
                copy.flush()
                os.fsync(copy.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return StoredFile(name, digest.hexdigest(), size, head)
