"""Wires of chat front ends through their own clients; a server with a key; and tasks without a language model."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, says
from tests.node_clients import need_node, run_node
from tests.processes import Backends, Service

QUESTION = "When does the bakery open?"
TEXT = b"The bakery opens at six. It sells rye bread. Ask for Olga."
KEY = "sesame"
USER = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def bakery(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake", "RAG_ADMIN_KEY": KEY}
    headers = {"Authorization": f"Bearer {KEY}"}
    with Service.start(tmp_path_factory.mktemp("home"), env, headers=headers) as service:
        service.ingest("default", {"bakery.txt": TEXT})
        yield service


@pytest.fixture(scope="module")
def quoting(service: Service) -> Service:
    service.ingest("default", {"bakery.txt": TEXT})
    return service


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel) -> None:
    llm.reset()
    llm.default = says("At ", "six [1].")


def chat(service: Service, chat_id: str, **more: Any) -> Any:
    return service.http.stream("POST", "/api/chat", json={"id": chat_id, "messages": [USER], **more})


def parts(response: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in response.iter_lines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def test_every_other_wire_wants_the_key(bakery: Service) -> None:
    with OpenAI(base_url=f"{bakery.url}/v1", api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.models.list()
        assert (caught.value.type, caught.value.code) == ("authentication_error", "unauthenticated")
    with OpenAI(base_url=f"{bakery.url}/v1", api_key=KEY) as client:
        assert client.models.list().data[0].id == "rag"
    asked = [("GET", "/api/chat/x/stream"), ("POST", "/api/chat"), ("POST", "/api/chat/x/stop"), ("POST", "/api/ag-ui")]
    for method, path in [
        *asked,
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/responses"),
        ("POST", "/v1/embeddings"),
    ]:
        assert httpx.request(method, f"{bakery.url}{path}", json={}).status_code == 401, path


def test_no_page_of_another_site_may_ask(quoting: Service) -> None:
    for path in ("/api/chat", "/api/ag-ui", "/v1/chat/completions"):
        reply = quoting.http.post(path, json={}, headers={"Origin": "https://evil.example"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "foreign_origin")


def test_a_ui_message_stream_has_its_headers_and_parts(bakery: Service) -> None:
    with chat(bakery, "c1") as response:
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        assert response.headers["content-type"].startswith("text/event-stream")
        raw = response.read().decode()
    assert raw.endswith("data: [DONE]\n\n")
    said = [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: {")]
    assert "".join(one["delta"] for one in said if one["type"] == "text-delta") == "At six [1]."
    [source] = [one for one in said if one["type"] == "source-document"]
    assert (source["title"], source["filename"]) == ("bakery", "bakery.txt")
    assert said[-1]["messageMetadata"]["outcome"] == "answered"


def test_a_chat_goes_on_after_its_reader_left_and_can_be_resumed_and_stopped(
    bakery: Service, llm: FakeLanguageModel
) -> None:
    assert bakery.http.get("/api/chat/c2/stream").status_code == 204
    llm.then(hangs("At six"))
    with chat(bakery, "c2") as response:
        assert any(one["type"] == "text-delta" for one in parts(response))
    assert not llm.closed_by_peer.wait(0.5)
    resumed: list[dict[str, Any]] = []
    ready = threading.Event()

    def resume() -> None:
        headers = bakery.http.headers
        with httpx.stream("GET", f"{bakery.url}/api/chat/c2/stream", headers=headers, timeout=20) as response:
            for one in parts(response):
                resumed.append(one)
                if one["type"] == "text-delta":
                    ready.set()

    reader = threading.Thread(target=resume)
    reader.start()
    assert ready.wait(10)
    stopped = bakery.http.post("/api/chat/c2/stop").raise_for_status().json()
    reader.join(10)
    assert not reader.is_alive()
    assert (stopped["outcome"], stopped["text"]) == ("cancelled", "At six")
    assert llm.closed_by_peer.wait(2)
    assert [one["type"] for one in resumed] == ["start", "text-start", "text-delta", "text-end", "abort"]
    assert bakery.http.get("/api/chat/c2/stream").status_code == 204
    assert bakery.http.post("/api/chat/c2/stop").status_code == 204


def test_the_history_of_a_chat_leaves_out_what_was_taken_back(bakery: Service, llm: FakeLanguageModel) -> None:
    reset = {"type": "data-reset", "data": {"offset": 0, "reason": "it broke off"}}
    said = [{"type": "text", "text": "Wrong"}, reset, {"type": "text", "text": "Rye bread [1]."}]
    before = [
        {"id": "u0", "role": "user", "parts": [{"type": "text", "text": "Does the bakery sell bread?"}]},
        {"id": "a0", "role": "assistant", "parts": [{"type": "step-start"}, *said]},
    ]
    with chat(bakery, "c3", messages=[*before, USER], instructions="Be brief.") as response:
        response.read()
    system, *past, last = llm.requests[-1]["messages"]
    assert "Be brief." in system["content"]
    assert [message["content"] for message in past] == ["Does the bakery sell bread?", "Rye bread ."]
    assert QUESTION in last["content"]


def test_a_file_in_a_chat_is_refused_by_name(bakery: Service) -> None:
    body = {"id": "c4", "messages": [{"role": "user", "parts": [{"type": "file", "url": "data:,x"}]}]}
    reply = bakery.http.post("/api/chat", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_parameter")
    assert reply.json()["error"]["details"][0]["field"] == "messages.0.parts.0"


def test_an_ag_ui_run_that_is_left_is_stopped(bakery: Service, llm: FakeLanguageModel) -> None:
    llm.then(hangs("At six"))
    body = {"threadId": "t", "runId": "r", "messages": [{"id": "1", "role": "user", "content": QUESTION}]}
    with bakery.http.stream("POST", "/api/ag-ui", json=body) as response:
        assert any(one["type"] == "TEXT_MESSAGE_CONTENT" for one in parts(response))
    assert llm.closed_by_peer.wait(5)


def test_clients_for_node_chat_resume_and_run(bakery: Service, llm: FakeLanguageModel) -> None:
    need_node()
    seen = run_node("front_ends.mjs", bakery.url, KEY, QUESTION)
    assert seen["chat"]["status"] == "ready"
    assert seen["chat"]["text"] == "At six [1]."
    assert "source-document" in seen["chat"]["types"]
    assert seen["followUp"] == "At six [1]."
    assert seen["idle"] is None
    assert "wants a key" in seen["refused"]
    assert seen["agUi"]["text"] == "At six [1]."
    assert {"started", "retrieved", "citation"} <= set(seen["agUi"]["custom"])
    assert any("Ambient: it is Sunday" in message["content"] for message in llm.requests[-1]["messages"])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ('{ "title": "your concise title here" }', {"title": "When does the bakery open"}),
        ('{ "tags": ["tag1", "tag2"] }', {"tags": ["General"]}),
        ('{ "follow_ups": ["Question 1?"] }', {"follow_ups": []}),
        ('{ "queries": ["query1"] }', {"queries": [QUESTION]}),
    ],
)
def test_tasks_of_a_front_end_are_done_by_rule_without_a_language_model(
    quoting: Service, wanted: str, expected: dict[str, object]
) -> None:
    history = f"<chat_history>\nUSER: {QUESTION}\nASSISTANT: At six.\n</chat_history>"
    content = f"### Task:\nDo it.\n### Output:\nJSON format: {wanted}\n### Chat History:\n{history}"
    body = {"model": "rag", "messages": [{"role": "user", "content": content}], "stream": False}
    completion = quoting.http.post("/v1/chat/completions", json=body).raise_for_status().json()
    assert json.loads(completion["choices"][0]["message"]["content"]) == expected


def test_quotations_come_through_every_wire(quoting: Service) -> None:
    with OpenAI(base_url=f"{quoting.url}/v1", api_key="none") as client:
        completion = client.chat.completions.create(model="rag", messages=[{"role": "user", "content": QUESTION}])
        assert (completion.choices[0].message.content or "").startswith("The bakery opens at six. [1]")
        assert completion.usage
        assert completion.usage.total_tokens == 0
        refused = client.chat.completions.create(
            model="rag", messages=[{"role": "user", "content": "How do I descale an espresso machine?"}]
        )
        assert "found no answer" in (refused.choices[0].message.content or "")
        assert not refused.choices[0].message.annotations
