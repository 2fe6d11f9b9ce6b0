"""One job's way: its file → documents → chunks → the pipeline → published versions."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import orjson

from ingest.documents import Source, VersionKey
from ingest.errors import IngestError
from ingest.pipeline import Draft, Refused
from ingest.sandbox import SplitDocument
from ingest.split import Splitting
from rag_api.core.principals import Principal
from rag_api.db import generations, versions
from rag_api.db.database import Connection, Database
from rag_api.db.rows import JobRow
from rag_api.db.versions import Described, Incoming
from rag_api.services.indexing import CatalogueSink
from rag_api.services.pipelines import Line, Pipelines
from rag_api.services.progress import Progress
from rag_api.services.room import Room
from rag_api.services.uploads import hidden_sources, source_taken

BULK_DOCUMENTS = 100
CHARS_IN_HAND = 20_000_000
MAX_STARTS = 5


class Parsers(Protocol):
    def parse(
        self, source: Source, title: str, tokenizer: Path | None, splitting: Splitting
    ) -> AsyncGenerator[SplitDocument, None]: ...


class StoredFiles(Protocol):
    def path(self, name: str) -> Path: ...


class Ingestion:
    def __init__(
        self, db: Database, files: StoredFiles, parsers: Parsers, sink: CatalogueSink, pipelines: Pipelines
    ) -> None:
        self._db = db
        self._files = files
        self._parsers = parsers
        self._sink = sink
        self._pipelines = pipelines
        self._room = Room(CHARS_IN_HAND)

    async def work(self, job: JobRow, progress: Progress) -> None:
        """From the job's file to its published version, or to those of all its lines.

        What an earlier try has embedded is not embedded again.
        """
        for start in range(1, MAX_STARTS + 1):
            try:
                await self._ingest(job, progress)
                return
            except Refused:  # its collection has another generation now
                if start == MAX_STARTS:
                    raise
                progress.set(chunks_done=0, chunks_total=0, documents_done=0)
                progress.set(**({} if job.document_id else {"documents_total": 0}))

    async def _ingest(self, job: JobRow, progress: Progress) -> None:
        assert job.collection_id
        generation = await self._db.ask(generations.in_use, job.collection_id)
        line = await self._pipelines.into(generation, what=job.source)
        source = Source(job.source, job.media_type, self._files.path(job.file))
        async with aclosing(self._parsers.parse(source, job.title, line.tokenizer, line.splitting)) as parsed:
            if not job.document_id or not job.version:
                await self._ingest_many(job, progress, line, parsed)
                return
            [found] = [document async for document in parsed]
            await self._room.enter(len(found.document.text))
        try:  # the parser reads the next file meanwhile
            key = VersionKey(line.generation_id, job.document_id, job.version)
            await self._ingest_one(job, progress, line, key, found)
        finally:
            await self._room.leave(len(found.document.text))

    async def _ingest_one(
        self, job: JobRow, progress: Progress, line: Line, key: VersionKey, found: SplitDocument
    ) -> None:
        await self._sink.trim({key: len(found.chunks)})
        await self._db.change(versions.describe, [_described(key, found, job.metadata)])
        progress.add(chunks_total=len(found.chunks))
        progress.stage("embed")
        await line.pipeline.ingest(self._draft(progress, key, found))
        progress.add(documents_done=1)

    def _draft(self, progress: Progress, key: VersionKey, found: SplitDocument) -> Draft:
        def indexed(count: int) -> None:
            progress.add(chunks_done=count)
            progress.stage("index")

        return Draft(key, found.embedded_title, found.chunks, indexed)

    async def _ingest_many(
        self, job: JobRow, progress: Progress, line: Line, parsed: AsyncGenerator[SplitDocument, None]
    ) -> None:
        """Documents go on together; how many are in hand is bounded by `room` and the pipeline's queue."""
        room = asyncio.Semaphore(4 * BULK_DOCUMENTS)
        try:
            async with asyncio.TaskGroup() as group:
                async for batch in _batches(parsed, progress):
                    for key, found in await self._accept(job, progress, line.generation_id, batch):
                        await room.acquire()
                        group.create_task(self._ingest_line(progress, line, key, found, room))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _accept(
        self, job: JobRow, progress: Progress, generation_id: str, batch: Mapping[str, SplitDocument]
    ) -> list[tuple[VersionKey, SplitDocument]]:
        """Those of the documents that are not in the collection as they are, with the version that each becomes."""
        fresh, taken = await self._db.change(_accept, job, generation_id, batch)
        for name in taken:
            progress.failed(name, source_taken(name))
        await self._sink.trim({key: len(found.chunks) for key, found in fresh})
        total = sum(len(found.chunks) for _, found in fresh)
        progress.add(documents_done=len(batch) - len(fresh) - len(taken), chunks_total=total)
        progress.stage("embed")
        return fresh

    async def _ingest_line(
        self, progress: Progress, line: Line, key: VersionKey, found: SplitDocument, room: asyncio.Semaphore
    ) -> None:
        try:
            await line.pipeline.ingest(self._draft(progress, key, found))
            progress.add(documents_done=1)
        except IngestError as error:
            progress.failed(found.document.source or "", error)
            await self._db.change(versions.fail, key.document_id, key.version, error.code, str(error))
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
        embedded_title=found.embedded_title,
        sections=[(section.start, section.path) for section in document.sections],
        page_starts=[(page.start, page.number) for page in document.pages],
    )


def _incoming(job: JobRow, name: str, found: SplitDocument) -> Incoming:
    document = found.document
    line = orjson.dumps([document.title, document.text, dict(document.metadata), document.acl, dict(job.metadata)])
    return Incoming(
        source=name,
        sha256=hashlib.sha256(line).hexdigest(),
        bytes=len(document.text.encode()),
        media_type=document.media_type or "text/plain",
        bulk_job_id=job.id,
        title=document.title,
        metadata=dict(document.metadata) | dict(job.metadata),
        acl=document.acl or tuple(job.acl),
    )


async def _accept(
    db: Connection, job: JobRow, generation_id: str, batch: Mapping[str, SplitDocument]
) -> tuple[list[tuple[VersionKey, SplitDocument]], set[str]]:
    """What becomes a version, and the sources that are not to be replaced."""
    assert job.collection_id
    groups = None if job.groups is None else frozenset(job.groups)
    owner = Principal(job.owner, "writer", groups=groups)
    taken = await hidden_sources(db, job.collection_id, list(batch), owner, besides_bulk=job.id)
    batch = {name: found for name, found in batch.items() if name not in taken}
    incoming = [_incoming(job, name, found) for name, found in batch.items()]
    accepted = await versions.accept(db, job.collection_id, incoming)
    fresh = [
        (VersionKey(generation_id, row.document_id, row.version), found)
        for row, found in zip(accepted, batch.values(), strict=True)
        if row.version is not None
    ]
    if fresh:
        await versions.describe(db, [_described(key, found, job.metadata) for key, found in fresh])
    return fresh, taken
