"""The same runs told in every dialect, read with the official clients' own types."""

import json
from typing import Any

import pytest
from ag_ui.core import Event as AgUiEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from rag_api.eventstream import EventStreamDecoder
from rag_api.web.dialects.chat_completions import BEGINS_ANEW, chat_completion
from rag_api.web.dialects.response_items import response
from tests.web.recorded import ANSWER_ID, DIALECTS, HARD, MESSAGES, PASSAGES, REPLY, RUNS, answer, told

DONE = "[DONE]"
AG_UI: TypeAdapter[Any] = TypeAdapter(AgUiEvent)
RESPONSE_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
every_run = pytest.mark.parametrize("run", RUNS)


def events(data: bytes) -> list[tuple[str, str]]:
    return [(event.event, event.data) for event in EventStreamDecoder().feed(data)]


def bodies(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(data) for _, data in events(data) if data != DONE]


@every_run
@pytest.mark.parametrize("dialect", DIALECTS)
def test_no_reader_sees_a_line_end_within_an_event(dialect: str, run: str) -> None:
    text = told(dialect, run).decode()
    assert not {"\u0085", "\u2028", "\u2029", "\r"} & set(text)
    assert text.endswith("\n\n")
    for event in text[:-2].split("\n\n"):
        assert [line.partition(": ")[0] for line in event.split("\n")].count("data") == 1


@every_run
@pytest.mark.parametrize("dialect", ["chat completions", "ui messages"])
def test_a_stream_with_a_farewell_says_it_once_and_last(dialect: str, run: str) -> None:
    for at_once in (True, False):
        said = [data for _, data in events(told(dialect, run, at_once=at_once))]
        assert (said.count(DONE), said[-1]) == (1, DONE)


@every_run
@pytest.mark.parametrize("dialect", DIALECTS)
def test_texts_that_come_together_are_the_same_text(dialect: str, run: str) -> None:
    apart, together = (text_in(dialect, bodies(told(dialect, run, at_once=at_once))) for at_once in (False, True))
    assert apart == together
    assert apart.endswith(answer(run).text)


def text_in(dialect: str, said: list[dict[str, Any]]) -> str:
    match dialect:
        case "native":
            return "".join(one.get("text", "") for one in said if "offset" in one)
        case "chat completions":
            deltas = [choice["delta"] for one in said for choice in one.get("choices", [])]
            return "".join(delta.get("content", "") for delta in deltas)
        case "responses":
            return "".join(one["delta"] for one in said if one["type"] == "response.output_text.delta")
        case "ui messages":
            return "".join(one["delta"] for one in said if one["type"] == "text-delta")
        case _:
            return "".join(one["delta"] for one in said if one["type"] == "TEXT_MESSAGE_CONTENT")


@every_run
def test_native_offsets_say_where_text_belongs(run: str) -> None:
    text = ""
    for name, data in events(told("native", run, at_once=True)):
        body = json.loads(data)
        if name in ("text", "reset"):
            text = text[: body["offset"]] + body.get("text", "")
    assert text == answer(run).text


@every_run
def test_chunks_are_openais_and_end_as_theirs_do(run: str) -> None:
    said, whole = bodies(told("chat completions", run)), answer(run)
    if whole.error:
        *said, last = said
        assert last["error"]["message"] == whole.error.message
        assert last["error"]["code"] == whole.error.code
        assert set(last["error"]) == {"message", "type", "code", "param", "request_id"}
    chunks = [ChatCompletionChunk.model_validate(one, strict=True) for one in said]
    assert {(chunk.id, chunk.model, chunk.created) for chunk in chunks} == {
        (f"chatcmpl-{ANSWER_ID}", REPLY.model, REPLY.created)
    }
    assert chunks[0].choices[0].delta.role == "assistant"
    if whole.error:
        return
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices]
    assert reasons == [None] * (len(reasons) - 1) + ["length" if run == "cut" else "stop"]
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens == (whole.usage.total_tokens if whole.usage else 0)


@every_run
def test_annotations_of_chunks_mark_what_is_cited(run: str) -> None:
    said, marked = bodies(told("chat completions", run)), list[str]()
    sent = text_in("chat completions", said)
    for one in said:
        for choice in one.get("choices", []):
            for annotation in choice["delta"].get("annotations", []):
                of = annotation["url_citation"]
                marked.append(sent[of["start_index"] : of["end_index"]])
    text = answer(run).text
    cited = [text[one.answer_start : one.answer_end] for one in answer(run).citations]
    assert marked[-len(cited) :] == cited if cited else True
    assert all(marked)


def test_a_source_of_the_web_is_its_own_address_and_others_have_one_here() -> None:
    of = [
        one["url_citation"]
        for one in chat_completion(REPLY, answer("answered"))["choices"][0]["message"]["annotations"]
    ]
    here = "http://here/api/v1/collections/hill/documents/doc1/content"
    assert [one["url"] for one in of] == [here, "https://example.org/hill", here]
    assert [one["title"] for one in of] == ["Title 1", "Title 2", "Title 1"]
    assert [(one["document_id"], one["page"], one["verdict"]) for one in of][:1] == [("doc1", 3, "partial")]


def test_chunks_say_that_an_answer_begins_anew() -> None:
    sent = text_in("chat completions", bodies(told("chat completions", "failed over")))
    notice = BEGINS_ANEW.format(reason="the first broke off; the second answers instead")
    assert sent == f"Wrong [1], as{notice}Ines [1]."


@every_run
def test_a_whole_completion_is_the_fold_of_the_run(run: str) -> None:
    whole = answer(run)
    if whole.error:
        return
    completion = ChatCompletion.model_validate(chat_completion(REPLY, whole), strict=True)
    message = completion.choices[0].message
    assert message.content == whole.text
    assert [of.url_citation.end_index for of in message.annotations or []] == [of.answer_end for of in whole.citations]


@every_run
def test_events_of_responses_are_openais_in_their_order(run: str) -> None:
    data, whole = told("responses", run), answer(run)
    said = bodies(data)
    for one in said:
        RESPONSE_EVENT.validate_python(without_our_code(one), strict=True)
    assert [one["sequence_number"] for one in said] == list(range(len(said)))
    assert [name for name, _ in events(data)] == [one["type"] for one in said]
    kinds = [one["type"].removeprefix("response.") for one in said]
    assert kinds[:2] == ["created", "in_progress"]
    ends = {"failed": "failed", "cancelled": "incomplete"}
    assert kinds[-1] == ("incomplete" if run == "cut" else ends.get(str(whole.outcome), "completed"))
    assert said[-1]["response"]["status"] == (whole.outcome if whole.outcome in ends else kinds[-1])
    open_items: list[int] = []
    for one in said:
        if one["type"] == "response.output_item.added":
            open_items.append(one["output_index"])
        elif one["type"] == "response.output_item.done":
            assert open_items.pop() == one["output_index"]
        elif "output_index" in one:
            assert open_items == [one["output_index"]]
    assert not open_items
    if run == "answered":
        assert kinds[2:8] == [
            "output_item.added",
            "file_search_call.in_progress",
            "file_search_call.searching",
            "file_search_call.completed",
            "output_item.done",
            "output_item.added",
        ]
        assert kinds[8:11] == ["content_part.added", "output_text.delta", "output_text.delta"]
        assert kinds[11] == "output_text.annotation.added"
        assert kinds[-4:] == ["output_text.done", "content_part.done", "output_item.done", "completed"]


def without_our_code(event: dict[str, Any]) -> dict[str, Any]:
    """Their list of codes is of what can go wrong with them."""
    if not event.get("response", {}).get("error"):
        return event
    return event | {"response": event["response"] | {"error": {"code": "server_error", "message": "m"}}}


@every_run
def test_a_whole_response_is_what_its_stream_ends_with(run: str) -> None:
    whole = response(REPLY, answer(run), with_results=True)
    last = bodies(told("responses", run))[-1]["response"]
    assert strip_ids(last) == strip_ids(whole)
    if answer(run).error:
        assert whole["error"]["code"] == answer(run).error.code  # type: ignore[union-attr]
        return
    read = Response.model_validate(whole, strict=True)
    assert read.output_text == answer(run).text
    if answer(run).citations:
        found = [of for item in read.output if item.type == "message" for of in item.content[0].annotations]  # type: ignore[union-attr]
        assert [(of.type, of.file_id, of.index) for of in found] == [  # type: ignore[union-attr]
            ("file_citation", of.document_id, of.answer_end) for of in answer(run).citations
        ]
    if answer(run).passages:
        [search] = [item for item in read.output if item.type == "file_search_call"]
        assert search.queries == ["Who built it?"]
        assert [of.text for of in search.results or []] == [of.chunk.text for of in PASSAGES]


def strip_ids(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"output": [item | {"id": ""} for item in body["output"]]}


@every_run
def test_parts_of_ui_messages_begin_and_end(run: str) -> None:
    said, whole = bodies(told("ui messages", run)), answer(run)
    assert said[0] == {
        "type": "start",
        "messageId": ANSWER_ID,
        "messageMetadata": {"answer_id": ANSWER_ID, "collection": "hill", "model": "fake"},
    }
    active: set[str] = set()
    for one in said:
        kind, _, stage = one["type"].rpartition("-")
        if kind in ("text", "reasoning"):
            assert (one["id"] in active) == (stage != "start")
            active = active - {one["id"]} if stage == "end" else active | {one["id"]}
    assert not active
    assert said[-1]["type"] == ("abort" if whole.outcome == "cancelled" else "finish")
    if whole.error:
        assert {"type": "error", "errorText": whole.error.message} in said
    cited = [one["data"] for one in said if one["type"] == "data-citation"]
    assert [one["chunk_id"] for one in cited][-len(whole.citations) :] == [of.chunk_id for of in whole.citations]
    sources = [one["sourceId"] for one in said if one["type"] == "source-document"]
    assert sorted(sources) == sorted({str(one["n"]) for one in cited})
    assert sum(one["type"] == "data-reset" for one in said) == ("failed over" in run)


@every_run
def test_ag_ui_events_are_the_protocols(run: str) -> None:
    said, whole = bodies(told("ag-ui", run)), answer(run)
    for one in said:
        AG_UI.validate_python(one)
    assert said[0] == {"type": "RUN_STARTED", "threadId": "thread", "runId": "run", "protocolVersion": "1.0"}
    assert said[-1]["type"] == ("RUN_ERROR" if whole.error else "RUN_FINISHED")
    assert sum(one["type"] in ("RUN_ERROR", "RUN_FINISHED") for one in said) == 1
    begun = [one["messageId"] for one in said if one["type"].endswith("_MESSAGE_START")]
    ended = [one["messageId"] for one in said if one["type"].endswith("_MESSAGE_END")]
    assert begun == ended
    assert len(set(begun)) == len(begun)
    snapshots = [one["messages"] for one in said if one["type"] == "MESSAGES_SNAPSHOT"]
    assert snapshots == ([MESSAGES] if "failed over" in run else [])
    if not whole.error:
        assert said[-1]["outcome"] == {"type": "cancelled" if whole.outcome == "cancelled" else "success"}


def test_hard_characters_come_through_every_dialect() -> None:
    for dialect in DIALECTS:
        assert text_in(dialect, bodies(told(dialect, "hard characters"))) == HARD
