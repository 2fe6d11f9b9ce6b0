"""What an ingestion would do and how long it would take, found out without sending anything of it."""

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ingest.documents import Source, is_bulk
from ingest.errors import IngestError
from ingest.sandbox import ParserPool
from ingest.split import Splitting
from rag_api.client import Client, ServerError
from rag_api.client_values import Job, Problem
from rag_api.feeding.items import Item, LocalFile, Skipped, WebPage
from rag_api.feeding.known import Known
from rag_api.feeding.sending import Patience, Sender
from rag_api.feeding.watching import sha256_of

RECENT_JOBS = 500
ENOUGH_CHUNKS = 200
SAMPLE_DOCUMENTS = 20
SAMPLE_LINES = 120


@dataclass(frozen=True, slots=True)
class Plan:
    """`would`: new, changed, unchanged, unsupported, failed, fetched, deleted, or compared for a file whose many
    documents are all known; `known` of `documents` have a source that is in the collection already."""

    name: str
    would: str
    reason: str = ""
    documents: int = 0
    known: int = 0
    chunks: int = 0
    tokens: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    chunks_a_second: float
    basis: str


class Planner:
    """`tokenizer`: of the embedder, None estimates."""

    def __init__(self, known: dict[str, Known], parsers: ParserPool, tokenizer: Path | None, splitting: Splitting):
        self._known = known
        self._parsers = parsers
        self._tokenizer = tokenizer
        self._splitting = splitting

    async def plan(self, item: Item) -> Plan:
        match item:
            case Skipped(name, reason, is_wrong):
                return Plan(name, "failed" if is_wrong else "unsupported", reason)
            case WebPage(url):
                there = (item.source or url) in self._known
                return Plan(url, "fetched", "a page's bytes are seen when it is fetched", documents=1, known=there)
            case LocalFile():
                return await self._plan_file(item)

    async def _plan_file(self, file: LocalFile) -> Plan:
        try:
            media_type, size = file.media_type(), file.path.stat().st_size
            there = self._known.get(file.source or file.name)
            if there and not is_bulk(media_type) and there.is_same(sha256_of(file.path)):
                return Plan(file.name, "unchanged", documents=1, known=1, bytes=size)
            return await self._parsed(file, media_type, size, is_there=there is not None)
        except IngestError as error:
            kind = "unsupported" if error.code == "unsupported_file" else "failed"
            return Plan(file.name, kind, str(error))
        except OSError as error:
            return Plan(file.name, "failed", f"can't be read: {error.strerror}")

    async def _parsed(self, file: LocalFile, media_type: str, size: int, *, is_there: bool) -> Plan:
        """Of a file with many documents, those that are in the collection already are not counted as work."""
        source = Source(file.source or file.name, media_type, file.path)
        documents = known = chunks = tokens = broken = 0
        async with aclosing(self._parsers.parse(source, file.title, self._tokenizer, self._splitting)) as found:
            async for document in found:
                broken += document.error is not None
                documents += document.error is None
                if is_bulk(media_type) and document.document.source in self._known:
                    known += document.error is None
                    continue
                chunks += len(document.chunks)
                tokens += sum(chunk.tokens for chunk in document.chunks)
        remarks = [f"{broken} in it can't be read"] if broken else []
        remarks += ["those that are known are compared when it is sent"] if known else []
        would = "changed" if is_there else "compared" if known and known == documents else "new"
        return Plan(file.name, would, "; ".join(remarks), documents, known or is_there, chunks, tokens, size)


def recent_rate(client: Client) -> Rate | None:
    """Of the last jobs of this server, idle time between them left out; None when they are too few to tell."""
    recent = islice(client.jobs(state="done"), RECENT_JOBS)
    jobs = [job for job in recent if job["kind"] == "ingest" and job["chunks_done"]]
    chunks = sum(job["chunks_done"] for job in jobs)
    if chunks < ENOUGH_CHUNKS:
        return None
    busy_s = _covered(_spans(jobs))
    return Rate(chunks / max(busy_s, 0.001), f"the last {len(jobs)} jobs of this server, {chunks:,} chunks")


def measured_rate(client: Client, patience: Patience) -> Rate:
    """Of a text of our own, ingested into a collection that is deleted again."""
    name = f"rate-{uuid.uuid4().hex[:12]}"
    patience(lambda: client.create_collection(name, "measures how fast this server ingests"))
    try:
        sample = _Sample()
        with TemporaryDirectory() as folder:
            items: list[Item] = []
            for number in range(SAMPLE_DOCUMENTS):
                path = Path(folder) / f"{number}.txt"
                path.write_text("\n\n".join(_lines(number)), "utf-8")
                items.append(LocalFile(path.name, path))
            Sender(client, name, patience, sample).send(iter(items))
    finally:
        patience(lambda: client.delete_collection(name))
    chunks = sum(job["chunks_done"] for job in sample.jobs)
    if not chunks:
        raise ServerError("the rate can't be measured: a sample failed to be ingested", code="not_measured", status=0)
    busy_s = _covered(_spans(sample.jobs))
    return Rate(chunks / max(busy_s, 0.001), f"a measurement just now, {chunks:,} chunks of sample text")


def _lines(number: int) -> Iterator[str]:
    for line in range(SAMPLE_LINES):
        yield f"Entry {number}.{line} of the log: the {line % 7}th buoy was at its place, the wind came from the west."


def total(plans: Iterable[Plan]) -> dict[str, Any]:
    """What the plans come to: files by what would become of them, and sums over those to be ingested."""
    verdicts: Counter[str] = Counter()
    sums: Counter[str] = Counter()
    for plan in plans:
        verdicts[plan.would] += 1
        if plan.would in ("new", "changed"):
            sums.update(documents=plan.documents, chunks=plan.chunks, tokens=plan.tokens, bytes=plan.bytes)
    return {"files": dict(verdicts), **{name: sums[name] for name in ("documents", "chunks", "tokens", "bytes")}}


class _Sample:
    """Keeps the jobs that were done."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def found(self) -> None:
        pass

    def skipped(self, name: str, reason: str, *, is_wrong: bool) -> None:
        pass

    def progress(self, job: Job) -> None:
        pass

    def ended(self, name: str, state: str, error: Problem | None = None, job: Job | None = None) -> None:
        if job and state == "done":
            self.jobs.append(job)


def _spans(jobs: list[Job]) -> list[tuple[float, float]]:
    return sorted((_seconds(job["started_at"]), _seconds(job["finished_at"])) for job in jobs)


def _covered(spans: list[tuple[float, float]]) -> float:
    """How much time the spans cover together."""
    covered, end = 0.0, float("-inf")
    for start, stop in spans:
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered


def _seconds(moment: str | None) -> float:
    assert moment, "a job that is done was started and finished"
    return datetime.fromisoformat(moment).timestamp()
