"""Answers that stream, 1, 50 and 200 at once, beside a floor in the same run; and what an open stream takes.

`added`: from the question to the first token, less what the language model itself took. A service searches before it
asks the model; the floor does not.
"""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import lines, percentiles, post
from bench.paced import TOKENS
from rag_api.supervise import bind
from tests.processes import ROOT, Service

LEVELS = (1, 50, 200)
ROUNDS = {1: 15, 50: 2, 200: 1}
PACES = {"zero-delay model": (0, 0), "20 ms a token": (200, 20)}
IDLE = 800
OPEN_BEFORE = 200  # what is loaded, pooled and cached once is there by then
DOCUMENTS = 300
WAIT_S = 120
MARK = b" tok"
PATH = "/api/v1/answers"
END = b"event: done"  # what follows repeats the text


@dataclass
class Stream:
    asked: float
    first: float = 0.0
    last: float = 0.0
    tokens: int = 0


def streams(say: Callable[[str, dict[str, Any]], None], folder: Path) -> None:
    questions = [query["text"] for query in lines(folder / "nq" / "queries.jsonl")]
    for name, (first_ms, token_ms) in PACES.items():
        with process("bench.paced", str(first_ms), str(token_ms)) as model_url:
            with process("bench.floor", f"{model_url}/v1") as url:
                _measure(say, f"floor, {name}", url, questions, first_ms / 1000)
            with _service(folder, model_url) as service:
                _measure(say, f"answers, {name}", service.url, questions, first_ms / 1000)
    with process("bench.paced", str(1000 * WAIT_S), "0") as model_url, _service(folder, model_url) as service:
        say(f"{IDLE} open streams that say nothing", asyncio.run(_idle(service, questions)))


def _measure(
    say: Callable[[str, dict[str, Any]], None], name: str, url: str, questions: Sequence[str], first_s: float
) -> None:
    asyncio.run(_ask(url, questions, 3))
    for level in LEVELS:
        done: list[Stream] = []
        took_s = 0.0
        for _ in range(1 if first_s else ROUNDS[level]):
            began = time.monotonic()
            done += asyncio.run(_ask(url, questions, level))
            took_s += time.monotonic() - began
        whole = [stream for stream in done if stream.tokens == TOKENS]
        added = percentiles([stream.first - stream.asked - first_s for stream in whole])
        spoke = [stream.last - stream.first for stream in whole]
        figures = {f"added_{key}": value for key, value in added.items()}
        figures |= {"tokens_a_s": round(sum(stream.tokens for stream in done) / took_s)}
        figures |= {"slowest_s": round(max(spoke), 2), "broken": len(done) - len(whole)}
        say(f"{name}, {level} at once", figures)


async def _ask(url: str, questions: Sequence[str], count: int) -> list[Stream]:
    async with asyncio.timeout(WAIT_S):
        return await asyncio.gather(*(_read(url, questions[i % len(questions)]) for i in range(count)))


async def _read(url: str, question: str) -> Stream:
    """A lean reader: it shares the machine with what it measures."""
    stream = Stream(time.monotonic())
    reader, writer = await post(url, PATH, {"question": question})
    tail, is_over = b"", False
    while data := await reader.read(65_536):
        seen = tail + data
        if not is_over and (count := seen.partition(END)[0].count(MARK)):
            stream.last = time.monotonic()
            stream.first = stream.first or stream.last
            stream.tokens += count
        is_over = is_over or END in seen
        tail = seen[1 - len(MARK) :]
    writer.close()
    return stream


async def _idle(service: Service, questions: Sequence[str]) -> dict[str, Any]:
    """Streams that have shown their passages and wait for the model: what they add to the API process, shared pages
    counted by their share."""
    api = _api(service.process.pid)

    async def begin(count: int) -> list[asyncio.StreamWriter]:
        opened = await asyncio.gather(
            *(post(service.url, PATH, {"question": questions[i % len(questions)]}) for i in range(count))
        )
        async with asyncio.timeout(WAIT_S):
            for reader, _ in opened:
                await reader.readuntil(b"event: retrieved")
        return [writer for _, writer in opened]

    async def settled() -> int:
        await asyncio.sleep(1)
        return _kb(api)

    kept: list[asyncio.StreamWriter] = []
    at_first = 0
    for _ in range(0, OPEN_BEFORE + IDLE, 100):
        if len(kept) == OPEN_BEFORE:
            at_first = await settled()
        kept += await begin(100)
    more = await settled() - at_first
    for writer in kept:
        writer.close()
    return {"kb_a_stream": round(more / IDLE, 1)}


def _api(supervisor: int) -> int:
    """The process that serves, by its supervisor's. Linux only."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            if parent == supervisor and b"rag_api.app" in (status.parent / "cmdline").read_bytes():
                return int(status.parent.name)
    raise LookupError(f"process {supervisor} has no child that serves")


def _kb(process: int) -> int:
    rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


@contextmanager
def _service(folder: Path, model_url: str) -> Iterator[Service]:
    documents = lines(folder / "nq" / "corpus.jsonl")[:DOCUMENTS]
    body = "\n".join(json.dumps({key: item[key] for key in ("title", "text")}) for item in documents)
    env = {"RAG_LLM__BASE_URL": f"{model_url}/v1", "RAG_LLM__MODEL": "paced", "RAG_LLM__FIRST_TOKEN_S": str(2 * WAIT_S)}
    with tempfile.TemporaryDirectory() as home, Service.start(Path(home) / "home", env) as service:
        service.ingest("default", {"nq.jsonl": body.encode()})
        yield service


@contextmanager
def process(module: str, *args: str) -> Iterator[str]:
    """A server of this folder, by its URL."""
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", module, str(port), *args], cwd=ROOT)
    try:
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
