"""The log of answers, written behind: one transaction in 100 ms for all that runs said meanwhile."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType

from rag_api.core.events import Event, Failed, documents_in, is_end
from rag_api.db import answer_tables, answers, documents
from rag_api.db.database import Database
from rag_api.errors import AnswerNotFound, AnswerRedacted, ContentGone, Interrupted, StorageFull
from rag_api.telemetry import log

FLUSH_S = 0.1
RETRY_S = 2.0
PENDING_EVENTS = 200_000
EXPIRE_EVERY_S = 3_600
EXPIRED_AT_ONCE = 500
INTERRUPTED = "the server was stopped while it answered; ask again"


class Journal:
    """`store` holds the log, `catalogue` knows which documents are gone. Enter it before the first run begins."""

    def __init__(self, store: Database, catalogue: Database, *, kept_days: float) -> None:
        self._store = store
        self._catalogue = catalogue
        self._kept_days = kept_days
        self._pending: dict[str, list[Event]] = {}
        self._next: dict[str, int] = {}  # the seq of the first pending event of each unfinished run
        self._count = 0
        self._news = asyncio.Event()
        self._turn = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Journal":
        """Runs that an earlier process left unfinished end here; what was deleted meanwhile is redacted."""
        await self._store.change(answer_tables.create)
        cut = await self._store.change(answers.interrupt, Failed(Interrupted().code, INTERRUPTED, None))
        if cut:
            log(__name__).info("answers were interrupted", answers=cut)
        shown = await self._store.ask(answers.documents_shown)
        for document_id in shown - await self._catalogue.ask(documents.alive, shown):
            await self._store.change(answers.redact, [], document_id=document_id)
        self._tasks = [asyncio.create_task(self._flush_for_ever()), asyncio.create_task(self._expire_for_ever())]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.flush()

    def add(self, answer_id: str, seq: int, event: Event) -> None:
        """To be written soon. A run whose events could not be kept for want of room is left out from then on."""
        if seq == 1:
            self._next[answer_id] = 1
        if answer_id not in self._next:
            return
        if self._count >= PENDING_EVENTS:
            log(__name__).warning("the log of answers can't be written; what waited is given up", events=self._count)
            for given_up in self._pending:
                self._next.pop(given_up, None)
            self._pending, self._count = {}, 0
            return
        self._pending.setdefault(answer_id, []).append(event)
        self._count += 1
        self._news.set()

    async def load(self, answer_id: str) -> list[Event]:
        """A run's events. Raises AnswerNotFound, AnswerRedacted, and ContentGone for one that is too old."""
        found = await self._store.ask(answers.load, answer_id)
        if found is None:
            raise AnswerNotFound(answer_id)
        state, events = found
        if state == answers.REDACTED:
            raise AnswerRedacted
        if state == answers.DROPPED:
            raise ContentGone(f"answer {answer_id!r} was deleted with its conversation")
        if state == answers.EXPIRED:
            raise ContentGone(
                f"answer {answer_id!r} is over {self._kept_days:g} days old and has been dropped; ask again"
            )
        shown = documents_in(events)
        if shown - await self._catalogue.ask(documents.alive, shown):
            raise AnswerRedacted
        return events

    async def redact(self, answer_ids: Sequence[str], *, document_id: str = "", collection: str = "") -> None:
        """Nothing of these runs, of those that show the document, or of the collection's, is in the log any more."""
        async with self._turn:
            await self._write()  # so that each has a row that says why it is gone
            await self._store.change(answers.redact, answer_ids, document_id=document_id, collection=collection)

    async def _flush_for_ever(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - a disk may be full: readers are served from memory meanwhile
                log(__name__).warning("the log of answers can't be written; trying again", reason=str(error))
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """What runs have said so far can be read from the log when this returns."""
        async with self._turn:
            await self._write()

    async def _write(self) -> None:
        self._news.clear()
        if not self._pending:
            return
        pending = {answer_id: list(events) for answer_id, events in self._pending.items()}
        written = [answers.Batch(answer_id, self._next[answer_id], events) for answer_id, events in pending.items()]
        try:
            await self._store.change(answers.append, written)
        except BaseException:
            self._news.set()
            raise
        for batch in written:
            self._forget(batch)

    def _forget(self, batch: answers.Batch) -> None:
        if batch.answer_id not in self._pending or self._next.get(batch.answer_id) != batch.seq:
            return  # given up meanwhile
        self._count -= len(batch.events)
        self._next[batch.answer_id] += len(batch.events)
        rest = self._pending[batch.answer_id][len(batch.events) :]
        if rest:
            self._pending[batch.answer_id] = rest
            return
        del self._pending[batch.answer_id]
        if is_end(batch.events[-1]):
            del self._next[batch.answer_id]

    async def _expire_for_ever(self) -> None:
        while True:
            before = datetime.now(UTC) - timedelta(days=self._kept_days)
            try:
                dropped = await self._store.change(answers.expire, before.isoformat(), limit=EXPIRED_AT_ONCE)
            except StorageFull as error:
                log(__name__).warning("old answers can't be dropped", reason=str(error))
                dropped = 0
            await asyncio.sleep(FLUSH_S if dropped else EXPIRE_EVERY_S)
