"""Real processes for tests: Chroma, the embedder, and `rag serve`."""

import atexit
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from rag_api.eventstream import EventStreamDecoder
from rag_api.supervise import bind

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
START_S = 110.0
JOB_S = 60.0


def clean_env(**changes: str) -> dict[str, str]:
    """This environment without its own RAG_ settings. Answers are made anew, as tests ask the same questions; modules
    are compiled and models are read once, not in each of some hundred processes."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAG_")}
    mine.pop("PYTHONDONTWRITEBYTECODE", None)
    return mine | {"RAG_ANSWERS__CACHE": "off", "RAG_EMBEDDER__CACHE": str(_models())} | changes


@cache
def _models() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rag-test-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Backends:
    """Settings that point to the shared Chroma and embedder."""

    env: Mapping[str, str]


@contextmanager
def start_backends(folder: Path) -> Iterator[Backends]:
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    address = Path("/tmp") / f"rag-test-{os.getpid()}.sock"
    log = (folder / "backends.log").open("wb")
    env = clean_env(RAG_HOME=str(folder / "home"), ANONYMIZED_TELEMETRY="False")
    chroma = [str(BIN / "chroma"), "run", "--path", str(folder / "chroma"), "--host", "127.0.0.1", "--port", str(port)]
    embedder = [sys.executable, "-m", "rag_api.embedder", str(address)]
    processes = [subprocess.Popen(command, env=env, stdout=log, stderr=log) for command in (chroma, embedder)]
    url = f"http://127.0.0.1:{port}"
    try:
        _await(lambda: httpx.get(f"{url}/api/v2/heartbeat").is_success, processes[0], folder / "backends.log")
        transport = httpx.HTTPTransport(uds=str(address))
        with httpx.Client(transport=transport) as client:
            url_of_models = "http://embedder/v1/models"
            _await(  # httpx leaks the socket of a connection that fails
                lambda: address.exists() and client.get(url_of_models).is_success,
                processes[1],
                folder / "backends.log",
            )
        yield Backends({"RAG_CHROMA__URL": url, "RAG_EMBEDDER__URL": f"unix:{address}"})
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)
        log.close()
        address.unlink(missing_ok=True)


def _await(is_there: Any, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if is_there():
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"{process.args!r} did not come up:\n{log.read_text('utf-8', 'replace')[-3000:]}")


@dataclass
class Service:
    """A running `rag serve` and a client of it."""

    home: Path
    url: str
    process: subprocess.Popen[bytes]
    http: httpx.Client = field(repr=False)

    @classmethod
    @contextmanager
    def start(
        cls, home: Path, env: Mapping[str, str], *args: str, ready: bool = True, headers: Mapping[str, str] = {}
    ) -> Iterator["Service"]:
        log = (home.parent / f"{home.name}.log").open("ab")
        (home / "run" / "server.json").unlink(missing_ok=True)  # of one that was killed
        command = [str(BIN / "rag"), "serve", "--port", "0", *args]
        process = subprocess.Popen(
            command, env=clean_env(**{**env, "RAG_HOME": str(home)}), cwd=home.parent, stdout=log, stderr=log
        )
        try:
            url = cls._await_url(home, process, Path(log.name))
            with httpx.Client(base_url=url, timeout=60, headers=dict(headers)) as http:
                service = cls(home, url, process, http)
                path = "/readyz" if ready else "/livez"
                _await(lambda: http.get(path, timeout=5).is_success, process, Path(log.name))
                yield service
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            finally:
                process.kill()
                log.close()

    @staticmethod
    def _await_url(home: Path, process: subprocess.Popen[bytes], log: Path) -> str:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                if url := json.loads((home / "run" / "server.json").read_text("utf-8"))["url"]:
                    return str(url)
            time.sleep(0.05)
        raise AssertionError(f"no server in {home}:\n{log.read_text('utf-8', 'replace')[-3000:]}")

    def collection(self, name: str) -> str:
        self.http.post("/api/v1/collections", json={"name": name}).raise_for_status()
        return name

    def upload(self, collection: str, files: Mapping[str, bytes], **form: str) -> list[dict[str, Any]]:
        """The rows of the reply; the jobs may still run."""
        parts = [("files", (name, io.BytesIO(data))) for name, data in files.items()]
        reply = self.http.post(f"/api/v1/collections/{collection}/documents", files=parts, data=form)
        assert reply.status_code == 202, reply.text
        rows: list[dict[str, Any]] = reply.json()["documents"]
        return rows

    def ingest(self, collection: str, files: Mapping[str, bytes], **form: str) -> list[dict[str, Any]]:
        """Uploads and waits; the jobs as they ended."""
        return [self.finished(row["job_id"]) for row in self.upload(collection, files, **form) if row["job_id"]]

    def finished(self, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + JOB_S
        while time.monotonic() < deadline:
            job: dict[str, Any] = self.http.get(f"/api/v1/jobs/{job_id}").raise_for_status().json()
            if job["state"] in ("done", "failed", "cancelled"):
                return job
            time.sleep(0.05)
        raise AssertionError(f"job still {job['state']}: {job}")

    def search(self, collection: str, query: str, **options: Any) -> list[dict[str, Any]]:
        reply = self.http.post(f"/api/v1/collections/{collection}/search", json={"query": query, **options})
        hits: list[dict[str, Any]] = reply.raise_for_status().json()["hits"]
        return hits

    def answer(self, question: str, collection: str = "default", **options: Any) -> dict[str, Any]:
        body = {"question": question, "collection": collection, "stream": False, **options}
        found: dict[str, Any] = self.http.post("/api/v1/answers", json=body).raise_for_status().json()
        return found

    def stream(self, question: str, collection: str = "default", **options: Any) -> Iterator["Sent"]:
        body = {"question": question, "collection": collection, **options}
        with self.http.stream("POST", "/api/v1/answers", json=body) as response:
            assert response.status_code == 200, response.read()
            yield from sent(response)


@dataclass(frozen=True)
class Sent:
    """A server-sent event as it came over the wire."""

    name: str
    id: str
    data: dict[str, Any]

    @property
    def seq(self) -> int:
        return int(self.id.rpartition(":")[2])


def sent(response: httpx.Response) -> Iterator[Sent]:
    decoder = EventStreamDecoder()
    for piece in response.iter_raw():
        for event in decoder.feed(piece):
            yield Sent(event.event, event.id, json.loads(event.data))
