"""The worker: claims jobs and takes each from its file to published versions."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ingest.errors import IngestError, ParserCrashed, ParserTimedOut
from rag_api.core.ports import Doorbell
from rag_api.db import jobs, upkeep, versions
from rag_api.db.database import Connection, Database
from rag_api.db.rows import JobRow
from rag_api.errors import ContentGone, RagError, StorageFull, Unavailable
from rag_api.services.progress import Progress
from rag_api.services.uploads import Files
from rag_api.telemetry import log

TICK_S = 0.5
POLL_S = 0.25
FULL_HANDS_S = 0.02
SIGN_OF_LIFE_S = 5.0
FULL_S = 1.0


class Labour(Protocol):
    """What is to be done for one kind of job."""

    async def work(self, job: JobRow, progress: Progress) -> None: ...


@dataclass(frozen=True, slots=True)
class IngestorOptions:
    """`jobs` are in hand at once; after `attempts` one fails for good; a lease not renewed for `lease_s` is void."""

    jobs: int
    attempts: int
    lease_s: float


@dataclass(eq=False, slots=True)
class _InHand:
    job: JobRow
    progress: Progress
    task: asyncio.Task[None] | None = None


class Ingestor:
    def __init__(
        self,
        db: Database,
        files: Files,
        labours: Mapping[str, Labour],
        options: IngestorOptions,
        doorbell: Doorbell,
    ) -> None:
        self._db = db
        self._doorbell = doorbell
        self._files = files
        self._labours = labours
        self._options = options
        self._worker = f"worker_{uuid.uuid4().hex[:12]}"
        self._in_hand: dict[str, _InHand] = {}

    async def run(self) -> None:
        """Until cancelled; then its jobs go back into the queue."""
        ticker = asyncio.create_task(self._tick_for_ever())
        try:
            while True:
                if ticker.done():
                    ticker.result()  # without it leases run out: better this worker ends and is started again
                free = self._options.jobs - len(self._in_hand)
                claimed = await self._claim_some(free) if free else []
                for job in claimed:
                    self._start(job)
                if not free:
                    await asyncio.sleep(FULL_HANDS_S)
                elif not claimed:
                    await self._doorbell.wait(POLL_S)
        finally:
            ticker.cancel()
            tasks = [item.task for item in self._in_hand.values() if item.task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(ticker, *tasks, return_exceptions=True)
            async with self._db.write() as db:
                await jobs.give_back(db, self._worker)
                await upkeep.forget_worker(db, self._worker)

    async def _claim_some(self, count: int) -> list[JobRow]:
        try:
            return await self._claim(count)
        except Unavailable as error:  # a full disk: nothing can be begun until there is room
            log(__name__).warning("waiting", reason=str(error))
            await asyncio.sleep(FULL_S)
            return []

    async def _claim(self, count: int) -> list[JobRow]:
        if not await self._db.ask(jobs.has_free):  # looking costs no writer's turn
            return []
        return await self._db.change(
            jobs.claim, self._worker, count=count, lease_s=self._options.lease_s, besides=list(self._in_hand)
        )

    def _start(self, job: JobRow) -> None:
        progress = Progress({"stage": "parse", "chunks_done": 0, "chunks_total": 0, "documents_done": 0})
        item = _InHand(job, progress)
        self._in_hand[job.id] = item
        item.task = asyncio.create_task(self._see_through(item))

    async def _tick_for_ever(self) -> None:
        silent_s = SIGN_OF_LIFE_S
        while True:
            try:
                if silent_s >= SIGN_OF_LIFE_S:
                    await self._db.change(upkeep.note_worker, self._worker)
                    silent_s = 0
                await self._tick()
            except Unavailable as error:  # a full disk: who else would claim its jobs can't write it down either
                log(__name__).warning("waiting", reason=str(error))
            await asyncio.sleep(TICK_S)
            silent_s += TICK_S

    async def _tick(self) -> None:
        """Renews leases, writes progress, and stops what was cancelled."""
        if not self._in_hand:
            return
        news = {}
        for item in self._in_hand.values():
            if item.progress.changed:
                item.progress.changed = False
                news[item.job.id] = dict(item.progress.values)
        lost = await self._db.change(
            jobs.heartbeat, self._worker, list(self._in_hand), lease_s=self._options.lease_s, news=news
        )
        for job_id in lost:
            mine = self._in_hand.get(job_id)
            if mine and mine.task:
                mine.task.cancel("let go")

    async def _see_through(self, item: _InHand) -> None:
        job = item.job
        logger = log(__name__).bind(job_id=job.id, source=job.source)
        try:
            if job.attempts >= self._options.attempts:  # it was never given back: its worker died of it
                raise ParserCrashed(f"{job.source}: the worker ended {job.attempts} times while it had this file")
            if job.cancel:  # its last worker ended before it was told
                await self._finish(item, "cancelled", *await self._why_cancelled(job))
                return
            await self._labours[job.kind].work(job, item.progress)
            is_mine = await self._finish(item, *await self._outcome(item))
            if is_mine and job.file and job.document_id is None:
                await self._files.delete(job.file)  # its lines are documents now
            logger.info("done", kind=job.kind, chunks=item.progress.values.get("chunks_done"))
        except asyncio.CancelledError as cancelled:
            if cancelled.args != ("let go",):
                raise  # this worker ends; `run` gives the job back
            await self._finish(item, "cancelled", *await self._why_cancelled(job))
        except (ParserCrashed, ParserTimedOut, Unavailable) as error:
            await self._try_again(item, error)
        except (IngestError, ContentGone) as error:
            await self._refuse(item, error)
        except Exception as error:
            logger.exception("failed")
            await self._try_again(item, error)
        finally:
            self._in_hand.pop(job.id, None)

    async def _refuse(self, item: _InHand, error: IngestError | ContentGone) -> None:
        job = item.job
        if job.document_id and job.version:
            status = await self._db.ask(versions.status_of, job.document_id, job.version)
            if status in (None, "superseded"):  # its file may be gone already, which is not the file's fault
                await self._finish(item, "cancelled", *_SUPERSEDED)
                return
        await self._finish(item, "failed", error.code, str(error))
        log(__name__).warning("refused", job_id=job.id, source=job.source, code=error.code, reason=str(error))

    async def _outcome(self, item: _InHand) -> tuple[str, str | None, str | None]:
        job = item.job
        if job.kind != "ingest":
            return "done", None, None
        if job.document_id is None:
            done, failures = item.progress.values["documents_done"], item.progress.failures
            if failures and not done:
                return "failed", "nothing_accepted", f"{job.source}: none of its documents could be ingested"
            return "done", None, None
        status = await self._db.ask(versions.status_of, job.document_id, job.version or 0)
        return ("done", None, None) if status == "ready" else ("cancelled", *_SUPERSEDED)

    async def _why_cancelled(self, job: JobRow) -> tuple[str, str]:
        if not job.document_id:
            return "cancelled", "its job was cancelled"
        newest = await self._db.ask(versions.newest, job.document_id)
        return _SUPERSEDED if newest != job.version else ("cancelled", "its job was cancelled")

    async def _try_again(self, item: _InHand, error: Exception) -> None:
        job, code, said = item.job, "internal_error", "something went wrong inside; the log says what"
        if isinstance(error, RagError | IngestError):
            code, said = error.code, str(error)
        if job.attempts + 1 >= self._options.attempts:
            log(__name__).warning("given up", job_id=job.id, source=job.source, reason=said)
            await self._finish(item, "failed", code, f"{said} (tried {job.attempts + 1} times)")
            return
        log(__name__).info("to be tried again", job_id=job.id, source=job.source, reason=said)
        try:
            await self._db.change(jobs.postpone, job.id, self._worker, wait_s=2.0**job.attempts, message=said)
        except StorageFull:  # its lease runs out, and whoever can write that down tries it again
            log(__name__).warning("can't be postponed", job_id=job.id, source=job.source)

    async def _finish(self, item: _InHand, state: str, code: str | None = None, message: str | None = None) -> bool:
        """False, and nothing is done, when the job is another worker's by now."""
        job = item.job
        values = {name: value for name, value in item.progress.values.items() if name != "stage"}

        async def finish(db: Connection) -> bool:
            await jobs.progress(db, job.id, self._worker, values)
            if not await jobs.finish(db, job.id, self._worker, state, code=code, message=message):
                return False
            if state != "done" and job.document_id and job.version:
                await versions.fail(db, job.document_id, job.version, code or state, message or state)
            elif state != "done":
                await versions.fail_lines(db, job.id, code or state, message or state)
            return True

        return await self._db.change(finish)


_SUPERSEDED = ("superseded", "a newer version of the document has been accepted, or it has been deleted")
