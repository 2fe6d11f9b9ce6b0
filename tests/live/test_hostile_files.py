"""Hostile files, uploaded together while searches go on: each is read or refused, and nothing else is hurt."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import EVAL
from tests.processes import Backends, Service

FOLDER = EVAL / "hostile"
NAMES: list[str] = (
    [entry["file"] for entry in json.loads((FOLDER / "manifest.json").read_text("utf-8"))]
    if (FOLDER / "manifest.json").exists()
    else []
)
PARSE_S = 30
MEMORY_MB = 1_024
DEADLINE_S = 240.0
REFUSED = {
    "zipbomb_200mb.docx": {"document_too_large"},
    "password.pdf": {"encrypted_document"},
    "password_protected.xlsx": {"encrypted_document"},
    "wrong_extension.pdf": {"broken_document"},
    "kids_loop.pdf": {"broken_document", "empty_document"},
    "empty.txt": {"empty_document"},
    "whitespace.txt": {"empty_document"},
}
TEXTS = {
    "sparse_corner.xlsx": ("first cell", "last cell"),
    "too_many_columns.csv": ("a",),
    "one_line_2mb.txt": (),
    "no_space_1mb.md": (),
    "nul_bytes.txt": ("visible words",),
    "path_traversal.epub": ("inside the book",),
    "deep_html_50k.html": ("deep text",),
}
NEVER = ("root:x:0", "lollol", "\x00")
pytestmark = [pytest.mark.skipif(not NAMES, reason="shared/eval/hostile is not here"), pytest.mark.timeout(300)]


@contextmanager
def searching(service: Service, collection: str) -> Iterator[list[str]]:
    """Searches on and on; what went wrong with them."""
    problems: list[str] = []
    over = threading.Event()

    def search() -> None:
        with httpx.Client(base_url=service.url, timeout=30) as http:
            while not over.is_set():
                body = {"query": "Which bird is on the lake?", "top_k": 3}
                try:
                    reply = http.post(f"/api/v1/collections/{collection}/search", json=body)
                    if not reply.is_success or not reply.json()["hits"]:
                        problems.append(f"{reply.status_code} {reply.text[:200]}")
                except httpx.HTTPError as error:
                    problems.append(repr(error))
                time.sleep(0.05)

    thread = threading.Thread(target=search)
    thread.start()
    try:
        yield problems
    finally:
        over.set()
        thread.join()


def parsers_of(service: Service) -> dict[int, int]:
    """The peak of resident memory of each parsing child of this service that runs now, in MB."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, KeyError):  # it has just ended
            if b"ingest.sandbox_child" in (folder / "cmdline").read_bytes():
                fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
                if service.process.pid in _ancestors(int(fields["PPid"])):
                    found[int(folder.name)] = int(fields["VmHWM"].split()[0]) // 1024
    return found


def _ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.fixture(scope="module")
def hostile(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Everything uploaded at once: each file's row and text, the searches' problems and the children's memory."""
    env = {**backends.env, "RAG_INGEST__PARSE_S": str(PARSE_S), "RAG_INGEST__ATTEMPTS": "1"}
    home = tmp_path_factory.mktemp("hostile")
    with Service.start(home, env) as service:
        collection = service.collection("lake")
        service.ingest(collection, {"lake.txt": b"The great crested grebe is the bird on the lake."})
        memory: dict[int, int] = {}
        with searching(service, collection) as problems:
            files = {name: (FOLDER / "files" / name).read_bytes() for name in NAMES}
            rows = {row["filename"]: row for row in service.upload(collection, files)}
            deadline = time.monotonic() + DEADLINE_S
            waiting = {row["job_id"] for row in rows.values() if row["job_id"]}
            ended: dict[str, Any] = {}
            while waiting and time.monotonic() < deadline:
                for pid, peak in parsers_of(service).items():
                    memory[pid] = max(memory.get(pid, 0), peak)
                for job_id in list(waiting):
                    job = service.http.get(f"/api/v1/jobs/{job_id}").json()
                    if job["state"] in ("done", "failed", "cancelled"):
                        waiting.discard(job_id)
                        ended[job_id] = job
        texts = {}
        for name, row in rows.items():
            reply = service.http.get(f"/api/v1/collections/{collection}/documents/{row['document_id']}/content")
            texts[name] = reply.text if reply.is_success else ""
        outcomes = {
            name: row["error"] or ended.get(row["job_id"], {"error": {"code": "still running"}})["error"]
            for name, row in rows.items()
        }
        yield {
            "service": service,
            "outcomes": outcomes,
            "texts": texts,
            "problems": problems,
            "memory": memory,
            "jobs": {name: ended.get(row["job_id"]) for name, row in rows.items()},
        }


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_file_is_read_or_refused(hostile: dict[str, Any], name: str) -> None:
    error, text = hostile["outcomes"][name], hostile["texts"][name]
    assert (error is None) == bool(text)
    if error:
        assert error["code"] not in ("internal_error", "parser_crashed", "parser_timed_out", "still running")
        assert name in error["message"]
    if name in REFUSED:
        assert error and error["code"] in REFUSED[name]
    assert [words for words in TEXTS.get(name, ()) if words not in text] == []
    assert [words for words in NEVER if words in text] == []


def test_nothing_of_a_long_line_is_lost(hostile: dict[str, Any]) -> None:
    for name in ("one_line_2mb.txt", "no_space_1mb.md"):
        assert hostile["texts"][name] == (FOLDER / "files" / name).read_text("utf-8")


def test_searches_go_on_while_hostile_files_are_read(hostile: dict[str, Any]) -> None:
    assert hostile["problems"] == []


def test_no_parser_takes_more_memory_than_it_may(hostile: dict[str, Any]) -> None:
    assert hostile["memory"]
    assert {pid: peak for pid, peak in hostile["memory"].items() if peak > MEMORY_MB} == {}


def test_the_service_answers_afterwards(hostile: dict[str, Any]) -> None:
    service: Service = hostile["service"]
    assert service.http.get("/readyz").is_success
    assert "lake.txt" in {hit["source"] for hit in service.search("lake", "Which bird is on the lake?")}
    [job] = service.ingest("lake", {"after.txt": b"The next file works."})
    assert job["state"] == "done"
