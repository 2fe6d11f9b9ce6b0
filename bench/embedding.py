"""The embedder process by itself, over its socket: documents, queries, and queries while documents come in."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.figures import percentiles
from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.supervise import EMBEDDER_ENV
from tests.processes import clean_env

CALL_TEXTS = 200
START_S = 100.0
QUERIES = 200


async def embed(http: httpx.AsyncClient, texts: Sequence[str], kind: str) -> None:
    body = {"model": DEFAULT_MODEL, "input": list(texts), "input_type": kind, "encoding_format": "base64"}
    (await http.post("/v1/embeddings", json=body)).raise_for_status()


async def in_calls(http: httpx.AsyncClient, texts: Sequence[str]) -> None:
    """Two calls in flight, as an ingestion has."""
    starts: Iterator[int] = iter(range(0, len(texts), CALL_TEXTS))

    async def caller() -> None:
        for at in starts:
            await embed(http, texts[at : at + CALL_TEXTS], "document")

    await asyncio.gather(caller(), caller())


async def latencies(http: httpx.AsyncClient, queries: Sequence[str]) -> dict[str, float]:
    took: list[float] = []
    for i in range(QUERIES):
        began = time.perf_counter()
        await embed(http, [queries[i % len(queries)]], "query")
        took.append(time.perf_counter() - began)
    return percentiles(took)


async def measure(
    say: Callable[[str, dict[str, Any]], None], socket: Path, texts: Sequence[str], queries: Sequence[str], tokens: int
) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(socket), retries=5)
    async with httpx.AsyncClient(transport=transport, base_url="http://embedder", timeout=60) as http:
        await in_calls(http, texts[:CALL_TEXTS])
        began = time.perf_counter()
        await in_calls(http, texts)
        say("embedding alone", {"tokens_a_s": round(tokens / (time.perf_counter() - began))})
        say("embedding one query", await latencies(http, queries))
        load = asyncio.create_task(in_calls(http, [*texts] * 100))
        await asyncio.sleep(0.5)
        say("the same while documents come in", await latencies(http, queries))
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)


@contextmanager
def embedder() -> Iterator[Path]:
    """The socket of an embedder process of its own."""
    with tempfile.TemporaryDirectory(prefix="rag-bench-") as folder:
        socket = Path(folder) / "embedder.sock"
        env = clean_env(**EMBEDDER_ENV, RAG_HOME=folder)
        process = subprocess.Popen(
            [sys.executable, "-m", "rag_api.embedder", str(socket)],
            env=env,
        )
        try:
            deadline = time.monotonic() + START_S
            while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            yield socket
        finally:
            process.terminate()
            process.wait(30)


def embedding(
    say: Callable[[str, dict[str, Any]], None], texts: Sequence[str], queries: Sequence[str], tokens: int
) -> None:
    with embedder() as socket:
        asyncio.run(measure(say, socket, texts, queries, tokens))
