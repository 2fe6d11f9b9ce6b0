"""Many files and URLs up to the server: a few requests at once, repeated while it is away, followed to their end."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from rag_api.client import Client, ServerError
from rag_api.client_values import Job, Problem, UploadRow
from rag_api.feeding.items import Batch, Item, Skipped, WebPage, batches, sendable
from rag_api.terminal import err

T = TypeVar("T")
REQUESTS_AT_ONCE = 4
JOBS_IN_SIGHT = 2_000
LOOK_AHEAD = 16
PATIENCE_S = 120.0
PAUSES_S = (0.5, 1.0, 2.0, 4.0)
POLL_S = 0.2
AWAY = (0, 429, 502, 503, 504)
FINAL = ("done", "failed", "cancelled")
# what is wrong with one upload, and no reason to give up on the others
OF_THE_UPLOAD = (400, 413, 422, 500)


class Outcome(Protocol):
    """Who wants to know what becomes of what is sent."""

    def found(self) -> None: ...
    def skipped(self, name: str, reason: str, *, is_wrong: bool) -> None: ...
    def progress(self, job: Job) -> None: ...
    def ended(self, name: str, state: str, error: Problem | None = None, job: Job | None = None) -> None: ...


class Patience:
    """Repeats a call while the server is away or busy, for `limit_s` at most, and tells so once."""

    def __init__(self, find_again: Callable[[], None], limit_s: float = PATIENCE_S) -> None:
        self._find_again = find_again
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._is_away = False
        self.stopped = threading.Event()

    def __call__(self, call: Callable[[], T]) -> T:
        """Raises the ServerError of the last try."""
        deadline, tries = time.monotonic() + self._limit_s, 0
        while True:
            try:
                found = call()
            except ServerError as error:
                pause_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
                if error.status not in AWAY or time.monotonic() + pause_s > deadline:
                    raise
                self._tell(True, f"{error}; trying again" + self._how_long())
                if self.stopped.wait(pause_s):
                    raise
                tries += 1
                self._find_again()
            else:
                self._tell(False, "the server is there again")
                return found

    def _tell(self, is_away: bool, words: str) -> None:
        with self._lock:
            if self._is_away != is_away:
                self._is_away = is_away
                err.print(words, markup=False)

    def _how_long(self) -> str:
        return f" for up to {self._limit_s:.0f} s" if self._limit_s < float("inf") else ""


class Sender:
    """Sends items into a collection; what becomes of each is told to `report`. Of folders, `unread` kinds stay here."""

    def __init__(self, client: Client, collection: str, patience: Patience, report: Outcome, unread: str = "") -> None:
        self._client = client
        self._collection = collection
        self._patience = patience
        self._report = report
        self._unread = unread
        self._waiting: dict[str, str] = {}  # jobs, in the order of their acceptance

    def send(self, items: Iterator[Item]) -> None:
        """Returns when everything has ended. Memory is bounded: no more is read than is in flight or in work."""
        flying: deque[Future[list[UploadRow]]] = deque()
        pool = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="upload")
        try:
            for batch in batches(self._sendable(items)):
                if isinstance(batch, Skipped):
                    self._report.skipped(batch.name, batch.reason, is_wrong=batch.is_wrong)
                    continue
                while len(flying) >= REQUESTS_AT_ONCE:
                    self._accept(flying.popleft().result())
                flying.append(pool.submit(self._upload, batch))
                self._look()
                while len(self._waiting) > JOBS_IN_SIGHT:
                    time.sleep(POLL_S)
                    self._look()
            while flying:
                self._accept(flying.popleft().result())
            while self._waiting:
                time.sleep(POLL_S)
                self._look()
        except BaseException:
            self._patience.stopped.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _sendable(self, items: Iterator[Item]) -> Iterator[Item]:
        for item in items:
            if not isinstance(item, Skipped):
                self._report.found()
            yield sendable(item, unread=self._unread)

    def _upload(self, batch: Batch | WebPage) -> list[UploadRow]:
        try:
            if isinstance(batch, WebPage):
                return [self._patience(lambda: self._post(batch))]
            return self._patience(lambda: self._put(batch))
        except ServerError as error:
            if error.status not in OF_THE_UPLOAD:
                raise
            return self._singly(batch, error.code, str(error))
        except OSError as error:  # a file went away, or may not be read
            return self._singly(batch, "unreadable_file", f"can't be read: {error.strerror}")

    def _post(self, page: WebPage) -> UploadRow:
        return self._client.add_url(self._collection, page.url, source=page.source, title=page.title)

    def _put(self, batch: Batch) -> list[UploadRow]:
        [first, *_] = batch.files
        return self._client.upload(
            self._collection,
            [(file.name, file.path) for file in batch.files],
            source=first.source,
            title=first.title,
            metadata=batch.metadata,
        )

    def _singly(self, batch: Batch | WebPage, code: str, message: str) -> list[UploadRow]:
        """The files of a batch that failed as a whole, each on its own."""
        if isinstance(batch, Batch) and len(batch.files) > 1:
            return [row for file in batch.files for row in self._upload(Batch([file], batch.metadata))]
        name = batch.url if isinstance(batch, WebPage) else batch.files[0].name
        problem = Problem(code=code, message=message)
        return [UploadRow(document_id=None, filename=name, job_id=None, status="rejected", error=problem)]

    def _accept(self, rows: list[UploadRow]) -> None:
        for row in rows:
            if row["job_id"]:
                self._waiting[row["job_id"]] = row["filename"]
            else:
                self._report.ended(row["filename"], row["status"], row.get("error"))

    def _look(self) -> None:
        """At the oldest jobs, and further as long as they have ended."""
        unfinished = 0
        for job_id, name in list(self._waiting.items()):
            job = self._patience(lambda job_id=job_id: self._client.job(job_id))  # type: ignore[misc]
            self._report.progress(job)
            if job["state"] in FINAL:
                del self._waiting[job_id]
                self._report.ended(name, job["state"], job["error"], job)
            else:
                unfinished += 1
            if unfinished == LOOK_AHEAD:
                return
