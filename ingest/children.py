"""A parser's child process, from its start to its end, with a folder of its own to write to."""

import asyncio
import contextlib
import os
import resource
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_FOLDERS = "rag-parser-"
_WATCH_S = 0.05
DYING_S = 2.0


@dataclass(slots=True)
class Child:
    """`member` is what it reads of an archive, with its index, and `attachment` the place of what it reads of a mail.

    `peak_bytes` of address space, as far as watched.
    """

    process: asyncio.subprocess.Process
    folder: Path
    files: int = 0
    is_at_rest: bool = True
    member: tuple[str, int] | None = None
    attachment: int | None = None
    peak_bytes: int = 0

    @classmethod
    async def start(cls, memory_bytes: int) -> "Child":
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix=f"{_FOLDERS}{os.getpid()}-"))
        own = {"TMPDIR": str(folder), "TOKENIZERS_PARALLELISM": "false"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ingest.sandbox_child",
            str(memory_bytes),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=_without_secrets() | own | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        )
        return cls(process, folder)

    def begin(self) -> None:
        self.files += 1
        self.is_at_rest, self.member, self.attachment, self.peak_bytes = False, None, None, 0

    async def watch(self) -> None:
        """Where there is no /proc, the reason of a death stays unknown."""
        while (size := _address_space(self.process.pid)) is not None:
            self.peak_bytes = max(self.peak_bytes, size)
            await asyncio.sleep(_WATCH_S)

    async def status(self) -> int:
        """Of a child that has closed its output; one that runs on for DYING_S is killed.

        Only then: to signal a process that has just ended takes its status away from who waits for it, who says 255.
        """
        try:
            async with asyncio.timeout(DYING_S):
                return await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            return await self.process.wait()

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.communicate()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


def sweep() -> None:
    """Removes the folders of children whose parent is no more: it was killed and could not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDERS}*"):
        pid = folder.name.removeprefix(_FOLDERS).partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _address_space(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()
    except (OSError, IndexError):
        return None


def _without_secrets() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
