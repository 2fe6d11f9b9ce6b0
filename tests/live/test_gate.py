"""Refusing what the documents can't answer, through the front door: without and with a language model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_api.core.calibrating import FEWEST_DRAWN
from rag_api.core.gating import CAUTIOUS_THRESHOLD
from tests.fake_llm import FakeLanguageModel, fake_language_model, says
from tests.models import make_smaller_model
from tests.processes import Backends, Service

SHARES_SERVICE = True

TEXT = b"The bakery opens at six. It sells rye bread and poppy seed cake. Ask for Olga Brandt, who owns it."
INSIDE = "When does the bakery open?"
OUTSIDE = "How do I descale an espresso machine?"
EVIDENCE = {"closeness", "sentence", "quoted", "kind", "held", "missing", "words"}


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        model.default = says("It opens at six [1].")
        yield model


def serve(backends: Backends, folder: pytest.TempPathFactory, llm: FakeLanguageModel, **env: str) -> Iterator[Service]:
    wired = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake", **env}
    with Service.start(folder.mktemp("home"), wired) as service:
        service.ingest("default", {"bakery.txt": TEXT})
        yield service


@pytest.fixture(scope="module")
def reporting(
    backends: Backends, tmp_path_factory: pytest.TempPathFactory, llm: FakeLanguageModel
) -> Iterator[Service]:
    yield from serve(backends, tmp_path_factory, llm)


@pytest.fixture(scope="module")
def strict(backends: Backends, tmp_path_factory: pytest.TempPathFactory, llm: FakeLanguageModel) -> Iterator[Service]:
    yield from serve(backends, tmp_path_factory, llm, RAG_ANSWERS__GATE="strict")


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel) -> None:
    llm.reset()


@pytest.fixture(scope="module")
def quoting(service: Service) -> Service:
    service.collection("gate")
    service.ingest("gate", {"bakery.txt": TEXT, "tides.txt": b"The tide table of Rona hangs at the pier."})
    return service


def test_a_refusal_says_what_was_looked_at_and_by_how_much_it_failed(quoting: Service) -> None:
    *_, retrieved, text, done = (event for event in quoting.stream(OUTSIDE, "gate") if event.name != "started")
    assert [event.name for event in (retrieved, text, done)] == ["retrieved", "text", "done"]
    assert {passage["title"] for passage in retrieved.data["passages"]} == {"bakery", "tides"}
    assert text.data["text"].startswith("I found no answer to this in the documents; the nearest are “")
    assert "“bakery”" in text.data["text"]
    assert (done.data["outcome"], done.data["finish_reason"]) == ("no_answer", "no_answer")
    gate = done.data["gate"]
    assert gate["score"] < gate["threshold"]
    assert gate["passed"] is False
    assert set(gate["evidence"]) == EVIDENCE


def test_an_answer_says_how_well_it_passed(quoting: Service) -> None:
    answer = quoting.answer(INSIDE, "gate")
    assert answer["outcome"] == "answered"
    assert "six" in answer["citations"][0]["quote"]
    assert answer["gate"]["passed"] is True
    assert answer["gate"]["score"] >= answer["gate"]["threshold"]
    assert None not in answer["gate"]["evidence"].values()
    again = quoting.http.get(f"/api/v1/answers/{answer['answer_id']}").json()
    assert again["gate"] == answer["gate"]


def test_a_collection_shows_its_threshold_and_can_have_its_own(quoting: Service) -> None:
    path = "/api/v1/collections/gate"
    quoting.answer(INSIDE, "gate")
    gate = quoting.http.get(path).json()["gate"]
    assert (gate["mode"], gate["is_own"], gate["chunks"]) == ("auto", False, 2)
    assert 0 <= gate["unrelated"] < 0.5
    assert quoting.http.patch(path, json={"answer_threshold": 1}).json()["gate"]["is_own"]
    refused = quoting.answer(INSIDE, "gate")
    assert (refused["outcome"], refused["gate"]["threshold"]) == ("no_answer", 1)
    quoting.http.patch(path, json={"answer_threshold": 0})
    assert quoting.answer(OUTSIDE, "gate")["outcome"] == "answered"
    assert quoting.http.patch(path, json={"description": "bread"}).json()["gate"]["threshold"] == 0
    back = quoting.http.patch(path, json={"answer_threshold": None}).json()["gate"]
    assert (back["threshold"], back["is_own"]) == (gate["threshold"], False)
    assert quoting.answer(OUTSIDE, "gate")["outcome"] == "no_answer"
    wrong = quoting.http.patch(path, json={"answer_threshold": 2})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "validation_error")


@pytest.mark.parametrize(("question", "passed"), [(INSIDE, True), (OUTSIDE, False)])
def test_a_language_model_is_asked_and_the_score_is_reported(
    reporting: Service, llm: FakeLanguageModel, question: str, passed: bool
) -> None:
    answer = reporting.answer(question)
    assert (answer["outcome"], answer["text"]) == ("answered", "It opens at six [1].")
    assert len(llm.requests) == 1
    assert answer["gate"]["passed"] is passed
    assert answer["gate"]["evidence"]["sentence"] is None


def test_a_strict_gate_comes_before_the_language_model(strict: Service, llm: FakeLanguageModel) -> None:
    answer = strict.answer(OUTSIDE)
    assert (answer["outcome"], answer["citations"], llm.requests) == ("no_answer", [], [])
    assert answer["text"] == "I found no answer to this in the documents; the nearest is “bakery”."
    assert set(answer["gate"]["evidence"]) == EVIDENCE
    assert strict.answer(INSIDE)["text"] == "It opens at six [1]."
    assert len(llm.requests) == 1


def test_where_nothing_is_retrieved_no_model_is_asked(reporting: Service, llm: FakeLanguageModel) -> None:
    reporting.collection("empty")
    answer = reporting.answer(INSIDE, "empty")
    assert (answer["outcome"], answer["text"]) == ("no_answer", "I found no answer to this in the documents.")
    assert answer["gate"] is None
    assert llm.requests == []


def test_with_an_embedder_that_is_hardly_known_next_to_nothing_is_refused_and_it_says_so(
    service: Service, tmp_path: Path
) -> None:
    body = {"name": "gate-of-another", "embedder": str(make_smaller_model(tmp_path / "smaller"))}
    service.http.post("/api/v1/collections", json=body).raise_for_status()
    service.ingest("gate-of-another", {"bakery.txt": TEXT})
    answer = service.answer(INSIDE, "gate-of-another")
    assert (answer["outcome"], answer["gate"]["caution"]) == ("answered", "embedder")
    nothing = service.answer("Who composed Tannhäuser?", "gate-of-another")
    assert (nothing["outcome"], nothing["gate"]) == ("answered", None)  # neither cosines nor words say anything
    gate = service.http.get("/api/v1/collections/gate-of-another").json()["gate"]
    assert gate["is_trusted"] is False
    assert gate["drawn"] < FEWEST_DRAWN


def test_a_question_in_another_language_is_judged_with_caution(quoting: Service) -> None:
    gate = quoting.answer("Wann öffnet die Bäckerei am Morgen?", "gate")["gate"]
    assert (gate["caution"], gate["threshold"]) == ("language", CAUTIOUS_THRESHOLD)
    assert quoting.answer(INSIDE, "gate")["gate"]["caution"] is None
