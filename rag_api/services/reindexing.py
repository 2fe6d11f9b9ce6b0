"""A new generation beside the one that answers, built from the stored texts, then one switch."""

import asyncio
import time
from collections.abc import Sequence

from ingest.documents import Chunk, Document, Page, Section, VersionKey
from ingest.pipeline import Draft, Refused
from ingest.split import split_titled
from ingest.tokens import load_tokenizer
from rag_api.db import generations, texts
from rag_api.db.database import Database
from rag_api.db.rows import JobRow
from rag_api.errors import ContentGone
from rag_api.services.pipelines import Line, Pipelines
from rag_api.services.progress import Progress

DOCUMENTS_A_STEP = 50


class Reindexing:
    """`share`: of the time that it may keep the embedder busy, so that questions and uploads have the rest."""

    def __init__(self, db: Database, pipelines: Pipelines, *, share: float) -> None:
        self._db = db
        self._pipelines = pipelines
        self._share = share

    async def work(self, job: JobRow, progress: Progress) -> None:
        """Until every published document is in the job's generation and the collection is answered from it.

        What is published meanwhile is caught up with; what an earlier try has built stays.
        """
        assert job.generation_id and job.collection_id
        generation = await self._db.ask(generations.find, job.generation_id)
        if generation is None:
            raise ContentGone(f"{job.source}: the index that this job was building has been dropped; start a new one")
        line = await self._pipelines.into(generation, what=job.source)
        progress.stage("embed")
        while True:
            async with self._db.read() as db:
                done, total = await generations.sizes(db, generation.id, job.collection_id)
                keys = await generations.lacking(db, generation.id, job.collection_id, limit=DOCUMENTS_A_STEP)
            progress.set(documents_done=done, documents_total=total)
            if keys:
                await self._build(line, keys, progress)
                continue
            progress.stage("publish")
            async with self._db.write() as db:
                if await generations.switch(db, job.collection_id, generation.id):
                    return

    async def _build(self, line: Line, keys: Sequence[VersionKey], progress: Progress) -> None:
        began = time.monotonic()
        results = await asyncio.gather(*(self._build_one(line, key, progress) for key in keys), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, Refused):  # a refused one is lacking still
                raise result
        await asyncio.sleep((time.monotonic() - began) * (1 - self._share) / self._share)

    async def _build_one(self, line: Line, key: VersionKey, progress: Progress) -> None:
        stored = await self._db.ask(texts.stored, key)
        if stored is None:  # replaced or deleted meanwhile
            return
        document = Document(
            stored.embedded_title,
            stored.text,
            tuple(Section(start, tuple(path)) for start, path in stored.sections),
            tuple(Page(start, number) for start, number in stored.pages),
        )
        title, chunks = await asyncio.to_thread(_split, document, line)
        progress.add(chunks_total=len(chunks))
        await line.pipeline.ingest(Draft(key, title, chunks, lambda count: progress.add(chunks_done=count)))


def _split(document: Document, line: Line) -> tuple[str, list[Chunk]]:
    title, chunks = split_titled(document, load_tokenizer(line.tokenizer), line.splitting)
    return title, list(chunks)
