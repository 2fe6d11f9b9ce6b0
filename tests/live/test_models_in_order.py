"""Several language models, one behind the other, and the sentences of the documents behind all of them."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_llm import (
    FakeLanguageModel,
    cites,
    delta,
    event,
    fake_language_model,
    hangs,
    message,
    refuses,
    says,
    sends,
    writes,
)
from tests.fake_llm import chunk as said
from tests.processes import BIN, Backends, Sent, Service, clean_env

QUESTION = "When does the bakery open?"
TEXT = "The bakery opens at six. It sells rye bread. Ask for Olga."


@pytest.fixture(scope="module")
def first() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def second() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def in_order(backends: Backends, first: FakeLanguageModel, second: FakeLanguageModel) -> dict[str, str]:
    """Settings of two models with the documents' sentences behind them."""
    behind = {"kind": "anthropic", "base_url": second.url, "model": "second", "price_in": 100, "price_out": 1000}
    return {
        **backends.env,
        "RAG_LLM__BASE_URL": first.url,
        "RAG_LLM__MODEL": "first",
        "RAG_LLM__FALLBACKS": json.dumps([behind]),
        "RAG_LLM__FALLBACK_TO_EXTRACTIVE": "true",
        "RAG_LLM__FIRST_TOKEN_S": "1",
        "RAG_LLM__BETWEEN_TOKENS_S": "1",
        "RAG_LLM__RETRIES": "1",
        "RAG_LLM__BREAKER_FAILURES": "1000",
        "RAG_LLM__PRICE_IN": "1",
        "RAG_LLM__PRICE_OUT": "10",
    }


@pytest.fixture(scope="module")
def chain(in_order: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("home"), in_order) as service:
        service.ingest("default", {"bakery.txt": TEXT.encode()})
        yield service


@pytest.fixture(scope="module")
def documents(
    backends: Backends, first: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """One Anthropic model that gets its passages as documents, and is soon left alone."""
    env = {
        **backends.env,
        "RAG_LLM__KIND": "anthropic",
        "RAG_LLM__BASE_URL": first.url.removesuffix("/v1"),
        "RAG_LLM__MODEL": "claude",
        "RAG_LLM__API_KEY": "sesame",
        "RAG_LLM__CITATIONS": "documents",
        "RAG_LLM__FIRST_TOKEN_S": "20",
        "RAG_LLM__RETRIES": "0",
        "RAG_LLM__BREAKER_FAILURES": "2",
        "RAG_LLM__BREAKER_S": "1",
    }
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", {"bakery.txt": TEXT.encode()})
        yield service


@pytest.fixture(autouse=True)
def fresh(first: FakeLanguageModel, second: FakeLanguageModel) -> None:
    first.reset()
    second.reset()


def names(events: list[Sent]) -> list[str]:
    return [event.name for event in events if event.name not in ("started", "retrieved")]


def test_a_busy_model_is_asked_again(chain: Service, first: FakeLanguageModel, second: FakeLanguageModel) -> None:
    first.then(refuses("429 Too Many Requests", "busy", Retry_After="0"), says("At six [1]."))
    answer = chain.answer(QUESTION)
    assert (answer["text"], answer["model"], len(first.requests), second.requests) == ("At six [1].", "first", 2, [])


def test_usage_and_cost_are_told(chain: Service, first: FakeLanguageModel) -> None:
    first.then(says("At ", "six."), says("At six.", usage=False))
    counted, guessed = chain.answer(QUESTION)["usage"], chain.answer(QUESTION)["usage"]
    assert counted == {
        "prompt_tokens": 7,
        "completion_tokens": 2,
        "total_tokens": 9,
        "reasoning_tokens": None,
        "estimated": False,
        "cost": pytest.approx(27e-6),
    }
    assert guessed["estimated"]
    assert guessed["prompt_tokens"] > 100
    assert guessed["cost"] == pytest.approx((guessed["prompt_tokens"] + 10 * guessed["completion_tokens"]) / 1e6)


def test_before_its_first_token_a_model_is_replaced_without_a_trace_in_the_text(
    chain: Service, first: FakeLanguageModel, second: FakeLanguageModel
) -> None:
    first.then(refuses("401 Unauthorized", "bad key"))
    second.then(writes("At six [1]."))
    events = list(chain.stream(QUESTION))
    assert names(events) == ["text", "citation", "done"]
    assert (events[0].data["model"], events[-1].data["model"]) == ("first", "second")
    assert events[-1].data["usage"]["cost"] == pytest.approx((11 * 100 + 5 * 1000) / 1e6)


def test_a_question_may_name_any_model_and_the_others_stand_behind_it(
    chain: Service, first: FakeLanguageModel, second: FakeLanguageModel
) -> None:
    kinds = {"first": "chat_completions", "second": "anthropic", "extractive": "extractive"}
    listed = chain.http.get("/api/v1/models").json()["items"]
    assert listed == [{"name": name, "kind": kind, "default": name == "first"} for name, kind in kinds.items()]
    second.then(writes("Olga knows [1]."))
    events = list(chain.stream(QUESTION, model="second"))
    assert (events[0].data["model"], events[-1].data["model"]) == ("second", "second")
    assert (events[-1].data["text"], first.requests) == ("Olga knows [1].", [])
    second.then(refuses("403 Forbidden", "no"))
    first.then(says("At six [1]."))
    answer = chain.answer(QUESTION, model="second", conversation_id="new")
    assert (answer["text"], answer["model"]) == ("At six [1].", "first")
    said = chain.http.get(f"/api/v1/conversations/{answer['conversation_id']}").json()["answers"]
    assert [one["model"] for one in said] == ["first"]
    refused = chain.http.post("/api/v1/answers", json={"question": QUESTION, "model": "third"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
    assert "'first', 'second', 'extractive'" in refused.json()["error"]["message"]


def test_quotations_that_are_asked_for_by_name_ask_no_model(
    chain: Service, first: FakeLanguageModel, second: FakeLanguageModel
) -> None:
    answer = chain.answer(QUESTION, model="extractive", conversation_id="new")
    assert (answer["model"], "The bakery opens at six." in answer["text"]) == ("extractive", True)
    chain.answer("And what does it sell?", model="extractive", conversation_id=answer["conversation_id"])
    refused = chain.answer("Who won the war of the Spanish succession?", model="extractive")
    assert (refused["outcome"], refused["gate"]["passed"]) == ("no_answer", False)
    assert first.requests == second.requests == []


def test_who_stood_in_once_does_not_stand_in_from_memory(
    in_order: dict[str, str], first: FakeLanguageModel, second: FakeLanguageModel, tmp_path: Path
) -> None:
    first.then(refuses("401 Unauthorized", "bad key"), says("At six."))
    second.then(writes("Olga knows."))
    with Service.start(tmp_path / "home", {**in_order, "RAG_ANSWERS__CACHE": "exact"}) as service:
        service.ingest("default", {"bakery.txt": TEXT.encode()})
        assert [service.answer(QUESTION)["text"] for _ in range(3)] == ["Olga knows.", "At six.", "At six."]
        second.then(writes("Olga says so."))
        named = [service.answer(QUESTION, model="second") for _ in range(2)]
    assert [(one["text"], one["model"], one["cached"]) for one in named] == [
        ("Olga says so.", "second", False),
        ("Olga says so.", "second", True),
    ]
    assert (len(first.requests), len(second.requests)) == (2, 2)


def test_after_its_first_token_the_text_and_its_citations_are_taken_back(
    chain: Service, first: FakeLanguageModel, second: FakeLanguageModel
) -> None:
    first.then(sends(said("It opens at six [1]. And"), ends=False))
    second.then(writes("Olga", " knows [1]."))
    events = list(chain.stream(QUESTION))
    assert names(events) == ["text", "citation", "reset", "text", "citation", "done"]
    reset, done = next(event.data for event in events if event.name == "reset"), events[-1].data
    assert reset["offset"] == 0
    assert reset["reason"] == "first failed (language_model_broken); second answers instead"
    assert (done["text"], sum(done["grounding"].values())) == ("Olga knows [1].", 1)
    assert len(first.requests) == 1
    assert second.requests[0]["messages"] == first.requests[0]["messages"][1:]
    assert done["usage"]["estimated"]
    assert done["usage"]["prompt_tokens"] > 100
    kept = chain.http.get(f"/api/v1/answers/{events[0].data['answer_id']}").json()
    assert (kept["text"], kept["model"], len(kept["citations"])) == ("Olga knows [1].", "second", 1)
    [citation] = kept["citations"]
    assert kept["text"][citation["answer_start"] : citation["answer_end"]] == "Olga knows"


def test_when_no_model_answers_the_documents_do(
    chain: Service, first: FakeLanguageModel, second: FakeLanguageModel
) -> None:
    first.then(sends(said("It opens "), ends=False))
    second.then(refuses("403 Forbidden", "no"))
    events = list(chain.stream(QUESTION))
    assert names(events)[:2] == ["text", "reset"]
    done = events[-1].data
    assert (done["model"], done["outcome"]) == ("extractive", "answered")
    assert "The bakery opens at six." in done["text"]
    assert done["grounding"]["supported"] >= 1


def test_documents_that_can_not_answer_do_not_stand_in(
    chain: Service, first: FakeLanguageModel, second: FakeLanguageModel
) -> None:
    first.then(sends(said("The king "), ends=False))
    second.then(refuses("403 Forbidden", "no"))
    events = list(chain.stream("Who won the war of the Spanish succession?"))
    assert names(events) == ["text", "reset", "text", "done"]
    done = events[-1].data
    assert (done["outcome"], done["finish_reason"], done["gate"]["passed"]) == ("no_answer", "no_answer", False)
    assert "The king" not in done["text"]


def test_reasoning_is_no_part_of_the_answer_and_shown_only_when_asked_for(
    chain: Service, first: FakeLanguageModel
) -> None:
    thinking = [said("<think>Bread"), said("? No.</think>\nAt six [1]."), said(finish_reason="stop")]
    first.then(sends(*thinking), sends(*thinking))
    events = list(chain.stream(QUESTION))
    assert names(events) == ["text", "citation", "done"]
    assert events[-1].data["text"] == "At six [1]."
    assert events[-1].data["usage"]["reasoning_tokens"] == 3
    asked = list(chain.stream(QUESTION, reasoning=True))
    assert "".join(event.data["text"] for event in asked if event.name == "reasoning") == "Bread? No."
    assert asked[-1].data["text"] == "At six [1]."
    first.then(sends(*thinking))
    assert chain.answer(QUESTION, reasoning=True)["reasoning"] == "Bread? No."


def test_the_models_own_citations_point_at_the_words_that_it_names(
    documents: Service, first: FakeLanguageModel
) -> None:
    cited = cites(0, 25, 44, "It sells rye bread.")
    first.then(writes("There is ", ("rye bread", [cited]), ".", thinking="Hm."))
    answer = documents.answer("What does the bakery sell?")
    assert answer["text"] == "There is rye bread [1]."
    [citation] = answer["citations"]
    assert (citation["quote"], citation["start"], citation["end"]) == ("It sells rye bread.", 25, 44)
    assert answer["text"][citation["answer_start"] : citation["answer_end"]] == "There is rye bread"
    assert (answer["finish_reason"], answer["usage"]["total_tokens"]) == ("stop", 16)
    assert "x-api-key: sesame" in first.headers[0].lower()
    assert "authorization:" not in first.headers[0].lower()
    [request] = first.requests
    assert request["messages"][0]["content"][0]["source"]["data"] == TEXT


@pytest.mark.parametrize("before_head", [True, False])
def test_stop_closes_the_connection_while_the_first_token_is_waited_for(
    documents: Service, first: FakeLanguageModel, before_head: bool
) -> None:
    first.then(hangs(before_head=before_head))
    events = documents.stream(QUESTION)
    begun = next(events)
    assert first.asked.wait(10)
    stopped = documents.http.post(f"/api/v1/answers/{begun.data['answer_id']}/cancel")
    assert stopped.json()["outcome"] == "cancelled"
    assert first.closed_by_peer.wait(1)
    assert list(events)[-1].data["outcome"] == "cancelled"


def test_stop_in_the_middle_of_a_message_keeps_its_text(documents: Service, first: FakeLanguageModel) -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        await sends(*message("x")[:3], delta(0, "text_delta", text="At six"), event("ping"), ends=False)(writer)
        await asyncio.sleep(3600)

    first.then(script)
    events = documents.stream(QUESTION)
    seen = [next(events) for _ in range(3)]
    assert seen[-1].name == "text"
    stopped = documents.http.post(f"/api/v1/answers/{seen[0].data['answer_id']}/cancel")
    assert (stopped.json()["outcome"], stopped.json()["text"]) == ("cancelled", "At six")
    assert first.closed_by_peer.wait(1)
    list(events)


def test_a_model_that_keeps_failing_is_left_alone_and_shown(documents: Service, first: FakeLanguageModel) -> None:
    first.then(refuses("500 Internal Server Error", "oops"), refuses("500 Internal Server Error", "oops"))
    codes = []
    for _ in range(3):
        events = list(documents.stream(QUESTION))
        codes.append(events[-1].data["error"]["code"])
    assert codes == ["language_model_broken", "language_model_broken", "language_model_unavailable"]
    assert len(first.requests) == 2
    ready = documents.http.get("/readyz")
    assert ready.status_code == 200
    assert "kept failing" in ready.json()["checks"]["language_model claude"]
    assert 'rag_language_model_rests{model="claude"' in documents.http.get("/metrics").text
    time.sleep(1.1)
    assert documents.answer(QUESTION)["text"] == "Hello [1]."
    assert documents.http.get("/readyz").json()["checks"]["language_model claude"] == "ok"


def test_the_terminal_says_that_another_model_answers(
    chain: Service, first: FakeLanguageModel, second: FakeLanguageModel
) -> None:
    first.then(sends(said("It opens at six [1]. And"), ends=False))
    second.then(writes("Olga knows [1]."))
    env = clean_env(RAG_HOME=str(chain.home))
    command = [str(BIN / "rag"), "ask", QUESTION]
    done = subprocess.run(command, env=env, cwd=chain.home.parent, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    shown = " ".join(done.stdout.split())
    assert shown.startswith(
        "It opens at six [1]. And (first failed (language_model_broken); second answers instead) Olga"
    )
