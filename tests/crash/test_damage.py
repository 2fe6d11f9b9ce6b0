"""Indexes damaged while nobody looked: noticed at the start, mended from the catalogue, nothing embedded anew."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.crash.agreement import assert_agreement, await_rest
from tests.crash.embedder import CountingEmbedder, serve_embedder
from tests.crash.server import Server, serving, until
from tests.crash.traffic import said, text

DOCUMENTS = 60
PARTS = 40
IS_LONG = int(os.environ.get("CRASH_KILLS", "8")) >= 70
REBUILDING = "rag_api.services.reconciler:Reconciler._note"
STATES_OF_VECTORS = {"ok", "being rebuilt from the catalogue", "being compared with the catalogue"}
WORDS = "chunk-group of document part gannet"


@pytest.fixture(scope="module")
def embedder() -> Iterator[CountingEmbedder]:
    with serve_embedder() as started:
        yield started


@pytest.fixture(scope="module")
def settings(embedder: CountingEmbedder) -> dict[str, str]:
    return {
        "RAG_EMBEDDER__URL": embedder.url,
        "RAG_CHUNKS__MAX_TOKENS": "64",
        "RAG_CHROMA__SHARD_CHUNKS": "1050",  # Chroma writes the vectors' files after a thousand rows
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]) -> Path:
    """A home with some thousand chunks, at rest."""
    home = tmp_path_factory.mktemp("filled") / "home"
    lines = [json.dumps({"id": f"d{n}", "text": text(f"d{n}", 1, PARTS)}) for n in range(DOCUMENTS)]
    with serving(home, settings) as server:
        job = server.upload("documents.jsonl", "\n".join(lines).encode())["job_id"]
        assert server.finished(job)["state"] == "done"
        await_rest(server)
        assert assert_agreement(server) > 1_000
    return home


@pytest.fixture
def server(filled: Path, tmp_path: Path, settings: dict[str, str]) -> Iterator[Server]:
    """Stopped, on a copy of that home."""
    shutil.copytree(filled, tmp_path / "home")
    server = Server(tmp_path / "home", settings)
    yield server
    server.stop()
    server.http.close()


def found(server: Server, mode: str) -> set[int]:
    hits = server.search(WORDS, mode=mode, top_k=100, filter={"source": "d7"})["hits"]
    return {part for _, _, part, _ in said(hit["text"] for hit in hits)}


def nearest(server: Server, document: int) -> str:
    """The source that dense search finds first, by way of Chroma alone."""
    [own] = server.search("part", mode="lexical", top_k=1, filter={"source": f"d{document}"})["hits"]
    [hit] = server.search(f"{own['title']}\n{own['text']}", mode="dense", top_k=1)["hits"]
    assert hit["score"] > 0.99, hit
    return str(hit["source"])


def assert_all_is_found(server: Server) -> None:
    assert found(server, "lexical") == found(server, "dense") == set(range(1, PARTS + 1))
    assert {document: nearest(server, document) for document in (0, 31, 59)} == {0: "d0", 31: "d31", 59: "d59"}
    assert assert_agreement(server) > 1_000


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database at all " * 4_000)


def change_in_the_middle(path: Path) -> None:
    change(path, path.stat().st_size // 3)


def change_the_tables_of_ids(path: Path) -> None:
    """Many pages of a database are free, and changing one of these would harm nothing."""
    with closing(sqlite3.connect(path)) as db:
        pages = db.execute("SELECT rootpage FROM sqlite_schema WHERE tbl_name = 'embeddings'").fetchall()
        [(size,)] = db.execute("PRAGMA page_size")
    for (page,) in pages:
        change(path, (page - 1) * size)


def change(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + 16] = bytes(byte ^ 0xFF for byte in data[at : at + 16])
    path.write_bytes(data)


def segments(home: Path) -> list[Path]:
    return [path for path in (home / "chroma").iterdir() if path.is_dir()]


def damage_segments(home: Path) -> None:
    assert segments(home)
    for folder in segments(home):
        shutil.rmtree(folder)


def damage_vectors(home: Path) -> None:
    for folder in segments(home):
        for path in folder.iterdir():
            cut_off(path)


def damage_database(how: Callable[[Path], None]) -> Callable[[Path], None]:
    return lambda home: how(home / "chroma" / "chroma.sqlite3")


OF_CHROMA = {
    "segment folder gone": damage_segments,
    "database overwritten": damage_database(overwrite),
    "whole folder gone": lambda home: shutil.rmtree(home / "chroma"),
}
if IS_LONG:
    OF_CHROMA |= {
        "segment files cut off": damage_vectors,
        "database cut off": damage_database(cut_off),
        "database changed": damage_database(change_the_tables_of_ids),
    }


@pytest.mark.timeout(180)
@pytest.mark.parametrize("damage", OF_CHROMA.values(), ids=list(OF_CHROMA))
def test_a_damaged_chroma_is_filled_anew_from_the_catalogue(
    server: Server, embedder: CountingEmbedder, damage: Callable[[Path], None]
) -> None:
    damage(server.home)
    embedder.documents.clear()
    server.start()
    said_of_vectors: set[str] = set()

    def is_ready() -> bool:
        assert found(server, "lexical") == set(range(1, PARTS + 1))
        assert server.http.post(
            "/api/v1/collections/default/search", json={"query": WORDS, "mode": "hybrid"}
        ).is_success, "hybrid search goes on with words"
        reply = server.http.get("/readyz")
        said_of_vectors.add(reply.json()["checks"]["vectors"])
        return reply.is_success

    until(is_ready, within_s=120, what=f"ready; {server.said[-3000:]}")
    assert_all_is_found(server)
    assert embedder.documents.total() == 0
    assert "indexes mended" in server.said
    assert {said.partition(",")[0] for said in said_of_vectors} <= STATES_OF_VECTORS, said_of_vectors


def change_a_lexical_file(home: Path) -> None:
    change_in_the_middle(max((home / "lexical").rglob("*.idx"), key=lambda path: path.stat().st_size))


def remove_the_lexical_folder(home: Path) -> None:
    shutil.rmtree(home / "lexical")


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("store_too", "damage_words"),
    [(False, change_a_lexical_file), (True, remove_the_lexical_folder)],
    ids=["worker, a lexical file changed", "worker and Chroma, the lexical folder gone"],
)
def test_both_indexes_are_mended_though_the_worker_dies_over_it(
    server: Server, embedder: CountingEmbedder, store_too: bool, damage_words: Callable[[Path], None]
) -> None:
    """Words are mended before vectors, over which it dies; so what it did is there when the next one looks."""
    server.points = [REBUILDING]
    damage_segments(server.home)
    damage_words(server.home)
    embedder.documents.clear()
    server.armed.write_text(f"{REBUILDING} after 2", "utf-8")
    server.start()
    until(server.armed.with_name("fired").exists, within_s=60, what="the worker's death")
    if store_too:
        server.kill("chroma")
    await_rest(server)
    assert_all_is_found(server)
    assert embedder.documents.total() == 0
