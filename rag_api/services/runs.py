"""Answers in progress and lately finished: each is a run with an event log that any number of readers follow."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Literal

from rag_api.core.events import Answer, Done, Event, Failed, Logged, Retrieved, Started, fold, grounding, is_end
from rag_api.core.ports import Usage
from rag_api.errors import AnswerRedacted, Interrupted, RagError, StorageFull, TooBusy
from rag_api.services.journal import INTERRUPTED, Journal
from rag_api.services.lately import Lately
from rag_api.telemetry import ANSWERS, ANSWERS_OPEN, log, request_id

StopReason = Literal["asked", "orphaned", "shutdown", "redacted"]


class Run:
    """One answer. Its log only grows, and ends with exactly one Done or Failed."""

    def __init__(self, answer_id: str, journal: Journal, *, log: Sequence[Event] = ()) -> None:
        self.answer_id = answer_id
        self.log = list(log)
        self._journal = journal
        self.readers = 0
        self.left_at = 0.0
        self.is_redacted = False
        self.spent: Callable[[], Usage | None] = lambda: None  # whoever writes knows
        self._waiting: list[asyncio.Future[None]] = []  # of readers, for more
        self._task: asyncio.Task[None] | None = None
        self._stopped: StopReason | None = None

    @property
    def is_over(self) -> bool:
        return bool(self.log) and is_end(self.log[-1])

    def answer(self) -> Answer:
        return fold(self.log)

    def shows(self, document_id: str) -> bool:
        """Whether a passage of the document is in the log."""
        found = (event for event in self.log if isinstance(event, Retrieved))
        return any(passage.chunk.document_id == document_id for event in found for passage in event.passages)

    @property
    def conversation_id(self) -> str | None:
        return first.conversation_id if isinstance(first := self.log[0], Started) else None

    @property
    def collection(self) -> str:
        return first.collection if isinstance(first := self.log[0], Started) else ""

    def append(self, event: Event) -> None:
        self.log.append(event)
        self._journal.add(self.answer_id, len(self.log), event)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()

    async def follow(self, after: int = 0) -> AsyncGenerator[list[Logged], None]:
        """The events with a higher `seq`, as many at a time as there are, until the last one."""
        self.readers += 1
        try:
            while True:
                if self.is_redacted:
                    yield [Logged(after + 1, Failed(AnswerRedacted().code, str(AnswerRedacted()), request_id.get()))]
                    return
                fresh = [Logged(after + i, event) for i, event in enumerate(self.log[after:], start=1)]
                after += len(fresh)
                if fresh:
                    yield fresh
                if after < len(self.log):
                    continue
                if self.is_over:
                    return
                self._waiting.append(asyncio.get_running_loop().create_future())
                await self._waiting[-1]
        finally:
            self.readers -= 1

    async def whole(self) -> Answer:
        """The answer when it is over."""
        async for _ in self.follow(len(self.log)):
            pass
        return self.answer()

    def begin(self, work: Callable[["Run"], Awaitable[None]]) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._see_through(work))
        self._task.add_done_callback(lambda _: None if self.is_over else self._say_farewell())  # cancelled unstarted
        return self._task

    def stop(self, reason: StopReason) -> None:
        if self._task and not self.is_over and self._stopped is None:
            self._stopped = reason
            self._task.cancel()

    async def join(self) -> None:
        if self._task:
            await asyncio.wait([self._task])

    async def _see_through(self, work: Callable[["Run"], Awaitable[None]]) -> None:
        ANSWERS_OPEN.inc()
        try:
            await work(self)
        except asyncio.CancelledError:
            self._say_farewell()
        except RagError as error:
            self.append(Failed(error.code, str(error), request_id.get() or None))
        except Exception:  # noqa: BLE001 - a stream ends once, and says how
            log(__name__).exception("answer failed", answer_id=self.answer_id)
            self.append(Failed("internal_error", "something went wrong inside; the log says what", request_id.get()))
        finally:
            self.spent = lambda: None
            ANSWERS_OPEN.dec()
            last = self.log[-1] if self.log else None
            ANSWERS.labels(last.outcome if isinstance(last, Done) else "failed").inc()

    def _say_farewell(self) -> None:
        if self._stopped in ("asked", "orphaned"):
            answer = self.answer()
            self.append(Done("cancelled", None, answer.text, self.spent(), {}, grounding(answer.citations)))
        elif self._stopped == "redacted":
            self.append(Failed(AnswerRedacted().code, str(AnswerRedacted()), request_id.get()))
        else:
            self.append(Failed(Interrupted().code, INTERRUPTED, request_id.get()))


class Runs:
    """`kept` finished runs are in memory, the others in the journal; a run without a reader is stopped after
    `orphan_s`."""

    def __init__(
        self,
        journal: Journal,
        *,
        running: int,
        kept: int,
        orphan_s: float,
        forget_document: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._forget_document = forget_document
        self._journal = journal
        self._limit = running
        self._kept = kept
        self._orphan_s = orphan_s
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._running: set[str] = set()
        self._redacted = Lately()  # answers
        self._deleted = Lately()  # documents

    def start(self, answer_id: str, work: Callable[[Run], Awaitable[None]], first: Event) -> Run:
        """A run whose log has its first event. Raises TooBusy."""
        if len(self._running) >= self._limit:
            raise TooBusy(f"{self._limit} answers are being given already; try again in a moment")
        run = self._runs[answer_id] = Run(answer_id, self._journal)
        run.append(first)
        self._running.add(answer_id)
        run.begin(work).add_done_callback(lambda _: self._running.discard(answer_id))
        self._drop_oldest()
        return run

    async def get(self, answer_id: str) -> Run:
        """Raises AnswerNotFound, AnswerRedacted, and ContentGone for one that is too old."""
        if answer_id not in self._runs:
            if answer_id in self._redacted:
                raise AnswerRedacted
            events = await self._journal.load(answer_id)
            if answer_id in self._redacted:  # meanwhile
                raise AnswerRedacted
            self._runs.setdefault(answer_id, Run(answer_id, self._journal, log=events))
            self._drop_oldest()
        return self._runs[answer_id]

    async def stop(self, answer_id: str) -> Run:
        """Ends a run; its upstream connection is closed when this returns. One that is over stays as it is."""
        run = await self.get(answer_id)
        run.stop("asked")
        await run.join()
        return run

    def left(self, run: Run, *, lingers: bool = True) -> None:
        """A reader has gone: leaving is not stopping, but nobody listens for ever. `lingers`: it may come back."""
        if run.readers or run.is_over:
            return
        if not lingers:
            run.stop("orphaned")
            return
        loop = asyncio.get_running_loop()
        run.left_at = loop.time()
        loop.call_at(run.left_at + self._orphan_s, self._stop_orphan, run, run.left_at)

    def is_deleted(self, document_id: str) -> bool:
        """Whether it was deleted lately: what was retrieved just before must not be shown any more."""
        return document_id in self._deleted

    async def redact(self, document_id: str) -> None:
        """The document is deleted: nothing shows it when this returns, and answers that rest on it are no more."""
        self._deleted.add(document_id)
        self._forget_document(document_id)
        mine = [run for run in self._runs.values() if run.shows(document_id)]
        await self._redact_journal(await self._redact(mine), document_id=document_id)

    async def redact_collection(self, name: str) -> None:
        mine = [run for run in self._runs.values() if run.collection == name]
        await self._redact_journal(await self._redact(mine), collection=name)

    async def forget_conversation(self, conversation_id: str) -> None:
        """Stops what is being said in it; nothing of it is in memory when this returns."""
        mine = [run for run in self._runs.values() if run.conversation_id == conversation_id]
        for run in mine:
            run.stop("asked")
            await run.join()
            self._runs.pop(run.answer_id, None)

    async def _redact_journal(self, answer_ids: Sequence[str], **of: str) -> None:
        try:
            await self._journal.redact(answer_ids, **of)
        except StorageFull as error:  # it shows none of them all the same, and tries again when it is next opened
            log(__name__).warning("answers can't be redacted in their log", reason=str(error))

    async def _redact(self, runs: Sequence[Run]) -> list[str]:
        for run in runs:
            run.is_redacted = True
            run.stop("redacted")
            self._redacted.add(run.answer_id)
            del self._runs[run.answer_id]
        for run in runs:
            await run.join()
        return [run.answer_id for run in runs]

    async def close(self) -> None:
        for run in self._runs.values():
            run.stop("shutdown")
        for run in self._runs.values():
            await run.join()

    def _stop_orphan(self, run: Run, left_at: float) -> None:
        if not run.readers and run.left_at == left_at:  # nobody came back in between
            run.stop("orphaned")

    def _drop_oldest(self) -> None:
        if len(self._runs) <= self._kept + self._limit:
            return
        oldest = next((answer_id for answer_id, run in self._runs.items() if run.is_over), None)
        if oldest:
            del self._runs[oldest]
