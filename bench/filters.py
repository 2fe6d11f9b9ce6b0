"""Searches with filters over 100,000 chunks: p50, p99 and recall by the share of chunks that pass.

The chunks are made of real ones: each vector is a real one with noise, each text a real one with words of another. They
are written to the catalogue; the service derives its indexes from it, as it does after a loss. Recall is against the
scalar products of all vectors that pass.
"""

import asyncio
import base64
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from bench.figures import lines, percentiles
from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk, Vectors
from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.core.ports import EmbedderIdentity
from rag_api.db import chunks, collections, generations, indexes, versions
from rag_api.db.database import Connection, Database
from rag_api.db.versions import Described, Incoming
from tests.processes import Backends, Service, start_backends

DOCUMENTS = 50_000
CHUNKS = 2  # of a document
DOCUMENTS_A_BATCH = 500
NOISE = 0.45  # a copy's cosine to its original is about .91
READY_S = 1_800.0
QUERIES = 300
WARM = 20
MATRIX_S = 20.0  # that the matrix gets to be read from the catalogue
TOP_K = 10
BUCKETS = 10_000
SIDES = {"left": 0, "right": 1}
FILTERS: dict[str, dict[str, Any] | None] = {
    "no filter": None,
    "0.01 %": {"bucket": 7},
    "1 %": {"bucket": {"$lt": 100}},
    "10 %": {"bucket": {"$lt": 1_000}},
    "20 %": {"$or": [{"bucket": {"$lt": 1_000}}, {"bucket": {"$gte": 9_000}}]},
    "50 %": {"bucket": {"$lt": 5_000}},
    "50 %, one side of the subject": {"side": "left"},
    "99 %": {"bucket": {"$lt": 9_900}},
}


@dataclass(frozen=True)
class Made:
    """All chunks of an index: ids, vectors of shape (n, dimension), the bucket and the side of each."""

    ids: list[str]
    vectors: Vectors
    buckets: npt.NDArray[np.int64]
    sides: npt.NDArray[np.int64]

    def passing(self, wanted: dict[str, Any] | None) -> npt.NDArray[np.bool_]:
        match wanted:
            case None:
                return np.ones(len(self.ids), dtype=np.bool_)
            case {"$or": [one, other]}:
                return self.passing(one) | self.passing(other)
            case {"bucket": {"$lt": value}}:
                return self.buckets < value
            case {"bucket": {"$gte": value}}:
                return self.buckets >= value
            case {"bucket": value}:
                return self.buckets == value
            case {"side": side}:
                return self.sides == SIDES[side]
        raise ValueError(f"{wanted} is none of the filters")

    def nearest(self, query: Vectors, wanted: dict[str, Any] | None) -> list[str]:
        passing = np.flatnonzero(self.passing(wanted))
        best = np.argsort(-(self.vectors[passing] @ query), kind="stable")[:TOP_K]
        return [self.ids[passing[i]] for i in best]


def copies(found: Sequence[EmbeddedChunk], count: int) -> Iterator[tuple[str, Vectors, int]]:
    """Texts and vectors that resemble real ones, each with the side of its subject: where it is along the direction in
    which the real ones differ most."""
    chosen, noise = random.Random(1), np.random.default_rng(1)
    real = np.stack([item.vector for item in found])
    direction = np.linalg.svd(real - real.mean(axis=0), full_matrices=False)[2][0]
    is_right = (real - real.mean(axis=0)) @ direction > 0
    for i in range(count):
        at = i % len(found)
        words = found[at].chunk.text.split()
        other = chosen.choice(found).chunk.text.split()
        for _ in range(6):
            words[chosen.randrange(len(words))] = chosen.choice(other)
        vector = real[at] + NOISE * noise.standard_normal(real.shape[1]).astype(np.float32) / real.shape[1] ** 0.5
        yield f"{' '.join(words)} ({i})", vector / np.linalg.norm(vector), int(is_right[at])


async def fill(db: Database, source: str, target: str) -> Made:
    """Writes and publishes copies of one collection's chunks as another, and remembers them."""
    _, real = await db.ask(collections.in_use, source)
    found = [item async for page in indexes.everything(db, real.id, limit=500) for item in page]
    await db.change(collections.create, target, embedder=real.model)
    row, fresh = await db.ask(collections.in_use, target)
    assert real.model and real.fingerprint and real.dimension and real.splitter
    identity = EmbedderIdentity(real.model, real.fingerprint, real.dimension, 0)
    await db.change(generations.settle, fresh.id, identity, real.splitter)
    every = copies(found, DOCUMENTS * CHUNKS)
    ids: list[str] = []
    vectors: list[Vectors] = []
    sides: list[int] = []
    for at in range(0, DOCUMENTS, DOCUMENTS_A_BATCH):
        some = [[next(every) for _ in range(CHUNKS)] for _ in range(DOCUMENTS_A_BATCH)]
        keys = await db.change(publish, row.id, fresh.id, at, some)
        ids += [key.chunk_id(i) for key in keys for i in range(CHUNKS)]
        vectors += [vector for document in some for _, vector, _ in document]
        sides += [document[0][2] for document in some for _ in document]
    buckets = np.repeat(np.arange(DOCUMENTS) % BUCKETS, CHUNKS)
    return Made(ids, np.stack(vectors), buckets, np.array(sides))


async def publish(
    db: Connection,
    collection_id: str,
    generation_id: str,
    first: int,
    some: Sequence[Sequence[tuple[str, Vectors, int]]],
) -> list[VersionKey]:
    incoming = [Incoming(f"{first + i}.txt", "", 1, "text/plain", "A copy") for i in range(len(some))]
    accepted = await versions.accept(db, collection_id, incoming)
    keys = [VersionKey(generation_id, one.document_id, one.version or 0) for one in accepted]
    described: list[Described] = []
    items: list[EmbeddedChunk] = []
    for i, (key, document) in enumerate(zip(keys, some, strict=True)):
        side = next(name for name, number in SIDES.items() if number == document[0][2])
        metadata = {"bucket": (first + i) % BUCKETS, "side": side, "tags": [f"t{i % 7}", f"u{i % 50}"]}
        text, at = "\n".join(text for text, _, _ in document), 0
        described.append(Described(key.document_id, key.version, text, "A copy", None, len(document), metadata))
        for index, (piece, vector, _) in enumerate(document):
            chunk = Chunk(index, piece, Span(at, at + len(piece)), "", None, tokens=0)
            items.append(EmbeddedChunk(key, "A copy", chunk, vector))
            at += len(piece) + 1
    await versions.describe(db, described)
    await chunks.write(db, items)
    await generations.note_indexed(db, dict.fromkeys(keys, CHUNKS))
    await versions.publish(db, keys)
    return keys


def embedded(backends: Backends, queries: Sequence[str]) -> Vectors:
    transport = httpx.HTTPTransport(uds=backends.env["RAG_EMBEDDER__URL"].removeprefix("unix:"))
    found: list[bytes] = []
    with httpx.Client(transport=transport, base_url="http://embedder", timeout=60) as http:
        for query in queries:
            body = {"model": DEFAULT_MODEL, "input": [query], "input_type": "query", "encoding_format": "base64"}
            [row] = http.post("/v1/embeddings", json=body).raise_for_status().json()["data"]
            found.append(base64.b64decode(row["embedding"]))
    return np.frombuffer(b"".join(found), dtype="<f4").reshape(len(found), -1)


def await_whole(service: Service) -> float:
    """Until both indexes hold every chunk: the words are written first."""
    began = time.perf_counter()
    while True:
        found = service.http.get("/api/v1/stats").json()
        if found["vectors"] == found["chunks"] and service.http.get("/readyz").is_success:
            return time.perf_counter() - began
        if time.perf_counter() - began > READY_S:
            raise RuntimeError(f"only {found['vectors']:,} vectors are in the index after {READY_S:.0f} s")
        time.sleep(1)


def asked(
    service: Service, made: Made, queries: Sequence[str], vectors: Vectors, mode: str, name: str
) -> dict[str, Any]:
    took: list[float] = []
    found: list[set[str]] = []
    for query in queries:
        body = {"query": query, "mode": mode, "top_k": TOP_K, "filter": FILTERS[name]}
        began = time.perf_counter()
        reply = service.http.post("/api/v1/collections/large/search", json=body).raise_for_status()
        took.append(time.perf_counter() - began)
        found.append({hit["chunk_id"] for hit in reply.json()["hits"]})
    figures = {"share": round(float(made.passing(FILTERS[name]).mean()), 4)} | percentiles(took)
    if mode == "dense":  # only now, as the threads of these products would be in the way of questions
        wanted = [set(made.nearest(vector, FILTERS[name])) for vector in vectors]
        recalls = [len(hits & best) / len(best) for hits, best in zip(found, wanted, strict=True)]
        figures[f"recall@{TOP_K}"] = round(float(np.mean(recalls)), 4)
    return figures


def filters(say: Callable[[str, dict[str, Any]], None], corpus: Path, queries: Sequence[str]) -> None:
    queries = queries[:QUERIES]
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder, start_backends(Path(folder)) as backends:
        home = Path(folder) / "home"
        documents = ({"id": item["doc_id"], "title": item["title"], "text": item["text"]} for item in lines(corpus))
        with Service.start(home, backends.env) as service:
            service.collection("real")
            [row] = service.upload("real", {"real.jsonl": "\n".join(map(json.dumps, documents)).encode()})
            while service.http.get(f"/api/v1/jobs/{row['job_id']}").json()["state"] in ("queued", "running"):
                time.sleep(0.5)
        began = time.perf_counter()
        made = asyncio.run(_filled(home))
        say("writing the catalogue", {"chunks": len(made.ids), "seconds": round(time.perf_counter() - began, 1)})
        vectors = embedded(backends, queries)
        env = {  # with a Chroma of its own; copies, as these chunks are, would give way to others
            "RAG_EMBEDDER__URL": backends.env["RAG_EMBEDDER__URL"],
            "RAG_RETRIEVAL__DIVERSITY": "0",
        }
        with Service.start(home, env, ready=False) as service:
            say("both indexes from the catalogue", {"seconds": round(await_whole(service), 1)})
            began = time.perf_counter()
            service.search("large", queries[0], filter={"bucket": 1})
            say("the first filter after the start", {"ms": round(1000 * (time.perf_counter() - began), 1)})
            time.sleep(MATRIX_S)
            for mode in ("hybrid", "dense", "lexical"):
                for name in FILTERS:
                    asked(service, made, queries[:WARM], vectors[:WARM], mode, name)
                    say(f"{mode}, {name}", asked(service, made, queries, vectors, mode, name))


async def _filled(home: Path) -> Made:
    db = Database(f"sqlite:///{home / 'catalogue.db'}")
    try:
        return await fill(db, "real", "large")
    finally:
        await db.close()
