"""Answers through the front door, without a language model: quotations."""

import json
from typing import Any

import pytest

from tests.processes import Service, sent

TEXT = (
    "The observatory stands on Mount Brell.\n\n"
    "Its largest telescope has a mirror of 3.6 metres. The dome was built in 1958 by Ines Karlow.\n\n"
    "Visitors are welcome on Saturdays. A tour takes ninety minutes and costs eight crowns."
)
QUESTION = "Who built the dome?"


@pytest.fixture(scope="module")
def hill(service: Service) -> Service:
    service.ingest("default", {"observatory.md": TEXT.encode()})
    return service


def test_the_events_come_in_order_and_end_once(hill: Service) -> None:
    events = list(hill.stream(QUESTION))
    names = [event.name for event in events]
    assert names[:2] == ["started", "retrieved"]
    assert names[-1] == "done"
    assert set(names[2:-1]) == {"text", "citation"}
    answer_id = events[0].data["answer_id"]
    assert [event.id for event in events] == [f"{answer_id}:{seq}" for seq in range(1, len(events) + 1)]


def test_every_citation_points_at_the_exact_characters(hill: Service) -> None:
    answer = hill.answer(QUESTION)
    assert answer["outcome"] == "answered"
    assert "Ines Karlow" in answer["citations"][0]["quote"]
    for citation in answer["citations"]:
        path = f"/api/v1/collections/default/documents/{citation['document_id']}/content"
        content = hill.http.get(path, params={"version": citation["version"]}).text
        assert content[citation["start"] : citation["end"]] == citation["quote"]
        claim = answer["text"][citation["answer_start"] : citation["answer_end"]]
        assert " ".join(citation["quote"].split()) == claim
        assert answer["text"][citation["answer_end"] :].lstrip().startswith(f"[{citation['n']}]")
        assert citation["verdict"] == "supported"
    assert answer["grounding"] == {"supported": len(answer["citations"]), "partial": 0, "unsupported": 0}


def test_the_json_answer_is_the_fold_of_the_events(hill: Service) -> None:
    events = list(hill.stream(QUESTION))
    whole = hill.http.get(f"/api/v1/answers/{events[0].data['answer_id']}").json()
    assert whole["text"] == "".join(event.data["text"] for event in events if event.name == "text")
    assert whole["citations"] == [event.data for event in events if event.name == "citation"]
    assert whole["passages"] == events[1].data["passages"]
    assert whole["text"] == events[-1].data["text"]
    offset = 0
    for event in events:
        if event.name == "text":
            assert event.data["offset"] == offset
            offset += len(event.data["text"])


def test_the_stream_is_made_for_proxies(hill: Service) -> None:
    with hill.http.stream("POST", "/api/v1/answers", json={"question": QUESTION}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in response.headers
        response.read()


def test_a_question_that_the_documents_do_not_answer_is_refused(hill: Service) -> None:
    answer = hill.answer("How do I descale an espresso machine?")
    assert (answer["outcome"], answer["citations"]) == ("no_answer", [])
    assert answer["text"] == "I found no answer to this in the documents; the nearest is “observatory”."
    assert answer["passages"]
    assert not answer["gate"]["passed"]
    assert answer["gate"]["score"] < answer["gate"]["threshold"]


def test_an_answer_rests_on_hits_of_the_mode_and_weight_that_are_asked_for(hill: Service) -> None:
    def of_search(**options: Any) -> list[tuple[str, Any]]:
        body = {"query": QUESTION, "top_k": 3, **options}
        hits = hill.http.post("/api/v1/collections/default/search", json=body).json()["hits"]
        return [(hit["chunk_id"], pytest.approx(hit["score"], abs=1e-6)) for hit in hits]  # Chroma's or exact

    seen = []
    for options in ({}, {"mode": "dense"}, {"mode": "lexical"}, {"dense_weight": 0.9}):
        answer = hill.answer(QUESTION, top_k=3, **options)
        seen.append([(passage["chunk_id"], passage["score"]) for passage in answer["passages"]])
        assert seen[-1] == of_search(**options)
        assert (answer["gate"] is None) == (options == {"mode": "lexical"})
    assert len(set(map(tuple, seen))) == 4
    wrong = hill.http.post("/api/v1/answers", json={"question": QUESTION, "mode": "sparse"})
    assert wrong.status_code == 422


def test_an_empty_collection_has_no_answer(hill: Service) -> None:
    hill.collection("nothing")
    assert hill.answer(QUESTION, "nothing")["outcome"] == "no_answer"


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_finished_stream_can_be_read_again_from_any_place(hill: Service, after: int) -> None:
    events = list(hill.stream(QUESTION))
    path = f"/api/v1/answers/{events[0].data['answer_id']}/events"
    for headers, query in (({"Last-Event-ID": events[after - 1].id} if after else {}, {}), ({}, {"after": after})):
        with hill.http.stream("GET", path, headers=headers, params=query) as response:
            assert list(sent(response)) == events[after:]


def test_when_nothing_is_left_to_see_the_answer_is_204(hill: Service) -> None:
    events = list(hill.stream(QUESTION))
    path = f"/api/v1/answers/{events[0].data['answer_id']}/events"
    assert hill.http.get(path, headers={"Last-Event-ID": events[-1].id}).status_code == 204


@pytest.mark.parametrize("path", ["", "/events"])
def test_an_unknown_answer_is_404(hill: Service, path: str) -> None:
    reply = hill.http.get(f"/api/v1/answers/ans_nobody{path}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "answer_not_found")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"question": ""}, "question"),
        ({"question": "x" * 30_000}, "question"),
        ({"question": "x", "top_k": 0}, "top_k"),
        ({"question": "x", "top_k": 10_000}, "top_k"),
    ],
)
def test_a_wrong_question_is_422_before_a_stream_begins(hill: Service, body: dict[str, object], part: str) -> None:
    reply = hill.http.post("/api/v1/answers", json=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "validation_error")
    assert part in reply.json()["error"]["message"]


def test_the_model_that_serves_may_be_named(hill: Service) -> None:
    body = {"question": QUESTION, "stream": False, "model": "extractive"}
    assert hill.http.post("/api/v1/answers", json=body).json()["model"] == "extractive"
    refused = hill.http.post("/api/v1/answers", json=body | {"model": "another"})
    assert refused.status_code == 422
    assert "name one of 'extractive'" in refused.json()["error"]["message"]


def test_an_unknown_collection_is_a_real_404_before_a_stream_begins(hill: Service) -> None:
    reply = hill.http.post("/api/v1/answers", json={"question": "x", "collection": "atlantis"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "collection_not_found")


def test_line_ends_that_only_some_readers_know_are_escaped(hill: Service) -> None:
    hill.collection("separators")
    text = "The password of the\u2028gate is swordfish\u0085and nothing else."
    hill.ingest("separators", {"odd.txt": text.encode()})
    body = {"question": "What is the password of the gate?", "collection": "separators"}
    raw = hill.http.post("/api/v1/answers", json=body).content.decode()
    assert not set(raw) & {"\u2028", "\u2029", "\u0085"}
    lines = [line for line in raw.split("\n") if line.startswith("data: ")]
    passages = [json.loads(line[6:])["passages"] for line in lines if "passages" in line]
    assert passages[0][0]["text"] == text


def test_metrics_count_what_was_answered(hill: Service) -> None:
    hill.answer(QUESTION)
    lines = hill.http.get("/metrics").text.splitlines()
    assert any(line.startswith('rag_answers_total{outcome="answered"}') for line in lines)
    assert any(
        line.startswith('rag_requests_total{method="POST",route="/api/v1/answers",status="200"}') for line in lines
    )


def test_the_request_id_comes_back(hill: Service) -> None:
    assert hill.http.get("/livez", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert len(hill.http.get("/livez").headers["x-request-id"]) == 32


def test_a_reply_waits_for_no_other_answer(hill: Service) -> None:
    streams = [hill.stream(QUESTION) for _ in range(20)]
    firsts = [next(stream) for stream in streams]
    assert len({first.data["answer_id"] for first in firsts}) == 20
    for stream in streams:
        assert [event.name for event in stream][-1] == "done"


def test_a_place_in_another_answer_is_refused(hill: Service) -> None:
    one, other = list(hill.stream(QUESTION)), list(hill.stream(QUESTION))
    path = f"/api/v1/answers/{one[0].data['answer_id']}/events"
    for wrong in (other[1].id, "nonsense", "\u00b2"):
        refused = hill.http.get(path, headers={"Last-Event-ID": wrong.encode()})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")
