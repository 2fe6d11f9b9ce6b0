"""A worker that comes back: one that was killed goes on where it was, one that was asleep does no harm."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.agreement import assert_agreement, await_chunks, await_rest, chunks, rows
from tests.crash.embedder import CountingEmbedder, serve_embedder
from tests.crash.server import Server, serving, until
from tests.crash.traffic import said, text
from tests.processes import ROOT, clean_env

LEASE_S = 2
BATCH = 50


@pytest.fixture(scope="module")
def running_embedder() -> Iterator[CountingEmbedder]:
    with serve_embedder() as started:
        yield started


@pytest.fixture
def embedder(running_embedder: CountingEmbedder) -> CountingEmbedder:
    """That has been asked nothing yet."""
    running_embedder.documents.clear()
    running_embedder.pause_s = 0.0
    return running_embedder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, running_embedder: CountingEmbedder) -> Iterator[Server]:
    env = {
        "RAG_EMBEDDER__URL": running_embedder.url,
        "RAG_CHUNKS__MAX_TOKENS": "64",
        "RAG_INGEST__BATCH_CHUNKS": str(BATCH),
        "RAG_INGEST__LEASE_S": str(LEASE_S),
        "RAG_INGEST__ATTEMPTS": "100",
    }
    with serving(tmp_path_factory.mktemp("stopped") / "home", env) as started:
        started.await_ready()
        yield started


@contextmanager
def second_worker(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """Started by hand, on the same home."""
    env = clean_env(**server.env, RAG_HOME=str(server.home), RAG_CHROMA__URL=server.chroma_url(), PYTHONPATH=str(ROOT))
    with server.log.open("ab") as log:
        worker = subprocess.Popen([sys.executable, "-m", "rag_api.worker"], env=env, stdout=log, stderr=log)
    try:
        yield worker
    finally:
        worker.terminate()
        assert worker.wait(30) == 0


def send(pid: int, number: signal.Signals) -> None:
    os.kill(pid, number)
    wanted = "T" if number == signal.SIGSTOP else "SR"
    until(lambda: stat(pid) in wanted, within_s=5, what=f"process {pid} in state {wanted}")


def stat(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def upload(server: Server, name: str, group: int, parts: int) -> str:
    """The job."""
    return str(server.upload(f"{name}.txt", text(name, group, parts).encode())["job_id"])


def holder(server: Server, job_id: str) -> str:
    return str(rows(server.home, f"SELECT worker FROM jobs WHERE id = '{job_id}'")[0][0])


def assert_found_once(server: Server, name: str, parts: int) -> None:
    document_id = rows(server.home, f"SELECT id FROM documents WHERE source = '{name}.txt'")[0][0]
    page = server.http.get(f"/api/v1/collections/default/documents/{document_id}/chunks", params={"limit": 1000})
    told = [part for _, _, part, _ in said(chunk["text"] for chunk in page.raise_for_status().json()["items"])]
    assert told == list(range(1, parts + 1))


def test_a_worker_that_was_killed_embeds_only_what_was_on_its_way(server: Server, embedder: CountingEmbedder) -> None:
    embedder.pause_s = 0.15
    before, parts, kills = chunks(server), 1200, 2
    job_id = upload(server, "killed", 1, parts)
    for kill in range(1, kills + 1):
        await_chunks(server, before + 200 * kill)
        server.kill("worker")
    embedder.pause_s = 0.0
    assert server.finished(job_id)["state"] == "done"
    await_rest(server)
    total = chunks(server) - before
    assert total >= 600
    assert len(embedder.documents) >= total, "every chunk has been embedded"
    on_their_way = 3 * BATCH  # one batch at the embedder, one that waits, one that is being written
    assert embedder.documents.total() <= total + kills * on_their_way + 1
    assert assert_agreement(server) == before + total


def test_a_worker_that_slept_through_its_lease_loses_the_job_and_does_no_harm(
    server: Server, embedder: CountingEmbedder
) -> None:
    embedder.pause_s = 0.2
    parts, before = 600, chunks(server)
    job_id = upload(server, "taken", 1, parts)
    await_chunks(server, before + 100)
    first, owner = server.pid("worker"), holder(server, job_id)
    send(first, signal.SIGSTOP)
    with second_worker(server):
        until(lambda: holder(server, job_id) != owner, within_s=30, what="another worker's job")
        embedder.pause_s = 1.0  # time enough for the first to do harm
        send(first, signal.SIGCONT)
        job = server.finished(job_id, within_s=90)
        assert job["state"] == "done", job
        assert job["attempts"] == 2
        embedder.pause_s = 0.0
        await_rest(server)
        assert assert_agreement(server) == chunks(server) > 0
        assert_found_once(server, "taken", parts)
        again = upload(server, "taken", 2, 30)
        assert server.finished(again)["state"] == "done", "both can write to the lexical index still"
    last = upload(server, "taken", 3, 40)
    assert server.finished(last)["state"] == "done", "so can the one that slept"
    assert server.pid("worker") == first
    await_rest(server)
    assert_found_once(server, "taken", 40)
    assert_agreement(server)


def test_a_worker_that_slept_alone_goes_on_with_its_job(server: Server, embedder: CountingEmbedder) -> None:
    embedder.pause_s = 0.2
    before, parts = chunks(server), 600
    job_id = upload(server, "alone", 1, parts)
    await_chunks(server, before + 100)
    worker = server.pid("worker")
    embedder.pause_s = 2.0
    for _ in range(2):
        send(worker, signal.SIGSTOP)
        time.sleep(LEASE_S + 0.2)
        send(worker, signal.SIGCONT)
        time.sleep(0.7)
    embedder.pause_s = 0.0
    job = server.finished(job_id, within_s=90)
    assert (job["state"], job["attempts"]) == ("done", 1)
    await_rest(server)
    assert_found_once(server, "alone", parts)
    assert embedder.documents.total() <= chunks(server) - before + 1, "nothing was begun a second time"
