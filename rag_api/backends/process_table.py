"""What the supervisor says of its children, and what may be asked of it: small files in the home."""

import asyncio
import re
import signal
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
NOT_OURS = "a server of its own"


@dataclass(frozen=True, slots=True)
class ProcessState:
    """`incarnation` is another one each time the process is started; `status` is how it has ended."""

    state: str
    incarnation: str = ""
    status: int | None = None


class ProcessTable:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "processes.json"
        self._wish = folder / "empty-chroma"
        self._lesser_wish = folder / "restart-chroma"

    async def states(self) -> Mapping[str, str]:
        table = await asyncio.to_thread(self._read)
        return {name: process.state for name, process in table.items()}

    async def incarnation(self) -> str | None:
        """Of Chroma: None while it does not run, a constant where it is a server of its own."""
        chroma = (await asyncio.to_thread(self._read)).get("chroma")
        if chroma is None:
            return NOT_OURS
        return chroma.incarnation if chroma.state == "running" else None

    async def cannot_start(self) -> bool:
        """Whether Chroma ends by itself again and again, as it does over files that it can't read."""
        chroma = (await asyncio.to_thread(self._read)).get("chroma")
        return bool(chroma and chroma.state == "failed" and chroma.status and -chroma.status not in FROM_OUTSIDE)

    async def memory_bytes(self) -> int:
        """That Chroma has for itself; 0 where it is a server of its own, or where the system does not tell."""
        chroma = (await asyncio.to_thread(self._read)).get("chroma")
        pid = chroma.incarnation.partition(".")[0] if chroma and chroma.state == "running" else ""
        return await asyncio.to_thread(_anonymous_bytes, pid) if pid else 0

    async def restart(self) -> None:
        """Asks the supervisor to end Chroma and start it again."""
        await asyncio.to_thread(self._lesser_wish.touch)

    def is_to_be_restarted(self) -> bool:
        return self._lesser_wish.exists()

    def is_being_restarted(self) -> None:
        self._lesser_wish.unlink(missing_ok=True)

    async def empty(self) -> bool:
        """Asks the supervisor to start Chroma with an empty folder; False where it is a server of its own."""
        if await self.incarnation() == NOT_OURS:
            return False
        await asyncio.to_thread(self._wish.touch)
        return True

    def is_to_be_emptied(self) -> bool:
        return self._wish.exists()

    def has_been_emptied(self) -> None:
        self._wish.unlink(missing_ok=True)

    def write(self, states: Mapping[str, ProcessState]) -> None:
        partial = self._file.with_suffix(".partial")
        partial.write_bytes(orjson.dumps({name: asdict(process) for name, process in states.items()}))
        partial.replace(self._file)

    def _read(self) -> Mapping[str, ProcessState]:
        try:
            table = orjson.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        return {name: ProcessState(**process) for name, process in table.items()}


def _anonymous_bytes(pid: str) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s*(\d+) kB$", status, re.MULTILINE)
    return 1024 * int(found.group(1)) if found else 0
