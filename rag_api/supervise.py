"""The processes of one machine: Chroma, the embedder, the API and the worker.

Purpose: one command serves; any of them may be killed at any time and is started again; none outlives the supervisor.
Mechanism: the listening socket is bound here and handed to the API, so a port in use is known before anything starts
and an API that is started again loses no connection. Each child has a process group of its own, not a session, and
dies with its parent. One that ends is started again after a growing pause; one that ends GIVE_UP times within a minute
is shown as failed and tried on more slowly. They end in order: API, worker, embedder, Chroma.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rag_api.backends.process_table import ProcessState, ProcessTable
from rag_api.child import Child
from rag_api.db import keys
from rag_api.db.database import Database, migrate
from rag_api.errors import InvalidSettings, PortInUse
from rag_api.home import announce, command_key_kept, own_home
from rag_api.settings import Settings
from rag_api.telemetry import log
from rag_api.wiring_checks import check

TERMINATE_S = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "::1")
POLL_S = 0.5
TELL_S = 0.1
CHROMA_NICE = 5  # its upkeep gives way to questions, and documents (which are niced by 10) give way to it
CHROMA_AT_REST_BYTES, CHROMA_CHUNK_BYTES = 64 * 1024**2, 2048
# large activations make glibc map and unmap memory at every pass unless it is told to keep some; kernels are kept for
# each shape that was ever seen, which took 0.4 GB to save 2 % of the time, unless there is a limit to their number
EMBEDDER_ENV = {
    "LRU_CACHE_CAPACITY": "64",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "256",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
    "MALLOC_TRIM_THRESHOLD_": str(512 * 1024**2),
    "MALLOC_TOP_PAD_": str(64 * 1024**2),
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}
# one thread of arithmetic: several, waiting for each other on a busy machine, took ten times as long
API_ENV = {"OPENBLAS_NUM_THREADS": "1"}


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
    check(settings)
    with own_home(settings.home), contextlib.ExitStack() as stack:
        if host not in LOOPBACK and not settings.is_guarded:
            await _refuse_open_door(host, settings)
        stack.enter_context(command_key_kept(settings.home))
        listening = stack.enter_context(bind(host, port))
        sockets = Path(tempfile.mkdtemp(prefix="rag-"))  # a Unix socket's path must be short, a home's need not be
        stack.callback(shutil.rmtree, sockets, ignore_errors=True)
        children = plan(settings, listening, sockets, samples)
        table = ProcessTable(settings.home / "run")
        early, late = children[:-2], children[-2:]  # the API and the worker meet a catalogue that is up to date
        watches = [asyncio.create_task(_tell(children, table))]
        watches += [asyncio.create_task(_watch(child, table)) for child in early]
        watches += [asyncio.create_task(_end_on_request(child, table)) for child in children if child.data]
        await asyncio.to_thread(migrate, settings.database)
        watches += [asyncio.create_task(_watch(child, table)) for child in late]
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


PYTHON = (sys.executable, "-m", "rag_api.garbage")
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
        if settings.retrieval.exact_above is None and settings.chroma.memory_bytes:
            env["RAG_RETRIEVAL__EXACT_ABOVE"] = str(_chunks_in_chroma(settings))
        chroma = str(Path(sys.executable).parent / "chroma")
        data, output = settings.home.absolute() / "chroma", settings.home.absolute() / "run" / "chroma.log"
        command = [chroma, "run", "--path", str(data), "--host", "127.0.0.1", "--port", str(port)]
        quiet = foreign | {"ANONYMIZED_TELEMETRY": "False"}
        children.append(Child("chroma", command, quiet, output=output, data=data, nice=CHROMA_NICE))
    if not settings.embedder.url:
        address = str(sockets / "embedder.sock")
        env["RAG_EMBEDDER__URL"] = f"unix:{address}"
        command = [*PYTHON, "rag_api.embedder", address]
        children.append(Child("embedder", command, env | EMBEDDER_ENV))
    descriptor = listening.fileno()
    api = [*PYTHON, "rag_api.app", str(descriptor), *([str(samples.absolute())] if samples else [])]
    children.append(Child("api", api, env | API_ENV, descriptors=(descriptor,)))
    children.append(Child("worker", [*PYTHON, "rag_api.worker"], env))
    return children


def _chunks_in_chroma(settings: Settings) -> int:
    """That it has room for beside a shard which is being written to."""
    room = settings.chroma.memory_bytes - CHROMA_AT_REST_BYTES
    return max(0, room // CHROMA_CHUNK_BYTES - settings.chroma.shard_chunks)


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


async def _refuse_open_door(host: str, settings: Settings) -> None:
    """Unless a key has been created."""
    await asyncio.to_thread(migrate, settings.database)
    db = Database(settings.database)
    try:
        if not await db.ask(keys.are_there):
            raise InvalidSettings(
                f"serving on {host} lets anybody in who can reach it: create a key (rag keys create --role admin), set "
                "RAG_ADMIN_KEY or RAG_JWT__…, or serve on 127.0.0.1"
            )
    finally:
        await db.close()


def _shown(host: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


async def _watch(child: Child, table: ProcessTable) -> None:
    """Starts it, and starts it again whenever it has ended."""
    loop = asyncio.get_running_loop()
    while True:
        status: int | str | None
        try:
            if child.data and table.is_to_be_emptied():
                await asyncio.to_thread(shutil.rmtree, child.data, ignore_errors=True)
                table.has_been_emptied()
            await child.start()
            status = await child.ended()
        except OSError as error:  # no memory, no file descriptors: perhaps in a moment
            status = str(error)
        pause_s = child.pause_s(loop.time())
        log(__name__).warning("ended", child=child.name, status=status, state=child.state, again_in_s=pause_s)
        for _ in range(round(pause_s / TELL_S)):
            if child.data and table.is_to_be_emptied():
                break
            await asyncio.sleep(TELL_S)


async def _end_on_request(child: Child, table: ProcessTable) -> None:
    """Ends a child that is to begin anew, with its data or without; `_watch` starts it again."""
    while True:
        await asyncio.sleep(POLL_S)
        if table.is_to_be_emptied() or table.is_to_be_restarted():
            table.is_being_restarted()
            await child.end(TERMINATE_S)


async def _tell(children: Sequence[Child], table: ProcessTable) -> None:
    """Writes down how the children are, as soon as it changes and the disk has room for it."""
    told: dict[str, ProcessState] = {}
    is_full = False
    while True:
        shown = {child.name: child.shown for child in children}
        try:
            if shown != told:
                await asyncio.to_thread(table.write, shown)
                told, is_full = shown, False
        except OSError as error:
            if not is_full:
                log(__name__).error("the state of the processes can't be written", reason=str(error))
            is_full = True
        await asyncio.sleep(TELL_S)
