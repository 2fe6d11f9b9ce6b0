"""What a run says: a line for each document as it ends, bars on a terminal, a sentence at the end."""

from collections import Counter
from types import TracebackType
from typing import Any

from rag_api.client_values import Job, Problem
from rag_api.terminal import err, out, print_json, progress_bars, say


class Report:
    """A context manager. `failures` decides on the exit status; `is_endless` runs get no bars, as these never fill."""

    def __init__(self, *, as_json: bool, is_endless: bool = False) -> None:
        self._as_json = as_json
        self._bars = progress_bars(enabled=not (as_json or is_endless) and err.is_terminal)
        self._files = self._bars.add_task("documents", total=0)
        self._chunks = self._bars.add_task("chunks", total=None)
        self._running: dict[str, tuple[int, int]] = {}
        self._chunks_done = 0
        self.counts: Counter[str] = Counter()
        self.failures = 0

    def __enter__(self) -> "Report":
        self._bars.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._bars.stop()

    def found(self) -> None:
        self._bars.update(self._files, total=(self._bars.tasks[self._files].total or 0) + 1)

    def skipped(self, name: str, reason: str, *, is_wrong: bool) -> None:
        self.counts[reason if not is_wrong else "failed"] += 1
        self.failures += is_wrong
        self._say(name, "skipped", {"code": "skipped", "message": reason})

    def ended(self, name: str, state: str, error: Problem | None = None, job: Job | None = None) -> None:
        """`state`: a job's, an upload's, or `deleted`."""
        is_failure = state in ("failed", "cancelled", "rejected")
        self.counts["failed" if is_failure else state] += 1
        self.failures += is_failure
        if job:
            self._running.pop(job["job_id"], None)
            self._chunks_done += job["chunks_done"]
        self._bars.advance(self._files)
        self._say(name, state, error, job)

    def progress(self, job: Job) -> None:
        self._running[job["job_id"]] = (job["chunks_done"], job["chunks_total"])
        done = self._chunks_done + sum(done for done, _ in self._running.values())
        total = self._chunks_done + sum(total for _, total in self._running.values())
        self._bars.update(self._chunks, completed=done, total=total or None)

    def summary(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in self.counts.items()) or "nothing to do"

    def tell(self, words: str) -> None:
        """For people; programs see the documents' lines."""
        if not self._as_json:
            out.print(words, markup=False)

    def _say(self, name: str, state: str, error: Problem | None, job: Job | None = None) -> None:
        say(name, state, error, as_json=self._as_json, job=job)

    def row(self, line: dict[str, Any], words: str) -> None:
        if self._as_json:
            print_json(line)
        else:
            out.print(words, markup=False)
