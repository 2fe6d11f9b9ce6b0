"""OpenAI's wires as their own client and LangChain's speak them, with a language model behind the documents."""

import base64
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from openai import OpenAI

from tests.fake_llm import FakeLanguageModel, chunk, fake_language_model, hangs, refuses, says, sends
from tests.node_clients import need_node, run_node
from tests.processes import Backends, Service

QUESTION = "When does the bakery open?"
ASKED = [{"role": "user", "content": QUESTION}]
REPLY = "At six [1]."
TASK = (
    "### Task:\nGenerate a concise title summarizing the chat history.\n### Output:\n"
    'JSON format: { "title": "your concise title here" }\n### Chat History:\n'
    f"<chat_history>\nUSER: {QUESTION}\nASSISTANT: At six.\n</chat_history>"
)


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def bakery(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {
        **backends.env,
        "RAG_LLM__BASE_URL": llm.url,
        "RAG_LLM__MODEL": "fake",
        "RAG_LLM__FIRST_TOKEN_S": "5",
        "RAG_LLM__RETRIES": "0",
        "RAG_LLM__BREAKER_FAILURES": "1000",
        "RAG_LLM__FALLBACK_TO_EXTRACTIVE": "false",
    }
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.collection("other")
        service.ingest("default", {"bakery.txt": b"The bakery opens at six. It sells rye bread. Ask for Olga."})
        yield service


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel) -> None:
    llm.reset()
    llm.default = says("At ", "six ", "[1", "].")


@pytest.fixture
def client(bakery: Service) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{bakery.url}/v1", api_key="none", max_retries=0) as client:
        yield client


@contextmanager
def posted(service: Service, path: str, body: bytes) -> Iterator[socket.socket]:
    """A connection on which nothing but the request was sent."""
    host, _, port = service.url.removeprefix("http://").partition(":")
    head = [f"POST {path} HTTP/1.1", f"Host: {host}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        yield connection


def test_every_collection_is_a_model(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "rag"
    assert {"rag:default", "rag:other"} <= set(names)
    assert client.models.retrieve("rag:other").id == "rag:other"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-9")
    assert caught.value.code == "model_not_found"


def test_a_completion_is_whole_with_its_sources(client: OpenAI, bakery: Service) -> None:
    completion = client.chat.completions.create(model="rag", messages=ASKED)  # type: ignore[arg-type]
    [choice] = completion.choices
    assert (choice.message.content, choice.finish_reason) == (REPLY, "stop")
    assert completion.usage
    assert completion.usage.total_tokens == 11
    [annotation] = choice.message.annotations or []
    of = annotation.url_citation
    assert (of.title, REPLY[of.start_index : of.end_index]) == ("bakery", "At six")
    assert "The bakery opens at six" in bakery.http.get(of.url).text


def test_a_stream_says_the_same_in_pieces(client: OpenAI) -> None:
    text, annotations, usage, reasons = "", list[dict[str, object]](), None, list[str | None]()
    options = {"include_usage": True}
    for one in client.chat.completions.create(model="rag", messages=ASKED, stream=True, stream_options=options):  # type: ignore[call-overload]
        usage = one.usage or usage
        for choice in one.choices:
            text += choice.delta.content or ""
            annotations += getattr(choice.delta, "annotations", None) or []
            reasons.append(choice.finish_reason)
    assert (text, reasons[-1]) == (REPLY, "stop")
    assert usage
    assert usage.total_tokens == 11
    assert [of["type"] for of in annotations] == ["url_citation"]


def test_after_the_last_word_the_connection_is_closed(bakery: Service) -> None:
    body = json.dumps({"model": "rag", "messages": ASKED, "stream": True}).encode()
    with posted(bakery, "/v1/chat/completions", body) as connection:
        answered = b""
        while piece := connection.recv(65_536):
            answered += piece
    assert b"content-type: text/event-stream" in answered.lower()
    assert answered.rstrip(b"0\r\n").endswith(b"data: [DONE]")


def test_the_clients_system_message_and_history_reach_the_model(client: OpenAI, llm: FakeLanguageModel) -> None:
    messages = [
        {"role": "system", "content": "Answer like a sailor."},
        {"role": "user", "content": "Does the bakery sell bread?"},
        {"role": "assistant", "content": "Rye bread [1]."},
        {"role": "user", "content": [{"type": "text", "text": "And when does it open?"}]},
    ]
    client.chat.completions.create(model="rag", messages=messages, temperature=0.3, max_tokens=40)  # type: ignore[arg-type]
    system, *past, last = llm.requests[-1]["messages"]
    assert "You answer questions from the passages" in system["content"]
    assert "Answer like a sailor." in system["content"]
    assert [message["content"] for message in past] == ["Does the bakery sell bread?", "Rye bread ."]
    assert "And when does it open?" in last["content"]
    assert "The bakery opens at six" in last["content"]
    assert (llm.requests[-1]["temperature"], llm.requests[-1]["max_tokens"]) == (0.3, 40)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "Hello"}]}, "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages.0.content.0",
        ),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"temperature": 3}, "temperature"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_would_be_missed_is_refused_by_name(client: OpenAI, change: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": "rag", "messages": ASKED, **change})  # type: ignore[call-overload]
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")


def test_what_does_not_matter_is_left_alone(client: OpenAI) -> None:
    more = {"top_p": 0.9, "seed": 7, "user": "u", "tools": [], "presence_penalty": 0.1, "extra_body": {"top_k": 40}}
    completion = client.chat.completions.create(model="rag", messages=ASKED, **more)  # type: ignore[call-overload]
    assert completion.choices[0].message.content == REPLY


def test_errors_are_the_clients_own(client: OpenAI, bakery: Service, llm: FakeLanguageModel) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="rag:nowhere", messages=ASKED)  # type: ignore[arg-type]
    assert unknown.value.code == "model_not_found"
    for stream in (False, True):
        llm.then(refuses("401 Unauthorized", "bad key"))
        with pytest.raises(openai.InternalServerError) as failed:
            client.chat.completions.create(model="rag", messages=ASKED, stream=stream)  # type: ignore[call-overload]
        assert (failed.value.status_code, failed.value.code) == (502, "language_model_refused")
    reply = bakery.http.get("/v1/models", headers={"Host": "evil.example"})
    assert (reply.status_code, reply.json()["error"]["type"]) == (403, "permission_error")
    reply = bakery.http.get("/v1/nothing")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "route_not_found")


def test_a_stream_that_breaks_off_ends_in_an_error(client: OpenAI, llm: FakeLanguageModel) -> None:
    llm.then(sends(chunk("At six and then "), ends=False))
    stream = client.chat.completions.create(model="rag", messages=ASKED, stream=True)  # type: ignore[call-overload]
    seen = ""
    with pytest.raises(openai.APIError) as caught:
        for one in stream:
            seen += one.choices[0].delta.content or ""
    assert seen == "At six and then "
    assert caught.value.code == "language_model_broken"


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_stops_the_answer(bakery: Service, llm: FakeLanguageModel, stream: bool) -> None:
    llm.then(hangs("At six"))
    body = json.dumps({"model": "rag", "messages": ASKED, "stream": stream}).encode()
    with posted(bakery, "/v1/chat/completions", body) as connection:
        assert llm.asked.wait(10)
        assert llm.open
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    deadline = time.monotonic() + 5
    while llm.open and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not llm.open  # the model would have hung for an hour


def test_a_task_of_a_front_end_goes_to_the_model_as_it_is(client: OpenAI, llm: FakeLanguageModel) -> None:
    llm.then(says('{"title": ', '"Opening [1]"}'))
    messages = [{"role": "user", "content": TASK}]
    completion = client.chat.completions.create(model="rag", messages=messages)  # type: ignore[arg-type]
    assert completion.choices[0].message.content == '{"title": "Opening [1]"}'
    assert [(message["role"], message["content"]) for message in llm.requests[-1]["messages"]] == [("user", TASK)]


def test_embeddings_are_the_collections(client: OpenAI) -> None:
    texts = ["rye bread", "a telescope"]
    floats = client.embeddings.create(model="rag", input=texts, encoding_format="float")
    packed = client.embeddings.create(model="rag", input=texts)  # the client asks for base64 and unpacks it
    assert [len(one.embedding) for one in floats.data] == [384, 384]
    assert [one.embedding for one in floats.data] == [pytest.approx(one.embedding) for one in packed.data]
    assert sum(value * value for value in floats.data[0].embedding) == pytest.approx(1, abs=1e-3)
    with pytest.raises(openai.BadRequestError, match="384"):
        client.embeddings.create(model="rag", input="x", dimensions=100)
    with pytest.raises(openai.BadRequestError, match="strings"):
        client.embeddings.create(model="rag", input=[1, 2, 3])


def test_embeddings_in_base64_are_little_endian_floats(bakery: Service) -> None:
    body = {"model": "rag", "input": "rye bread", "encoding_format": "base64"}
    [row] = bakery.http.post("/v1/embeddings", json=body).raise_for_status().json()["data"]
    assert len(base64.b64decode(row["embedding"])) == 4 * 384


def test_a_response_is_whole_with_search_and_citations(client: OpenAI) -> None:
    found = client.responses.create(
        model="rag", input=QUESTION, instructions="Be brief.", include=["file_search_call.results"]
    )
    assert (found.status, found.output_text) == ("completed", REPLY)
    search, message = found.output
    assert search.type == "file_search_call"
    assert search.results
    assert "opens at six" in (search.results[0].text or "")
    assert message.type == "message"
    [citation] = message.content[0].annotations  # type: ignore[union-attr]
    assert (citation.type, citation.filename) == ("file_citation", "bakery.txt")  # type: ignore[union-attr]
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="rag", input="And then?", previous_response_id=found.id)
    assert caught.value.param == "previous_response_id"


def test_the_file_search_tool_says_what_is_searched(client: OpenAI) -> None:
    mine = {"type": "eq", "key": "source", "value": "bakery.txt"}
    for filters, found in ((mine, 1), ({"type": "and", "filters": [mine, {**mine, "value": "other.txt"}]}, 0)):
        tool = {"type": "file_search", "vector_store_ids": ["any"], "max_num_results": 1, "filters": filters}
        asked = {"model": "rag", "input": QUESTION, "tools": [tool], "include": ["file_search_call.results"]}
        [search, *_] = client.responses.create(**asked).output  # type: ignore[call-overload]
        assert len(search.results) == found
    wrong = {"type": "file_search", "vector_store_ids": ["any"], "filters": {"type": "like"}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="rag", input=QUESTION, tools=[wrong])  # type: ignore[list-item]
    assert caught.value.param == "tools.0.filters"


def test_a_response_streams_into_the_clients_own_state(client: OpenAI) -> None:
    with client.responses.stream(model="rag", input=ASKED) as stream:  # type: ignore[arg-type]
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert final.output_text == REPLY
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert "response.output_text.annotation.added" in kinds


def test_langchain_asks_and_streams(bakery: Service) -> None:
    chat = ChatOpenAI(base_url=f"{bakery.url}/v1", api_key="none", model="rag", stream_usage=True)  # type: ignore[arg-type]
    answer = chat.invoke([("system", "Be brief."), ("human", QUESTION)])
    assert answer.content == REPLY
    pieces = list(chat.stream(QUESTION))
    assert "".join(str(piece.content) for piece in pieces) == REPLY
    usage = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert usage[-1]["total_tokens"] == 11
    responses = ChatOpenAI(base_url=f"{bakery.url}/v1", api_key="none", model="rag", use_responses_api=True)  # type: ignore[arg-type]
    assert responses.invoke(QUESTION).text == REPLY
    assert "".join(piece.text for piece in responses.stream(QUESTION)) == REPLY
    embeddings = OpenAIEmbeddings(
        base_url=f"{bakery.url}/v1",
        api_key="none",
        model="rag",
        check_embedding_ctx_length=False,  # type: ignore[arg-type]
    )
    assert len(embeddings.embed_query("rye bread")) == 384


def test_openais_client_for_node_does_the_same(bakery: Service) -> None:
    need_node()
    seen = run_node("openai.mjs", f"{bakery.url}/v1", QUESTION)
    assert seen["models"][0] == "rag"
    assert seen["whole"] == {"text": REPLY, "annotations": 1, "total": 11}
    assert seen["streamed"] == {"text": REPLY, "annotations": 1, "total": 11}
    assert seen["response"] == {"text": REPLY, "types": ["file_search_call", "message"]}
    assert seen["streamedResponse"] == {"text": REPLY, "last": "response.completed", "citation": "bakery.txt"}
    assert seen["dimensions"] == 384
    assert seen["unknown"] == {"kind": "NotFoundError", "code": "model_not_found"}
    assert seen["wrong"] == {"kind": "BadRequestError", "param": "n"}
