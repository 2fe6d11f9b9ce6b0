"""`rag serve` on a home that outlives it, to be killed as a whole or in parts."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from rag_api.supervise import bind
from tests.processes import BIN, ROOT, clean_env

HOOKS = Path(__file__).parent / "hooks"
START_S = 60.0
READY_S = 60.0
FINAL = ("done", "failed", "cancelled")


def until(is_so: Callable[[], Any], *, within_s: float, what: str) -> Any:
    """Its first true value; while nobody listens it is false."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if found := is_so():
                return found
        time.sleep(0.05)
    raise AssertionError(f"not within {within_s:.0f} s: {what}")


def has_ended(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


ASKS_CHROMA = {"RAG_RETRIEVAL__EXACT_BELOW": "0", "RAG_RETRIEVAL__EXACT_ABOVE": "1000000"}


@dataclass
class Server:
    home: Path
    env: Mapping[str, str]
    points: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None
    http: httpx.Client = field(init=False, repr=False)
    url: str = ""

    def __post_init__(self) -> None:
        with bind("127.0.0.1", 0) as probe:  # the same port at each start, as clients expect
            self.url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self.armed = self.home.parent / "armed"

    @property
    def log(self) -> Path:
        return self.home.parent / f"{self.home.name}.log"

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def start(self) -> None:
        env = clean_env(
            **(ASKS_CHROMA | self.env),
            RAG_HOME=str(self.home),
            PYTHONPATH=f"{HOOKS}{os.pathsep}{ROOT}",
            CRASH_ARMED=str(self.armed),
            CRASH_POINTS=",".join(self.points),
        )
        command = [str(BIN / "rag"), "serve", "--port", self.url.rpartition(":")[2]]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=env, cwd=self.home.parent, stdout=log, stderr=log)
        until(self._is_up, within_s=START_S, what=f"the start; see {self.log}")

    def _is_up(self) -> bool:
        assert self.process and self.process.poll() is None, self.said[-3000:]
        return self.http.get("/livez", timeout=5).is_success

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process = None

    def children(self) -> dict[str, tuple[str, int]]:
        """State and process id by name."""
        try:
            table = json.loads((self.home / "run" / "processes.json").read_bytes())
        except FileNotFoundError:
            return {}
        return {name: (row["state"], int(row["incarnation"].split(".")[0])) for name, row in table.items()}

    def pid(self, name: str) -> int:
        """Once it runs."""

        def running() -> int:
            state, pid = self.children().get(name, ("", 0))
            return pid if state == "running" and Path(f"/proc/{pid}").exists() else 0

        return int(until(running, within_s=START_S, what=f"{name} running"))

    def kill(self, name: str) -> None:
        """One process; returns when another one is running in its place."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        self.await_another(name, pid)

    def await_another(self, name: str, than: int) -> None:
        until(lambda: self.pid(name) != than, within_s=START_S, what=f"another {name}")

    def kill_server(self, *, children_too: bool) -> None:
        """The supervisor, whose children then end; or all of them at once, as when the power fails."""
        assert self.process
        pids = [pid for state, pid in self.children().values() if state == "running"]
        self.process.kill()
        for pid in pids if children_too else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        for pid in pids:
            until(partial(has_ended, pid), within_s=30, what="the end of its children")

    def chroma_url(self) -> str:
        command = Path(f"/proc/{self.pid('chroma')}/cmdline").read_bytes().split(b"\0")
        return f"http://127.0.0.1:{command[command.index(b'--port') + 1].decode()}"

    def ready(self) -> dict[str, Any]:
        checks: dict[str, Any] = self.http.get("/readyz").json()
        return checks

    def await_ready(self, within_s: float = READY_S) -> None:
        last: dict[str, Any] = {}

        def is_ready() -> bool:
            last.update(self.ready())
            return bool(self.http.get("/readyz").is_success)

        try:
            until(is_ready, within_s=within_s, what="ready")
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}\n{self.said[-3000:]}") from None

    def upload(self, name: str, data: bytes) -> dict[str, Any]:
        reply = self.http.post("/api/v1/collections/default/documents", files={"files": (name, data)})
        assert reply.status_code == 202, reply.text
        row: dict[str, Any] = reply.json()["documents"][0]
        return row

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(f"/api/v1/jobs/{job_id}").raise_for_status().json()
        return found

    def finished(self, job_id: str, within_s: float = 60) -> dict[str, Any]:
        def ended() -> dict[str, Any] | None:
            job = self.job(job_id)
            return job if job["state"] in FINAL else None

        found: dict[str, Any] = until(ended, within_s=within_s, what=f"the end of {job_id}")
        return found

    def search(self, query: str, **options: Any) -> dict[str, Any]:
        body = {"query": query, **options}
        reply = self.http.post("/api/v1/collections/default/search", json=body)
        found: dict[str, Any] = reply.raise_for_status().json()
        return found


@contextmanager
def serving(home: Path, env: Mapping[str, str], points: Sequence[str] = ()) -> Iterator[Server]:
    server = Server(home, env, points)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.http.close()
