"""The processes of one machine: Chroma, the embedder, the API and the worker.

Purpose: one command serves; any of them may be killed at any time and is started again; none outlives the supervisor.
Mechanism: the listening socket is bound here and handed to the API, so a port in use is known before anything starts
and an API that is started again loses no connection. Each child has a process group of its own, not a session, and
dies with its parent. One that ends is started again after a growing pause; one that ends GIVE_UP times within a minute
is shown as failed and tried on more slowly. They end in order: API, worker, embedder, Chroma.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag_api.backends.process_table import ProcessState, ProcessTable
from rag_api.db.database import migrate
from rag_api.errors import InvalidSettings, PortInUse
from rag_api.home import announce, own_home
from rag_api.settings import Settings
from rag_api.telemetry import log

GIVE_UP = 5
WITHIN_S = 60.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0)
FAILED_PAUSE_S = 30.0
TERMINATE_S = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLL_S = 0.5
_PR_SET_PDEATHSIG = 1
_STARTED = int(1000 * time.time())
# large activations make glibc map and unmap memory at every pass unless it is told to keep some
EMBEDDER_ENV = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(512 * 1024**2),
    "MALLOC_TOP_PAD_": str(64 * 1024**2),
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


@dataclass(eq=False)
class Child:
    name: str
    command: Sequence[str]
    env: dict[str, str]
    descriptors: tuple[int, ...] = ()
    output: Path | None = None
    data: Path | None = None  # what it keeps; may be asked to begin without it
    state: str = "starting"
    process: asyncio.subprocess.Process | None = None
    ends: list[float] = field(default_factory=list)
    starts: int = 0

    @property
    def shown(self) -> ProcessState:
        """With an incarnation that no other start of a process on this machine has."""
        pid = self.process.pid if self.process else 0
        return ProcessState(self.state, f"{pid}.{self.starts}.{_STARTED}")

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
                preexec_fn=_die_with_parent,
            )
        self.state = "running"
        self.starts += 1

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


@dataclass(frozen=True, slots=True)
class Running:
    url: str
    children: Sequence[Child]


@asynccontextmanager
async def running(settings: Settings, *, samples: Path | None = None, serves: bool = True) -> AsyncIterator[Running]:
    """The whole service, owned by this process, until the end of the block.

    `serves`: on the host and port of the settings; else on a free port of loopback, for a command's own use.
    Raises StartupError.
    """
    host, port = (settings.host, settings.port) if serves else ("127.0.0.1", 0)
    _refuse_open_door(host, settings)
    with own_home(settings.home), contextlib.ExitStack() as stack:
        listening = stack.enter_context(bind(host, port))
        sockets = Path(tempfile.mkdtemp(prefix="rag-"))  # a Unix socket's path must be short, a home's need not be
        stack.callback(shutil.rmtree, sockets, ignore_errors=True)
        children = plan(settings, listening, sockets, samples)
        table = ProcessTable(settings.home / "run")
        _write(children, table)
        early, late = children[:-2], children[-2:]  # the API and the worker meet a catalogue that is up to date
        watches = [asyncio.create_task(_watch(child, children, table)) for child in early]
        watches += [asyncio.create_task(_empty_on_request(child, table)) for child in children if child.data]
        await asyncio.to_thread(migrate, settings.database)
        watches += [asyncio.create_task(_watch(child, children, table)) for child in late]
        url = f"http://{_shown(host)}:{listening.getsockname()[1]}"
        announce(settings.home, url)
        try:
            yield Running(url, children)
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            for child in sorted(children, key=lambda child: END_ORDER.index(child.name)):
                await child.end(settings.shutdown_s + TERMINATE_S)
            announce(settings.home, "")


END_ORDER = ("api", "worker", "embedder", "chroma")


def plan(settings: Settings, listening: socket.socket, sockets: Path, samples: Path | None) -> list[Child]:
    """The children that these settings want; each gets the addresses of the others as settings."""
    env = os.environ | {
        "RAG_HOME": str(settings.home.absolute()),
        "RAG_LOG_LEVEL": settings.log_level,
        "RAG_LOG_JSON": str(settings.log_json),
    }
    foreign = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    children: list[Child] = []
    if not settings.chroma.url:
        with bind("127.0.0.1", 0) as probe:
            port = probe.getsockname()[1]
        env["RAG_CHROMA__URL"] = f"http://127.0.0.1:{port}"
        chroma = str(Path(sys.executable).parent / "chroma")
        data, output = settings.home.absolute() / "chroma", settings.home.absolute() / "run" / "chroma.log"
        command = [chroma, "run", "--path", str(data), "--host", "127.0.0.1", "--port", str(port)]
        quiet = foreign | {"ANONYMIZED_TELEMETRY": "False"}
        children.append(Child("chroma", command, quiet, output=output, data=data))
    if not settings.embedder.url:
        address = str(sockets / "embedder.sock")
        env["RAG_EMBEDDER__URL"] = f"unix:{address}"
        command = [sys.executable, "-m", "rag_api.embedder", address]
        children.append(Child("embedder", command, env | EMBEDDER_ENV))
    descriptor = listening.fileno()
    api = [sys.executable, "-m", "rag_api.app", str(descriptor), *([str(samples.absolute())] if samples else [])]
    children.append(Child("api", api, env, descriptors=(descriptor,)))
    children.append(Child("worker", [sys.executable, "-m", "rag_api.worker"], env))
    return children


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises PortInUse."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(2048)
    except OSError as error:
        listening.close()
        raise PortInUse(
            f"can't listen on {host}:{port} ({error.strerror}); set RAG_PORT or --port, or RAG_HOST"
        ) from error
    return listening


def _refuse_open_door(host: str, settings: Settings) -> None:
    if host not in LOOPBACK and not settings.admin_key.get_secret_value():
        raise InvalidSettings(
            f"serving on {host} lets anybody in who can reach it: set RAG_ADMIN_KEY, or serve on 127.0.0.1"
        )


def _shown(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


async def _watch(child: Child, children: Sequence[Child], table: ProcessTable) -> None:
    """Starts it, and starts it again whenever it has ended."""
    loop = asyncio.get_running_loop()
    while True:
        status: int | str
        try:
            if child.data and table.is_to_be_emptied():
                await asyncio.to_thread(shutil.rmtree, child.data, ignore_errors=True)
                table.has_been_emptied()
            await child.start()
            _write(children, table)
            assert child.process
            status = await child.process.wait()
        except OSError as error:  # no memory, no file descriptors: perhaps in a moment
            status = str(error)
        pause_s = child.pause_s(loop.time())
        _write(children, table)
        log(__name__).warning("ended", child=child.name, status=status, state=child.state, again_in_s=pause_s)
        await asyncio.sleep(pause_s)


async def _empty_on_request(child: Child, table: ProcessTable) -> None:
    """Ends a child that is to begin without its data; `_watch` starts it again."""
    while True:
        await asyncio.sleep(POLL_S)
        if table.is_to_be_emptied():
            await child.end(TERMINATE_S)


def _write(children: Sequence[Child], table: ProcessTable) -> None:
    table.write({child.name: child.shown for child in children})


def _die_with_parent() -> None:
    """In the child, between fork and exec."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
