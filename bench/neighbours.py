"""Searches and streams while documents come in: a PDF of 300 pages and 500 small files, beside the quiet server.

Searches leave ten a second, whether the ones before are answered or not, and are timed from when they should. Four
answers stream all the while, 20 ms a token; their gaps are those between two reads that bring text.
"""

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from textwrap import wrap
from typing import Any

import httpx

from bench.figures import lines, percentiles, post
from bench.streams import END, MARK, PATH, process
from tests.ingest.test_parsers_pages import pdf
from tests.processes import Service

FOUND, FILES, PAGES = 1_000, 500, 300  # documents that are there before; small files and pages that come
LINES_A_PAGE, CHARS_A_LINE, LINE_POINTS = 38, 92, 18
STREAMS, EVERY_S, QUIET_S = 4, 0.1, 30
WAIT_S, ASK_S = 600, 0.5
BATCH = 50  # files an upload
TEXT = b"event: text"


@dataclass
class Seen:
    searches: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        return {**percentiles(self.searches), "searches": len(self.searches), "gap_ms": round(1000 * max(self.gaps))}


def neighbours(say: Callable[[str, dict[str, Any]], None], folder: Path) -> None:
    documents = lines(folder / "nq" / "corpus.jsonl")
    questions = [query["text"] for query in lines(folder / "nq" / "queries.jsonl")]
    there = "\n".join(json.dumps({key: item[key] for key in ("title", "text")}) for item in documents[:FOUND])
    coming = {f"{item['doc_id']}.txt": item["text"].encode() for item in documents[FOUND:][:FILES]}
    paper = _paper([item["text"] for item in documents[FOUND + FILES :]])
    with process("bench.paced", "200", "20") as url, tempfile.TemporaryDirectory() as home:
        env = {"RAG_LLM__BASE_URL": f"{url}/v1", "RAG_LLM__MODEL": "paced"}
        with Service.start(Path(home) / "home", env) as service:
            service.ingest("default", {"there.jsonl": there.encode()})
            asyncio.run(_watched(service.url, questions, asyncio.sleep(5)))  # what is loaded once is there by then
            quiet = asyncio.run(_watched(service.url, questions, asyncio.sleep(QUIET_S)))
            say("searches on a quiet server, four streams", quiet.figures())
            began = time.monotonic()
            busy = asyncio.run(_watched(service.url, questions, _elsewhere(service.url, paper, coming)))
            say("the same while documents come in", busy.figures() | {"took_s": round(time.monotonic() - began, 1)})
            both = (quiet.figures(), busy.figures())
            say("times as long", {key: round(both[1][key] / both[0][key], 2) for key in ("p50_ms", "p99_ms")})


def _paper(texts: Sequence[str]) -> bytes:
    rows = _rows(texts)
    return pdf(*([(40, 760 - LINE_POINTS * at, 10, next(rows)) for at in range(LINES_A_PAGE)] for _ in range(PAGES)))


def _rows(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        plain = text.encode("ascii", "ignore").decode().translate({ord(char): None for char in "()\\"})
        yield from wrap(plain, CHARS_A_LINE)


async def _elsewhere(url: str, paper: bytes, files: dict[str, bytes]) -> None:
    """In a process of its own, as what watches must not be held up."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        await asyncio.get_running_loop().run_in_executor(pool, _all_in, url, paper, files)


def _all_in(url: str, paper: bytes, files: dict[str, bytes]) -> None:
    with httpx.Client(base_url=f"{url}/api/v1", timeout=60) as http:
        names = list(files)
        batches = [{name: files[name] for name in names[at : at + BATCH]} for at in range(0, len(names), BATCH)]
        for some in ({"paper.pdf": paper}, *batches):
            parts = [("files", (name, data)) for name, data in some.items()]
            http.post("/collections/default/documents", files=parts).raise_for_status()

        def are_any(state: str) -> bool:
            return bool(http.get("/jobs", params={"state": state, "limit": 1}).raise_for_status().json()["items"])

        deadline = time.monotonic() + WAIT_S
        while are_any("queued") or are_any("running") or are_any("queued"):  # a running one may be queued again
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all jobs are done after {WAIT_S} s")
            time.sleep(ASK_S)
        if are_any("failed") or are_any("cancelled"):
            raise RuntimeError("a job did not end well")


async def _watched(url: str, questions: Sequence[str], meanwhile: Any) -> Seen:
    seen = Seen()
    others = [asyncio.create_task(_streams(url, questions[i::STREAMS], seen)) for i in range(STREAMS)]
    others.append(asyncio.create_task(_searches(url, questions, seen)))
    await meanwhile
    for task in others:
        task.cancel()
    for ended in await asyncio.gather(*others, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError):
            raise ended or RuntimeError("a watcher ended by itself")
    return seen


async def _searches(url: str, questions: Sequence[str], seen: Seen) -> None:
    async with asyncio.TaskGroup() as group:
        at = asyncio.get_running_loop().time()
        for number in range(1_000_000):
            at += EVERY_S
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            group.create_task(_search(url, questions[number % len(questions)], at, seen))


async def _search(url: str, question: str, at: float, seen: Seen) -> None:
    reader, writer = await post(url, "/api/v1/collections/default/search", {"query": question})
    reply = await reader.read()
    seen.searches.append(asyncio.get_running_loop().time() - at)
    writer.close()
    if b" 200 " not in reply[:20]:
        raise RuntimeError(reply[:300].decode("utf-8", "replace"))


async def _streams(url: str, questions: Sequence[str], seen: Seen) -> None:
    for number in range(1_000_000):
        reader, writer = await post(url, PATH, {"question": questions[number % len(questions)]})
        last, tail = 0.0, b""
        while data := await reader.read(65_536):
            tail += data
            if END in tail:
                break
            if TEXT in tail and MARK in tail.rpartition(TEXT)[2]:
                now = asyncio.get_running_loop().time()
                seen.gaps += [now - last] if last else []
                last, tail = now, b""
        writer.close()
