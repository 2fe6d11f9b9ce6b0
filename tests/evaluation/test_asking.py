"""Asking, with a client that plays a server: what is checked, what is counted, and how many at a time."""

import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from rag_api.client import AnswerEvent, Client, ServerError
from rag_api.evaluation.asking import TEXTS_KEPT, Documents, Target, ask_all
from rag_api.evaluation.configuration import Configuration
from rag_api.evaluation.outcomes import Outcome
from rag_api.evaluation.questions import Question
from tests.evaluation.values import hit

TEXT = "The well is 42 metres deep."
ASKED = Question("How deep?", sources=("a.txt",), phrases=("42 metres",))
THERE = Documents(frozenset({"a"}), {"a.txt": "a"})


def citation(start: int, end: int, quote: str, document: str = "a") -> AnswerEvent:
    data = {"document_id": document, "version": 1, "start": start, "end": end, "quote": quote, "verdict": "supported"}
    data["answer_end"] = 27
    return AnswerEvent("citation", data)


def done(outcome: str = "answered") -> AnswerEvent:
    return AnswerEvent("done", {"text": TEXT, "outcome": outcome})


class Played:
    """What a Client would get; `events` are those of each answer."""

    def __init__(self, *events: AnswerEvent, error: ServerError | None = None) -> None:
        self.events = events
        self.error = error
        self.searches: list[tuple[str, dict[str, Any]]] = []
        self.contents: list[str] = []

    def search(self, collection: str, query: str, **options: Any) -> dict[str, Any]:
        self.searches.append((query, options))
        if self.error:
            raise self.error
        return {"hits": [hit("a", TEXT)], "degraded": ["dense"], "took_ms": 1.0}

    def ask(self, question: str, *, collection: str, **options: Any) -> Iterator[AnswerEvent]:
        yield AnswerEvent("text", {"text": TEXT})
        yield from self.events

    def content(self, collection: str, document_id: str, *, version: int) -> str:
        self.contents.append(document_id)
        if document_id == "gone":
            raise ServerError("it is replaced", code="content_gone", status=410)
        return TEXT


def target(played: Played, *, answers: bool = True, **changes: Any) -> Target:
    return Target(cast(Client, played), Configuration(**changes), THERE, answers=answers)


def test_quotes_are_compared_with_the_document_to_the_character() -> None:
    played = Played(citation(0, 8, "The well"), citation(0, 8, "the well"), citation(0, 1, "x", "gone"), done())
    found = target(played).ask(ASKED)
    assert found.answer
    assert [one.is_exact for one in found.answer.citations] == [True, False, None]
    assert found.scores["quotes_exact"] == 0.5
    assert [(one.stage, one.code) for one in found.failures] == [("quotes", "content_gone")]
    assert found.degraded == ("dense",)
    assert found.times_ms.keys() == {"search", "first_text", "answer"}


def test_what_another_model_takes_back_does_not_count() -> None:
    reset = AnswerEvent("reset", {"offset": 0, "reason": "another model answers"})
    found = target(Played(citation(0, 8, "the well"), reset, citation(0, 8, "The well"), done())).ask(ASKED)
    assert found.answer
    assert [one.quote for one in found.answer.citations] == ["The well"]


def test_a_documents_text_is_fetched_once() -> None:
    played = Played(citation(0, 8, "The well"), citation(4, 8, "well"), done())
    asked = target(played)
    for _ in range(3):
        asked.ask(ASKED)
    assert played.contents == ["a"]


def test_only_so_many_texts_are_kept() -> None:
    many = [citation(0, 1, "T", f"doc{number}") for number in range(TEXTS_KEPT + 1)]
    played = Played(*many, citation(0, 1, "T", "doc0"), done())
    target(played).ask(ASKED)
    assert played.contents.count("doc0") == 2


@pytest.mark.parametrize(
    ("events", "code"),
    [
        (
            [AnswerEvent("failed", {"error": {"code": "language_model_busy", "message": "later"}})],
            "language_model_busy",
        ),
        ([], "broken_stream"),
    ],
)
def test_a_failed_answer_is_a_failure_and_has_no_score(events: list[AnswerEvent], code: str) -> None:
    found = target(Played(*events)).ask(ASKED)
    assert [(one.stage, one.code) for one in found.failures] == [("answer", code)]
    assert found.answer is None
    assert "answer_phrase" not in found.scores
    assert found.scores["recall@10"] == 1


def test_a_failed_search_is_a_failure_and_has_no_score() -> None:
    error = ServerError("a queue is full", code="too_busy", status=503)
    found = target(Played(done(), error=error), answers=False).ask(ASKED)
    assert [(one.stage, one.code, one.message) for one in found.failures] == [("search", "too_busy", "a queue is full")]
    assert (found.scores, found.times_ms) == ({}, {})


def test_what_cannot_be_answered_is_not_searched_for() -> None:
    played = Played(done("no_answer"))
    found = target(played).ask(Question("Never?", answerable=False))
    assert played.searches == []
    assert found.scores == {"refused_rightly": 1}


def test_the_configuration_is_what_is_asked() -> None:
    played = Played(done())
    target(played, answers=False, mode="dense", top_k=3, dense_weight=0.6, filter={"a": 1}).ask(ASKED)
    assert played.searches[0][1] == {"mode": "dense", "top_k": 3, "dense_weight": 0.6, "filter": {"a": 1}}


class Recorder:
    """A target that notes the order of what it is asked, and how many are asked at once."""

    log: list[str]

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.lock = threading.Lock()
        self.now = self.most = 0

    def ask(self, question: Question) -> Outcome:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.log.append(f"{self.name}{question.text}")
        time.sleep(0.002)
        with self.lock:
            self.now -= 1
        return Outcome(question, {self.name: float(question.text)})


def test_the_sides_take_turns_and_outcomes_keep_the_order_of_the_questions() -> None:
    log: list[str] = []
    sides = [Recorder("a", log), Recorder("b", log)]
    questions = [Question(str(number)) for number in range(4)]
    told: list[int] = []
    found = ask_all(cast(list[Target], sides), questions, concurrency=1, tell=told.append)
    assert log == ["a0", "b0", "b1", "a1", "a2", "b2", "b3", "a3"]
    assert [[dict(one.scores) for one in row] for row in found] == [[{"a": n}, {"b": n}] for n in range(4)]
    assert told[-1] == 4


def test_no_more_are_asked_at_a_time_than_allowed() -> None:
    side = Recorder("a", [])
    questions = [Question(str(number)) for number in range(60)]
    found = ask_all(cast(list[Target], [side]), questions, concurrency=3, tell=lambda done: None)
    assert [row[0].question for row in found] == questions
    assert 1 < side.most <= 3


def test_what_is_not_foreseen_ends_the_run() -> None:
    class Broken(Recorder):
        def ask(self, question: Question) -> Outcome:
            raise RuntimeError("a mistake in the program")

    with pytest.raises(RuntimeError):
        ask_all(cast(list[Target], [Broken("a", [])]), [Question("1")], concurrency=2, tell=lambda done: None)
