"""A process of the supervisor's, from start to start."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rag_api.backends.process_table import ProcessState
from rag_api.telemetry import log

GIVE_UP = 5
WITHIN_S = 60.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
FAILED_PAUSE_S = 30.0
_PR_SET_PDEATHSIG = 1
_STARTED = int(1000 * time.time())


@dataclass(eq=False)
class Child:
    name: str
    command: Sequence[str]
    env: dict[str, str]
    descriptors: tuple[int, ...] = ()
    output: Path | None = None
    data: Path | None = None  # what it keeps; may be asked to begin without it
    nice: int = 0
    state: str = "starting"
    process: asyncio.subprocess.Process | None = None
    ends: list[float] = field(default_factory=list)
    starts: int = 0

    @property
    def shown(self) -> ProcessState:
        """With an incarnation that no other start of a process on this machine has."""
        pid = self.process.pid if self.process else 0
        return ProcessState(self.state, f"{pid}.{self.starts}.{_STARTED}", self.status)

    @property
    def status(self) -> int | None:
        """How it ended last, as long as it has not been started again."""
        return self.process.returncode if self.process else None

    async def start(self) -> None:
        with contextlib.ExitStack() as stack:
            output: Any = stack.enter_context(self.output.open("wb")) if self.output else None
            self.process = await asyncio.create_subprocess_exec(
                *self.command,
                env=self.env,
                pass_fds=self.descriptors,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                preexec_fn=partial(_before, self.nice),
            )
        self.state = "running"
        self.starts += 1

    async def ended(self) -> int:
        """Its status, as soon as it has one."""
        assert self.process
        return await self.process.wait()

    async def end(self, patience_s: float) -> None:
        """SIGTERM, and SIGKILL for one that does not listen."""
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(patience_s):
                await self.process.wait()
        except TimeoutError:
            log(__name__).warning("does not end, killed", child=self.name)
            self.process.kill()
            await self.process.wait()

    def pause_s(self, now: float) -> float:
        """How long to wait before it is started again; also notes its end."""
        self.ends = [*(at for at in self.ends if now - at < WITHIN_S), now]
        if len(self.ends) >= GIVE_UP or (self.state == "failed"):
            self.state = "failed"
            return FAILED_PAUSE_S
        self.state = "restarting"
        return PAUSES_S[min(len(self.ends), len(PAUSES_S)) - 1]


def _before(nice: int) -> None:
    """In the child, between fork and exec: it dies with its parent."""
    if nice:
        with contextlib.suppress(OSError):  # a sandbox forbids it
            os.nice(nice)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
