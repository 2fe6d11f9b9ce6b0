"""What must hold when nothing runs any more: the catalogue, both indexes and the files agree to the last id."""

import asyncio
import sqlite3
from collections import defaultdict
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from rag_api.backends.lexical import TantivyIndex
from tests.crash.server import Server, until

COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"


def rows(home: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{home / 'catalogue.db'}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def chunks(server: Server) -> int:
    return int(rows(server.home, "SELECT count(*) FROM chunks")[0][0])


def await_chunks(server: Server, count: int) -> None:
    until(lambda: chunks(server) >= count, within_s=60, what=f"{count} chunks")


def await_rest(server: Server, within_s: float = 90) -> None:
    """Ready, no job left, nothing to reap."""
    server.await_ready(within_s)
    waiting = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
    until(lambda: not rows(server.home, waiting)[0][0], within_s=within_s, what="the last job")
    reaping = "SELECT count(*) FROM versions WHERE reap"
    until(lambda: not rows(server.home, reaping)[0][0], within_s=within_s, what="the last version reaped")


def vector_ids(url: str, generation_id: str) -> set[str]:
    """By way of Chroma's own interface, of all its collections with that name and a number."""
    found: list[str] = []
    with httpx.Client(base_url=url, timeout=30) as http:
        for number in count(1):
            reply = http.get(f"{COLLECTIONS}/{generation_id}" + (f".{number}" if number > 1 else ""))
            if reply.status_code == 404:
                break
            body = {"limit": 100_000, "include": []}
            page = http.post(f"{COLLECTIONS}/{reply.raise_for_status().json()['id']}/get", json=body)
            found += page.raise_for_status().json()["ids"]
    assert len(found) == len(set(found)), "a chunk in two collections"
    return set(found)


def lexical_ids(home: Path, generation_id: str) -> set[str]:
    async def ids() -> set[str]:
        index = TantivyIndex(home / "lexical")
        try:
            return await index.ids(generation_id)
        finally:
            await index.close()

    return asyncio.run(ids())


def assert_agreement(server: Server) -> int:
    """Of a server at rest; how many chunks there are."""
    home = server.home
    catalogue: dict[str, set[str]] = defaultdict(set)
    for generation_id, document_id, version, index in rows(
        home, 'SELECT generation_id, document_id, version, "index" FROM chunks'
    ):
        catalogue[generation_id].add(f"{document_id}:{version}:{index}")
    for (generation_id,) in rows(home, "SELECT id FROM generations"):
        wanted = catalogue.pop(generation_id, set())
        words, vectors = lexical_ids(home, generation_id), vector_ids(server.chroma_url(), generation_id)
        assert words == wanted, f"lexical: {len(words - wanted)} too many, {len(wanted - words)} missing"
        assert vectors == wanted, f"Chroma: {len(vectors - wanted)} too many, {len(wanted - vectors)} missing"
    assert not catalogue, "chunks of a generation that is no more"
    assert_no_remains(home)
    return chunks(server)


def assert_no_remains(home: Path) -> None:
    """Nothing is kept of versions that nobody may see; a failed one keeps its file, to be tried again."""
    ready = set(rows(home, "SELECT document_id, number FROM versions WHERE status = 'ready'"))
    failed = set(rows(home, "SELECT document_id, number FROM versions WHERE status = 'failed'"))
    assert len(ready) + len(failed) == rows(home, "SELECT count(*) FROM versions")[0][0]
    assert len({document_id for document_id, _ in ready}) == len(ready), "two versions of one document"
    for table in ("chunks", "texts", "indexed"):
        assert set(rows(home, f"SELECT DISTINCT document_id, version FROM {table}")) <= ready, table
    counts = "SELECT document_id, version, count(*) FROM chunks GROUP BY document_id, version"
    assert set(rows(home, counts)) == set(rows(home, "SELECT document_id, version, chunks FROM indexed WHERE chunks"))


def known_files(home: Path) -> set[str]:
    of_versions = {name for (name,) in rows(home, "SELECT file FROM versions WHERE file IS NOT NULL")}
    bulk = "SELECT file FROM jobs WHERE kind = 'ingest' AND document_id IS NULL AND state != 'done'"
    return of_versions | {name for (name,) in rows(home, bulk)}


def stored_files(home: Path) -> set[str]:
    return {path.name for path in (home / "files").rglob("*") if path.is_file()}
