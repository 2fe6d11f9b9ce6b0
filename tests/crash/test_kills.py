"""kill -9 at any point loses nothing and doubles nothing.

A run is drawn from CRASH_SEED; CRASH_KILLS says how many kills it has. `make crash` makes the long one.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.agreement import assert_agreement, await_chunks, await_rest, chunks, known_files, rows, stored_files
from tests.crash.embedder import CountingEmbedder, serve_embedder
from tests.crash.server import Server, serving, until
from tests.crash.traffic import Book, said, text, traffic

KILLS = int(os.environ.get("CRASH_KILLS", "8"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
EMBEDDER_KILLS = max(1, KILLS // 40)
A_LIFE = 5 if KILLS < 70 else 7  # kills from one start of the server to the end of it, that one included
OF_THE_WORKER = [  # each stage's boundary: point, before or after, at most how many calls later
    ("rag_api.services.ingestion:Ingestion._ingest_one", "before", 3),
    ("rag_api.services.ingestion:Ingestion._accept", "after", 2),
    ("rag_api.db.versions:describe", "after", 3),
    ("rag_api.db.chunks:write", "after", 6),
    ("rag_api.services.indexing:CatalogueSink._write_words", "before", 6),
    ("rag_api.backends.chroma:ChromaStore.upsert", "after", 6),
    ("rag_api.backends.lexical:TantivyIndex.write", "after", 6),
    ("rag_api.backends.lexical:TantivyIndex.commit", "before", 4),
    ("rag_api.backends.lexical:TantivyIndex.commit", "after", 4),
    ("rag_api.db.versions:publish", "after", 3),
    ("rag_api.services.indexing:CatalogueSink.publish", "after", 3),
    ("rag_api.db.jobs:finish", "after", 3),
    ("rag_api.services.ingestor:Ingestor._finish", "after", 3),
    ("rag_api.services.reaper:Reaper._remove", "before", 1),
    ("rag_api.backends.chroma:ChromaStore.delete", "after", 1),
    ("rag_api.backends.lexical:TantivyIndex.delete", "after", 1),
    ("rag_api.db.reaping:forget", "after", 1),
    ("rag_api.services.reaper:Reaper._remove", "after", 1),
]
OF_ITS_START = [
    ("rag_api.services.reconciler:Reconciler._mend_words", "before", 1),
    ("rag_api.services.reconciler:Reconciler._mend_words", "after", 1),
    ("rag_api.services.reconciler:Reconciler._mend_vectors", "after", 1),
    ("rag_api.services.reconciler:Reconciler._is_sound", "after", 1),
]
OF_THE_API = [
    ("rag_api.backends.files:FileStore.keep", "after", 2),
    ("rag_api.db.versions:accept", "after", 2),
    ("rag_api.db.jobs:queue", "after", 2),
    ("rag_api.services.library:Library.add", "after", 2),
]
OF_BOTH = [("rag_api.backends.files:FileStore.delete", "before", 1)]
POINTS = sorted({point for point, _, _ in OF_THE_WORKER + OF_ITS_START + OF_THE_API + OF_BOTH})
FIRES_WITHIN_S = 6.0


@pytest.fixture
def embedder() -> Iterator[CountingEmbedder]:
    with serve_embedder() as started:
        yield started


def settings(embedder: CountingEmbedder, **changes: str) -> dict[str, str]:
    return {
        "RAG_EMBEDDER__URL": embedder.url,
        "RAG_CHUNKS__MAX_TOKENS": "64",
        "RAG_INGEST__BATCH_CHUNKS": "20",
        "RAG_INGEST__LEASE_S": "3",
        "RAG_INGEST__ATTEMPTS": "1000",  # no file is to blame for these deaths
        **changes,
    }


@dataclass
class Killer:
    server: Server
    random: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def kill(self, what: str) -> None:
        match what:
            case "server":
                self.server.kill_server(children_too=self.random.random() < 0.5)
                self.server.start()
            case "worker":
                self.at_a_point("worker", self.random.choice(OF_THE_WORKER + OF_BOTH))
            case "starting worker":
                self.at_its_start(self.random.choice(OF_ITS_START))
            case "api":
                self.at_a_point("api", self.random.choice(OF_THE_API))
            case "chroma":
                time.sleep(self.random.uniform(0, 1))
                self.server.kill("chroma")
            case "any time":
                time.sleep(self.random.uniform(0, 2))
                self.server.kill("worker")
        self.done[what] += 1

    def at_a_point(self, name: str, point: tuple[str, str, int]) -> None:
        """Where the point is not passed in time, wherever the process is."""
        fired = self.server.armed.with_name("fired")
        before = {other: self.server.pid(other) for other in ("worker", "api")}
        self.arm(point)
        deadline = time.monotonic() + FIRES_WITHIN_S
        while not fired.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        if fired.exists():
            fired.unlink()
            self.done[f"{point[0].partition(':')[2]} {point[1]}"] += 1
            until(lambda: any(self.server.pid(of) != pid for of, pid in before.items()), within_s=60, what="a new one")
            return
        self.server.armed.unlink(missing_ok=True)
        self.server.kill(name)

    def at_its_start(self, point: tuple[str, str, int]) -> None:
        """The next start of the worker, which the death of this one brings about."""
        self.server.kill("worker")
        self.at_a_point("worker", point)
        self.done["any time"] += 1

    def arm(self, point: tuple[str, str, int]) -> None:
        name, moment, most = point
        partial = self.server.armed.with_suffix(".partial")
        partial.write_text(f"{name} {moment} {self.random.randint(1, most)}", "utf-8")
        partial.replace(self.server.armed)

    @property
    def kills(self) -> int:
        return sum(self.done[what] for what in ("server", "worker", "starting worker", "api", "chroma", "any time"))


def life(draw: random.Random) -> list[str]:
    """What is killed between two starts; one that ends five times within a minute would be given up for a while."""
    if A_LIFE == 5:
        kills = [*draw.sample(("worker", "worker", "any time", "chroma", "api"), 2), "starting worker"]
    else:
        kills = ["worker", "worker", "starting worker", "chroma", "api"]
    draw.shuffle(kills)
    return [*kills, "server"]


@pytest.mark.timeout(150 + 15 * KILLS)
def test_kill_9_at_any_point_loses_nothing_and_doubles_nothing(tmp_path: Path, embedder: CountingEmbedder) -> None:
    draw = random.Random(SEED)
    with serving(tmp_path / "home", settings(embedder), POINTS) as server:
        killer = Killer(server, draw)
        with traffic(server.url, SEED) as (book, clients):
            while killer.kills < KILLS:
                for what in life(draw):
                    killer.kill(what)
        print(f"seed {SEED}: {dict(killer.done)}")
        assert [wrong for client in clients for wrong in client.wrong] == []
        assert all(client.replies > KILLS for client in clients)
        await_rest(server)
        assert_all_ended(server, book)
        assert_newest_is_found(server, book)
        assert assert_agreement(server) > 0
        assert_files_are_known_after_a_while(server)


@pytest.mark.timeout(150 + 60 * EMBEDDER_KILLS)
def test_an_embedder_that_is_killed_costs_nothing_but_time(tmp_path: Path) -> None:
    env = {"RAG_CHUNKS__MAX_TOKENS": "64", "RAG_INGEST__BATCH_CHUNKS": "20", "RAG_INGEST__LEASE_S": "3"}
    with serving(tmp_path / "home", env) as server:
        server.await_ready(within_s=100)
        for kill in range(1, EMBEDDER_KILLS + 1):
            before = chunks(server)
            job_id = server.upload(f"d{kill}.txt", text(f"d{kill}", kill, 400).encode())["job_id"]
            await_chunks(server, before + 1)
            server.kill("embedder")
            assert server.search("gannet", mode="lexical")["degraded"] == []
            job = server.finished(job_id, within_s=90)
            assert (job["state"], job["attempts"]) == ("done", 1), job
        await_rest(server)
        assert assert_agreement(server) >= 100 * EMBEDDER_KILLS


def assert_all_ended(server: Server, book: Book) -> None:
    """What was acknowledged is done, or superseded, or cancelled as it was asked for."""
    for job_id in book.jobs:
        reply = server.http.get(f"/api/v1/jobs/{job_id}")
        job = reply.raise_for_status().json()
        code = (job["error"] or {}).get("code")
        is_right = job["state"] == "done" or (job["state"], code) == ("cancelled", "superseded")
        assert is_right or (job["state"] == "cancelled" and job_id in book.cancelled), job
    for job_id in book.refused:
        job = server.job(job_id)
        code = (job["error"] or {}).get("code")
        assert (job["state"], code) in (("failed", "broken_document"), ("cancelled", "superseded")), job


def assert_newest_is_found(server: Server, book: Book) -> None:
    """Of each document the newest acknowledged upload that was not cancelled, whole, and only once."""
    listed = rows(server.home, "SELECT source, count(*) FROM documents WHERE deleted_at IS NULL GROUP BY source")
    assert [source for source, count in listed if count != 1] == []
    published = dict(rows(server.home, "SELECT source, id FROM documents WHERE deleted_at IS NULL"))
    for name, sent in book.sent.items():
        done = [one for one in sent if server.job(one.job_id)["state"] == "done"]
        if not done:
            continue
        newest = max(done, key=lambda one: one.group)
        document_id = published.get(f"{name}.txt") or published[name]
        hits = server.search(
            "chunk-group of document part", top_k=100, mode="lexical", filter={"document_id": document_id}
        )["hits"]
        found = {(group, part) for group, _, part, _ in said(hit["text"] for hit in hits)}
        assert found == {(newest.group, part) for part in range(1, newest.parts + 1)}, (name, newest)


def assert_files_are_known_after_a_while(server: Server) -> None:
    """An upload that was cut off leaves a file that nobody knows; it goes at a start, when it is old enough."""
    server.stop()
    for path in (server.home / "files").rglob("*"):
        os.utime(path, (0, 0))
    server.start()
    await_rest(server)
    until(lambda: stored_files(server.home) == known_files(server.home), within_s=20, what="only files that are known")
