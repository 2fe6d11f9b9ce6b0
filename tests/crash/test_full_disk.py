"""A disk without room: said clearly, nothing half-kept, searches go on, and all is well once there is room again."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.crash.agreement import assert_agreement, await_rest, rows, stored_files
from tests.crash.embedder import serve_embedder
from tests.crash.server import FINAL, Server, has_ended, serving, until
from tests.crash.traffic import said, text

DISK_MB = 64
LONG = 6_000
PIECE = b"x" * 4096
EXACT = {"RAG_RETRIEVAL__EXACT_BELOW": "1000", "RAG_RETRIEVAL__EXACT_ABOVE": "1000"}


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk can't be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With a short document in it."""
    with small_disk(tmp_path_factory.mktemp("small") / "disk") as disk, serve_embedder() as embedder:
        env = {"RAG_EMBEDDER__URL": embedder.url, "RAG_CHUNKS__MAX_TOKENS": "64", "RAG_INGEST__LEASE_S": "3"}
        with serving(disk / "home", env) as started:
            started.await_ready()
            short(started)
            yield started


def fill(disk: Path, *, but: int = 0) -> None:
    """Leaves so many bytes."""
    with (disk / "ballast").open("ab", buffering=0) as ballast:
        try:
            while True:
                ballast.write(PIECE)
        except OSError:
            pass
        ballast.truncate(max(0, ballast.tell() - but))


def make_room(disk: Path) -> None:
    (disk / "ballast").unlink()


def found(server: Server, name: str, mode: str) -> set[int]:
    hits = server.search("chunk-group of document part", mode=mode, top_k=100, filter={"source": name})["hits"]
    return {part for _, _, part, _ in said(hit["text"] for hit in hits)}


def assert_searches_go_on(server: Server) -> None:
    for mode in ("lexical", "dense", "hybrid"):
        assert found(server, "short.txt", mode) == set(range(1, 31)), mode


def short(server: Server) -> None:
    job_id = server.upload("short.txt", text("short", 1, 30).encode())["job_id"]
    assert server.finished(job_id)["state"] == "done"


def test_an_upload_that_finds_no_room_is_told_so_and_leaves_nothing(server: Server) -> None:
    await_rest(server)
    disk, before = server.home.parent, stored_files(server.home)
    fill(disk)
    reply = server.http.post(
        "/api/v1/collections/default/documents", files={"files": ("large.txt", os.urandom(300_000).hex().encode())}
    )
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (503, "storage_full"), reply.text
    assert "room" in error["message"]
    assert stored_files(server.home) == before
    assert_searches_go_on(server)
    make_room(disk)
    job_id = server.upload("large.txt", text("large", 1, 50).encode())["job_id"]
    assert server.finished(job_id)["state"] == "done"
    await_rest(server)
    assert_agreement(server)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_service_that_starts_on_a_full_disk_answers(tmp_path: Path, is_known: bool) -> None:
    """By the matrix, which holds vectors beside Chroma: one that is there, and one that is only now made."""
    with small_disk(tmp_path / "disk") as disk, serve_embedder() as embedder:
        env = {"RAG_EMBEDDER__URL": embedder.url, "RAG_CHUNKS__MAX_TOKENS": "64"}
        with serving(disk / "home", env | EXACT) as server:
            server.await_ready()
            short(server)
            matrix: Path = until(lambda: next(server.home.rglob("*.vectors"), None), within_s=30, what="a matrix")
            await_rest(server)
            if not is_known:
                matrix.unlink()
            killed = server.pid("api")
            os.kill(killed, signal.SIGKILL)
            until(partial(has_ended, killed), within_s=10, what="the end of the killed one")
            fill(disk)  # its file as well, which it held open
            until(lambda: found(server, "short.txt", "dense"), within_s=30, what="an answer")
            for _ in range(30):  # while the matrix is opened, which nobody waits for
                assert_searches_go_on(server)
                time.sleep(0.1)
            assert server.said.count('"child": "api", "status"') == 1, server.said[-2000:]
            make_room(disk)
            job_id = server.upload("other.txt", text("other", 1, 30).encode())["job_id"]
            assert server.finished(job_id)["state"] == "done"


def test_an_upload_that_finds_no_room_for_temporary_files_is_told_so(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, serve_embedder() as embedder:
        env = {"RAG_EMBEDDER__URL": embedder.url, "TMPDIR": str(disk)}
        with serving(tmp_path / "home", env) as server:
            server.await_ready()
            server.upload("first.bin", b"\0" * 3_000_000)  # Python looks once for a folder that it can write to
            fill(disk)
            files = {"files": ("large.bin", b"\0" * 3_000_000)}
            reply = server.http.post("/api/v1/collections/default/documents", files=files)
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_full"), reply.text
            assert str(disk) in reply.json()["error"]["message"]
            make_room(disk)
            short(server)


@pytest.mark.timeout(240)
def test_a_job_that_runs_out_of_room_gets_done_when_there_is_some(server: Server) -> None:
    await_rest(server)
    disk = server.home.parent
    fill(disk, but=5 * 1024**2)
    job_id = server.upload("long.txt", text("long", 1, LONG).encode())["job_id"]
    until(lambda: free(disk) < 200_000, within_s=60, what="a full disk")
    for _ in range(5):
        assert_searches_go_on(server)
        job = server.job(job_id)
        assert job["state"] != "done", "there was too much room"
    make_room(disk)

    def ended() -> str:
        """Tried again as a person would who has made room."""
        job = server.job(job_id)
        if job["state"] == "failed":
            assert job["error"]["code"] in ("storage_full", "lexical_index_unavailable", "vector_store_broken"), job
            server.http.post(f"/api/v1/jobs/{job_id}/retry")
            return ""
        return str(job["state"]) if job["state"] in FINAL else ""

    assert until(ended, within_s=150, what=f"the job's end; {server.said[-2000:]}") == "done"
    await_rest(server)
    assert assert_agreement(server) > LONG // 3
    assert rows(server.home, "SELECT count(*) FROM documents WHERE source = 'long.txt'")[0][0] == 1
    assert_searches_go_on(server)


def free(disk: Path) -> int:
    usage = os.statvfs(disk)
    return usage.f_bavail * usage.f_frsize
