"""Verdicts by a language model of its own, that behaves and that does not."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from tests.fake_llm import FakeLanguageModel, Script, Writer, fake_language_model, hangs, refuses, says, sends
from tests.processes import Backends, Service

QUESTION = "When does the bakery open?"
TEXT = "The bakery opens at six [1]. It sells golden submarines on Tuesdays [1]. Ask for Olga [1]."
BY_RULE = ["supported", "unsupported", "supported"]


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        model.default = says(*TEXT.split("|"))
        yield model


@pytest.fixture(scope="module")
def judge() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def bakery(
    backends: Backends, llm: FakeLanguageModel, judge: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    env = {
        **backends.env,
        "RAG_LLM__BASE_URL": llm.url,
        "RAG_LLM__MODEL": "fake",
        "RAG_LLM__API_KEY": "sesame",
        "RAG_LLM__RETRIES": "0",
        "RAG_LLM__BREAKER_FAILURES": "1000",
        "RAG_JUDGE__KIND": "model",
        "RAG_JUDGE__BASE_URL": judge.url,
        "RAG_JUDGE__MODEL": "judge",
        "RAG_JUDGE__API_KEY": "gavel",
        "RAG_JUDGE__TIMEOUT_S": "1",
    }
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", {"bakery.txt": b"The bakery opens at six. It sells rye bread. Ask for Olga."})
        yield service


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel, judge: FakeLanguageModel) -> None:
    llm.reset()
    judge.reset()
    judge.default = says("supported")


def verdicts(answer: dict[str, object]) -> list[str]:
    citations = answer["citations"]
    assert isinstance(citations, list)
    return [citation["verdict"] for citation in citations]


def later(delay_s: float, script: Script) -> Script:
    async def play(writer: Writer) -> None:
        await asyncio.sleep(delay_s)
        await script(writer)

    return play


def test_the_judges_verdicts_stand(bakery: Service, judge: FakeLanguageModel) -> None:
    judge.default = says("Parti", "al", ".")
    answer = bakery.answer(QUESTION)
    assert (answer["text"], verdicts(answer)) == (TEXT, ["partial"] * 3)
    assert answer["grounding"] == {"supported": 0, "partial": 3, "unsupported": 0}
    prompts = [request["messages"][-1]["content"] for request in judge.requests]
    assert len(prompts) == 3
    for sentence in ("The bakery opens at six", "It sells golden submarines on Tuesdays", "Ask for Olga"):
        assert sum(f"<sentence>\n{sentence}\n</sentence>" in prompt for prompt in prompts) == 1
    assert all("It sells rye bread." in prompt for prompt in prompts)
    assert {(request["model"], request["temperature"]) for request in judge.requests} == {("judge", 0)}
    assert all("authorization: bearer gavel" in head.lower() for head in judge.headers)


@pytest.mark.parametrize(
    "script",
    [
        says("I would say that it is supported."),
        says("supported or unsupported"),
        says("yes"),
        refuses("500 Internal Server Error", "oops"),
        refuses("401 Unauthorized", "bad key"),
        sends(b"data: {nonsense\n\n"),
        sends(b"<html>hello</html>", kind="text/html"),
    ],
)
def test_a_judge_that_says_nothing_of_use_leaves_it_to_the_rules(
    bakery: Service, judge: FakeLanguageModel, script: Script
) -> None:
    judge.default = script
    answer = bakery.answer(QUESTION)
    assert (answer["outcome"], answer["text"], verdicts(answer)) == ("answered", TEXT, BY_RULE)
    assert answer["grounding"] == {"supported": 2, "partial": 0, "unsupported": 1}


def test_a_slow_judge_delays_no_text_and_the_end_for_a_limited_time(bakery: Service, judge: FakeLanguageModel) -> None:
    judge.default = hangs(before_head=True)
    began = time.monotonic()
    events = list(bakery.stream(QUESTION))
    assert 1 <= time.monotonic() - began < 10
    names = [event.name for event in events]
    assert names[:3] == ["started", "retrieved", "text"]
    assert names[-4:] == ["citation", "citation", "citation", "done"]
    assert [event.data["verdict"] for event in events if event.name == "citation"] == BY_RULE
    assert judge.closed_by_peer.wait(5)


def test_citations_come_in_the_order_of_their_markers(bakery: Service, judge: FakeLanguageModel) -> None:
    judge.then(later(0.3, says("unsupported")), says("supported"), later(0.1, says("partial")))
    answer = bakery.answer(QUESTION)
    places = [citation["answer_start"] for citation in answer["citations"]]
    assert places == sorted(places)
    assert sorted(verdicts(answer)) == ["partial", "supported", "unsupported"]


def test_an_answer_that_is_stopped_while_it_is_judged_keeps_its_citations(
    bakery: Service, llm: FakeLanguageModel, judge: FakeLanguageModel
) -> None:
    judge.default = hangs(before_head=True)
    llm.then(hangs("The bakery opens at six [1]. "))
    events = bakery.stream(QUESTION)
    begun = [next(events) for _ in range(3)]
    assert judge.asked.wait(5)
    stopped = bakery.http.post(f"/api/v1/answers/{begun[0].data['answer_id']}/cancel").json()
    assert (stopped["outcome"], verdicts(stopped)) == ("cancelled", ["supported"])
    assert stopped["grounding"] == {"supported": 1, "partial": 0, "unsupported": 0}
    assert judge.closed_by_peer.wait(5)
    assert [event.name for event in events][-2:] == ["citation", "done"]


def test_what_a_failed_model_cited_is_not_told_any_more(
    backends: Backends, llm: FakeLanguageModel, judge: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env = {
        **backends.env,
        "RAG_LLM__BASE_URL": llm.url,
        "RAG_LLM__MODEL": "fake",
        "RAG_LLM__FALLBACKS": f'[{{"base_url": "{judge.url}", "model": "second"}}]',
        "RAG_JUDGE__KIND": "model",
        "RAG_JUDGE__TIMEOUT_S": "5",
    }
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", {"bakery.txt": b"The bakery opens at six. It sells rye bread. Ask for Olga."})
        llm.default = says("unsupported")  # the language model is its own judge
        llm.then(sends(*[b'data:{"choices":[{"delta":{"content":"At nine [1]. And "}}]}\n\n'], ends=False))
        judge.then(says("The bakery opens at six [1]."))
        answer = service.answer(QUESTION)
    assert (answer["text"], verdicts(answer)) == ("The bakery opens at six [1].", ["unsupported"])
    assert answer["citations"][0]["answer_start"] == 0
    llm.default = says(TEXT)
