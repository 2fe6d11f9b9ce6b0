"""Deleted means gone: what the indexes and the catalogue no longer show is taken out of their files as well."""

import asyncio
from typing import Protocol

from rag_api.db import collections, generations
from rag_api.db.database import Database
from rag_api.db.rows import JobRow
from rag_api.services.indexing import CatalogueSink
from rag_api.services.progress import Progress
from rag_api.services.reaper import REMOVED_FACT
from rag_api.services.reconciler import Reconciler
from rag_api.services.upkeep import Upkeep


class Reports(Protocol):
    """Of evaluations, which show texts of documents beside their figures."""

    def forget_texts(self) -> None: ...


class Purging:
    def __init__(
        self,
        db: Database,
        upkeep: Upkeep,
        reconciler: Reconciler,
        sink: CatalogueSink,
        *,
        answer_log: Database,
        reports: Reports,
    ) -> None:
        self._db = db
        self._answer_log = answer_log
        self._upkeep = upkeep
        self._reconciler = reconciler
        self._sink = sink
        self._reports = reports

    async def work(self, job: JobRow, progress: Progress) -> None:
        """Everything that was deleted before this began is in no file of the home when it returns.

        Both indexes are written anew from the catalogue, the lexical one beside the old. While the vectors are, search
        goes on with words alone. Where nothing has been removed since the last time, nothing is written.
        """
        async with self._upkeep.turn:
            progress.stage("reap")
            await self._upkeep.reap_all()
            async with self._db.read() as db:
                removed = await collections.fact(db, REMOVED_FACT)
                rows = await generations.alive(db)
            if removed:
                await asyncio.to_thread(self._reports.forget_texts)
                progress.stage("words")
                for row in rows:
                    async with self._sink.turn:
                        await self._reconciler.rewrite_words(row.id)
                progress.stage("vectors")
                if not await self._upkeep.begin_anew():
                    for row in rows:
                        await self._reconciler.rebuild(row.id)
                await self._db.change(collections.forget_fact, REMOVED_FACT)
            progress.stage("log")
            await self._db.truncate_log()
            await self._answer_log.truncate_log()
