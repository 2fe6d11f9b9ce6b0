"""One job's way: its file → documents → chunks → the pipeline → published versions."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from ingest.documents import Source, VersionKey
from ingest.errors import EmbedderFailed, IngestError
from ingest.pipeline import Draft, Pipeline
from ingest.sandbox import SplitDocument
from ingest.split import SPLITTER_VERSION, Splitting
from rag_api.core.ports import Embedder
from rag_api.db import chunks, collections, versions
from rag_api.db.database import Database
from rag_api.db.rows import JobRow
from rag_api.db.versions import Described, Incoming
from rag_api.services.indexing import patiently

BULK_DOCUMENTS = 100
MAX_FAILURES_LISTED = 1_000


class Parsers(Protocol):
    def parse(
        self, source: Source, title: str, tokenizer: Path | None, splitting: Splitting
    ) -> AsyncGenerator[SplitDocument, None]: ...


class StoredFiles(Protocol):
    def path(self, name: str) -> Path: ...


@dataclass(frozen=True, slots=True)
class Cutting:
    """How chunks are cut; `max_tokens` 0 is what the embedder reads. `patience_s`: how long it may be away."""

    max_tokens: int
    overlap_tokens: int
    patience_s: float = 60.0


@dataclass(eq=False, slots=True)
class Progress:
    """What a job's row will say at the next tick."""

    values: dict[str, Any] = field(default_factory=dict)
    failures: list[dict[str, Any]] = field(default_factory=list)
    changed: bool = False

    def add(self, **counts: int) -> None:
        for name, count in counts.items():
            self.values[name] = self.values.get(name, 0) + count
        self.changed = True

    def stage(self, name: str) -> None:
        self.values["stage"] = name
        self.changed = True

    def failed(self, source: str, error: IngestError) -> None:
        if len(self.failures) < MAX_FAILURES_LISTED:
            self.failures.append({"source": source, "error": {"code": error.code, "message": str(error)}})
            self.values["failures"] = list(self.failures)
        self.changed = True


class Ingestion:
    def __init__(
        self,
        db: Database,
        files: StoredFiles,
        parsers: Parsers,
        embedder: Embedder,
        *,
        pipeline: Pipeline,
        cutting: Cutting,
    ) -> None:
        self._db = db
        self._files = files
        self._parsers = parsers
        self._embedder = embedder
        self._pipeline = pipeline
        self._cutting = cutting

    async def ingest(self, job: JobRow, progress: Progress) -> None:
        """From the job's file to its published version, or to those of all its lines."""
        generation_id = await self._generation(job)
        identity = await self._embedder.identity()
        splitting = Splitting(
            min(self._cutting.max_tokens or identity.max_tokens, identity.max_tokens), self._cutting.overlap_tokens
        )
        source = Source(job.source, job.media_type, self._files.path(job.file))
        tokenizer = await self._embedder.tokenizer()
        async with aclosing(self._parsers.parse(source, job.title, tokenizer, splitting)) as parsed:
            if job.document_id and job.version:
                async for found in parsed:
                    await self._ingest_one(
                        job, progress, VersionKey(generation_id, job.document_id, job.version), found
                    )
            else:
                await self._ingest_many(job, progress, generation_id, parsed)

    async def _generation(self, job: JobRow) -> str:
        identity = await patiently(self._embedder.identity, patience_s=self._cutting.patience_s)
        async with self._db.write() as db:
            generation_id = await collections.generation_of(db, job.collection_id)
            row = await collections.settle_generation(db, generation_id, identity, f"{SPLITTER_VERSION}")
        if row.fingerprint != identity.fingerprint:
            raise EmbedderFailed(
                f"{job.source}: its collection is indexed with the embedder {row.model!r} ({row.fingerprint}), this "
                f"server runs {identity.model!r} ({identity.fingerprint}); set RAG_EMBEDDER__MODEL back"
            )
        return generation_id

    async def _ingest_one(self, job: JobRow, progress: Progress, key: VersionKey, found: SplitDocument) -> None:
        described = _described(key, found, job.metadata)
        async with self._db.write() as db:
            await chunks.clear(db, [key])
            await versions.describe(db, [described])
        progress.add(chunks_total=len(found.chunks))
        progress.stage("embed")
        await self._pipeline.ingest(self._draft(progress, key, found))
        progress.add(documents_done=1)

    def _draft(self, progress: Progress, key: VersionKey, found: SplitDocument) -> Draft:
        def indexed(count: int) -> None:
            progress.add(chunks_done=count)
            progress.stage("index")

        return Draft(key, found.embedded_title, found.chunks, indexed)

    async def _ingest_many(
        self, job: JobRow, progress: Progress, generation_id: str, parsed: AsyncGenerator[SplitDocument, None]
    ) -> None:
        """Documents go on together; how many are in hand is bounded by `room` and the pipeline's queue."""
        room = asyncio.Semaphore(4 * BULK_DOCUMENTS)
        try:
            async with asyncio.TaskGroup() as group:
                async for batch in _batches(parsed, progress):
                    for key, found in await self._accept(job, progress, generation_id, batch):
                        await room.acquire()
                        group.create_task(self._ingest_line(progress, key, found, room))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _accept(
        self, job: JobRow, progress: Progress, generation_id: str, batch: Mapping[str, SplitDocument]
    ) -> list[tuple[VersionKey, SplitDocument]]:
        """Those of the documents that are not in the collection as they are, with the version that each becomes."""
        incoming = [_incoming(job, name, found) for name, found in batch.items()]
        async with self._db.write() as db:
            accepted = await versions.accept(db, job.collection_id, incoming)
            fresh = [
                (VersionKey(generation_id, row.document_id, row.version), found)
                for row, found in zip(accepted, batch.values(), strict=True)
                if row.version is not None
            ]
            if fresh:
                await chunks.clear(db, [key for key, _ in fresh])
                await versions.describe(db, [_described(key, found, job.metadata) for key, found in fresh])
        total = sum(len(found.chunks) for _, found in fresh)
        progress.add(documents_done=len(batch) - len(fresh), chunks_total=total)
        progress.stage("embed")
        return fresh

    async def _ingest_line(
        self, progress: Progress, key: VersionKey, found: SplitDocument, room: asyncio.Semaphore
    ) -> None:
        try:
            await self._pipeline.ingest(self._draft(progress, key, found))
            progress.add(documents_done=1)
        except IngestError as error:
            progress.failed(found.document.source or "", error)
            async with self._db.write() as db:
                await versions.fail(db, key.document_id, key.version, error.code, str(error))
        finally:
            room.release()


async def _batches(
    parsed: AsyncGenerator[SplitDocument, None], progress: Progress
) -> AsyncGenerator[dict[str, SplitDocument], None]:
    """Documents by their source, in groups in which no source is twice."""
    batch: dict[str, SplitDocument] = {}
    async for found in parsed:
        progress.add(documents_total=1)
        name = found.document.source or ""
        if found.error:
            progress.failed(name, found.error)
            continue
        if name in batch or len(batch) == BULK_DOCUMENTS:
            yield batch
            batch = {}
        batch[name] = found
    if batch:
        yield batch


def _described(key: VersionKey, found: SplitDocument, given: Mapping[str, Any]) -> Described:
    document = found.document
    return Described(
        document_id=key.document_id,
        version=key.version,
        text=document.text,
        title=document.title,
        pages=document.pages[-1].number if document.pages else None,
        chunks=len(found.chunks),
        metadata=dict(document.metadata) | dict(given),
    )


def _incoming(job: JobRow, name: str, found: SplitDocument) -> Incoming:
    document = found.document
    line = orjson.dumps([document.title, document.text, dict(document.metadata), document.acl, dict(job.metadata)])
    return Incoming(
        source=name,
        sha256=hashlib.sha256(line).hexdigest(),
        bytes=len(document.text.encode()),
        media_type="text/plain",
        bulk_job_id=job.id,
        title=document.title,
        metadata=dict(document.metadata) | dict(job.metadata),
        acl=document.acl or tuple(job.acl),
    )
