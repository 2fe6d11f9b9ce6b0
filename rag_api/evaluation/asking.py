"""Asks servers the questions, several at a time; what fails is kept as a failure of its question."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from rag_api.client import Client, ServerError
from rag_api.client_values import Hits
from rag_api.evaluation.configuration import Configuration
from rag_api.evaluation.outcomes import Cited, Failure, Outcome, Said
from rag_api.evaluation.questions import Question
from rag_api.evaluation.scoring import score_answer, score_hits, seen

TEXTS_KEPT = 32
AHEAD = 4  # questions that are handed out for each one that is being asked


@dataclass(frozen=True, slots=True)
class Documents:
    """What a collection holds: document ids, and the id of each source."""

    ids: frozenset[str]
    of_source: Mapping[str, str]

    @classmethod
    def of(cls, client: Client, collection: str) -> "Documents":
        """Those that can be found. Raises ServerError."""
        rows = {row["source"]: row["document_id"] for row in client.documents(collection, status="ready")}
        return cls(frozenset(rows.values()), rows)

    def wanted(self, question: Question) -> tuple[frozenset[str], tuple[str, ...]]:
        """The ids that a question wants, and by name those of them that are not there."""
        known = {self.of_source.get(source, f"source {source}") for source in question.sources}
        wanted = known | set(question.document_ids)
        return frozenset(wanted), tuple(sorted(wanted - self.ids))


class Target:
    """One server in one configuration."""

    def __init__(self, client: Client, configuration: Configuration, documents: Documents, *, answers: bool) -> None:
        self._client = client
        self._configuration = configuration
        self._documents = documents
        self._answers = answers
        self._texts = _Texts(client, configuration.collection)

    def ask(self, question: Question) -> Outcome:
        wanted, missing = self._documents.wanted(question)
        scores: dict[str, float] = {}
        times_ms: dict[str, float] = {}
        failures: list[Failure] = []
        found = Hits(hits=[], took_ms=0.0, degraded=[])
        said: Said | None = None
        if question.answerable:
            try:
                found, times_ms["search"] = self._search(question)
                scores |= score_hits(question, found["hits"], wanted, self._configuration.top_k)
            except ServerError as error:
                failures.append(Failure("search", error.code, str(error)))
        if self._answers:
            try:
                said, waited_ms = self._answer(question, failures)
                times_ms |= waited_ms
                scores |= score_answer(question, said)
            except ServerError as error:
                failures.append(Failure("answer", error.code, str(error)))
        hits = seen(question, found["hits"], wanted)
        return Outcome(question, scores, times_ms, hits, said, tuple(found["degraded"]), missing, tuple(failures))

    def _search(self, question: Question) -> tuple[Hits, float]:
        began = time.perf_counter()
        collection, options = self._configuration.collection, self._configuration.search_options()
        found = self._client.search(collection, question.text, **options)
        return found, _ms_since(began)

    def _answer(self, question: Question, failures: list[Failure]) -> tuple[Said, dict[str, float]]:
        began = time.perf_counter()
        times_ms: dict[str, float] = {}
        citations: list[dict[str, Any]] = []
        options = self._configuration.answer_options()
        for event in self._client.ask(question.text, collection=self._configuration.collection, **options):
            match event.name:
                case "text":
                    times_ms.setdefault("first_text", _ms_since(began))
                case "citation":
                    citations.append(event.data)
                case "reset":
                    citations = [one for one in citations if one["answer_end"] <= event.data["offset"]]
                case "failed":
                    error = event.data["error"]
                    raise ServerError(error["message"], code=error["code"], status=0)
                case "done":
                    times_ms["answer"] = _ms_since(began)
                    cited = tuple(self._checked(citation, failures) for citation in citations)
                    return Said(event.data["text"], event.data["outcome"], cited), times_ms
        raise ServerError("the answer's stream ended without `done` or `failed`", code="broken_stream", status=0)

    def _checked(self, citation: Mapping[str, Any], failures: list[Failure]) -> Cited:
        is_exact: bool | None = None
        try:
            text = self._texts.get(citation["document_id"], citation["version"])
            is_exact = text[citation["start"] : citation["end"]] == citation["quote"]
        except ServerError as error:
            failures.append(Failure("quotes", error.code, str(error)))
        return Cited(citation["quote"], citation["verdict"], is_exact, citation["document_id"])


def ask_all(
    targets: Sequence[Target], questions: Sequence[Question], *, concurrency: int, tell: Callable[[int], None]
) -> list[tuple[Outcome, ...]]:
    """A tuple for each question, with an outcome for each target; `tell` hears how many questions are done.

    Targets take turns at being asked first, as the second may profit from what the first has warmed.
    """

    def ask(number: int) -> tuple[Outcome, ...]:
        turn = number % len(targets)
        order = [*range(turn, len(targets)), *range(turn)]
        outcomes = {at: targets[at].ask(questions[number]) for at in order}
        return tuple(outcomes[at] for at in range(len(targets)))

    done: dict[int, tuple[Outcome, ...]] = {}
    waiting: dict[Future[tuple[Outcome, ...]], int] = {}
    numbers: Iterator[int] = iter(range(len(questions)))
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="ask")
    try:
        while len(done) < len(questions):
            while len(waiting) < AHEAD * concurrency and (number := next(numbers, None)) is not None:
                waiting[pool.submit(ask, number)] = number
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                done[waiting.pop(future)] = future.result()
            tell(len(done))
    finally:
        pool.shutdown(cancel_futures=True)
    return [done[number] for number in range(len(questions))]


class _Texts:
    """The documents' texts, the last used ones kept."""

    def __init__(self, client: Client, collection: str) -> None:
        self._client = client
        self._collection = collection
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], str] = OrderedDict()

    def get(self, document_id: str, version: int) -> str:
        key = (document_id, version)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        text = self._client.content(self._collection, document_id, version=version)
        with self._lock:
            self._kept[key] = text
            while len(self._kept) > TEXTS_KEPT:
                self._kept.popitem(last=False)
        return text


def _ms_since(began: float) -> float:
    return 1000 * (time.perf_counter() - began)
