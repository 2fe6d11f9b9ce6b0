"""A Chroma that has more in memory than it may is started again, and nobody who reads or writes is told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.crash.agreement import assert_agreement, await_rest
from tests.crash.embedder import CountingEmbedder, serve_embedder
from tests.crash.server import Server, serving, until
from tests.crash.traffic import said, text

PARTS = 1_000  # more chunks than a shard takes
NARROW = {"RAG_CHROMA__MEMORY_BYTES": "1"}  # less than Chroma has at rest


@pytest.fixture(scope="module")
def embedder() -> Iterator[CountingEmbedder]:
    with serve_embedder() as started:
        yield started


@pytest.fixture
def settings(embedder: CountingEmbedder) -> dict[str, str]:
    return {
        "RAG_EMBEDDER__URL": embedder.url,
        "RAG_CHUNKS__MAX_TOKENS": "64",
        "RAG_CHROMA__SHARD_CHUNKS": "400",
    }


def put(server: Server, names: Sequence[str], parts: int) -> None:
    jobs = [server.upload(f"{name}.txt", text(name, 1, parts).encode())["job_id"] for name in names]
    assert {server.finished(job)["state"] for job in jobs} == {"done"}


def parts_found(server: Server, name: str, count: int) -> set[int]:
    found = server.search("part", mode="dense", top_k=count, filter={"source": f"{name}.txt"})
    assert not found["degraded"]
    return {part for _, _, part, _ in said(hit["text"] for hit in found["hits"])}


def test_what_is_written_while_chroma_makes_room_is_there(tmp_path: Path, settings: dict[str, str]) -> None:
    with serving(tmp_path / "home", settings | NARROW) as server:
        put(server, ["d0"], PARTS)
        until(lambda: "vector store started again" in server.said, within_s=60, what="room")
        put(server, ["d1", "d2", "d3"], 40)
        server.await_ready()
        await_rest(server)
        assert assert_agreement(server) > 500
        assert all(parts_found(server, name, 60) == set(range(1, 41)) for name in ("d1", "d2", "d3"))
        assert "indexes mended" not in server.said


def test_dense_search_goes_on_while_chroma_is_started_again(tmp_path: Path, settings: dict[str, str]) -> None:
    with serving(tmp_path / "home", settings) as server:
        put(server, ["d0", "d1"], 40)
        server.await_ready()
        before = server.pid("chroma")
        (server.home / "run" / "restart-chroma").touch()

        def is_another() -> bool:
            assert parts_found(server, "d0", 60) == set(range(1, 41))
            return server.children()["chroma"][1] not in (before, 0)

        until(is_another, within_s=60, what="another Chroma")
        put(server, ["d2"], 40)
        assert parts_found(server, "d2", 60) == set(range(1, 41))
