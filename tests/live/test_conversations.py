"""Follow-ups, branches, and what people think of answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, refuses, says
from tests.processes import Backends, Service

SHARES_SERVICE = True

DOCUMENTS = {
    "bakery.txt": b"The Oslo bakery opens at six in the morning. In winter the Oslo bakery opens at eight.",
    "library.txt": b"The Bergen library opens at ten. In winter the Bergen library is closed on Mondays.",
}


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def spoken(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake", "RAG_LLM__RETRIES": "0"}
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", DOCUMENTS)
        yield service


@pytest.fixture(autouse=True)
def fresh(llm: FakeLanguageModel) -> None:
    llm.reset()
    llm.default = says("It opens at six [1].")


def test_a_follow_up_without_a_language_model_finds_what_it_leans_on(service: Service) -> None:
    name = service.collection("follow")
    service.ingest(name, DOCUMENTS)
    first = service.answer("When does the Oslo bakery open?", name, conversation_id="new")
    second = service.answer("And in winter?", name, conversation_id=first["conversation_id"])
    assert second["conversation_id"] == first["conversation_id"]
    assert second["parent_id"] == first["answer_id"]
    assert second["passages"][0]["source"] == "bakery.txt"
    assert "eight" in second["text"]


def test_the_language_model_makes_a_follow_up_stand_alone_and_sees_what_was_said(
    spoken: Service, llm: FakeLanguageModel
) -> None:
    first = spoken.answer("When does the Oslo bakery open?", conversation_id="new")
    llm.scripts.extend([says("When does the Bergen library open in winter?"), says("Closed on Mondays [1].")])
    second = spoken.answer("And the other house?", conversation_id=first["conversation_id"])
    assert second["passages"][0]["source"] == "library.txt"
    condensing, answering = llm.requests[-2:]
    assert "When does the Oslo bakery open?" in condensing["messages"][-1]["content"]
    roles = [message["role"] for message in answering["messages"]]
    assert roles == ["system", "user", "assistant", "user"]
    assert answering["messages"][2]["content"] == "It opens at six ."
    assert "And the other house?" in answering["messages"][-1]["content"]


@pytest.mark.parametrize("script", [refuses(500, "out of order"), hangs(before_head=True)], ids=["fails", "hangs"])
def test_a_model_that_can_not_condense_leaves_it_to_the_rule(
    script: object, backends: Backends, llm: FakeLanguageModel, tmp_path: Path
) -> None:
    env = {
        **backends.env,
        "RAG_LLM__BASE_URL": llm.url,
        "RAG_LLM__MODEL": "fake",
        "RAG_LLM__RETRIES": "0",
        "RAG_ANSWERS__CONDENSE_S": "0.5",
    }
    with Service.start(tmp_path / "home", env) as service:
        service.ingest("default", DOCUMENTS)
        first = service.answer("When does the Oslo bakery open?", conversation_id="new")
        llm.scripts.append(script)  # type: ignore[arg-type]
        second = service.answer("And in winter?", conversation_id=first["conversation_id"])
    assert (second["outcome"], second["passages"][0]["source"]) == ("answered", "bakery.txt")


def test_a_turn_given_again_is_a_branch_beside_it(spoken: Service, llm: FakeLanguageModel) -> None:
    first = spoken.answer("When does the Oslo bakery open?", conversation_id="new")
    conversation = first["conversation_id"]
    second = spoken.answer("Does the Oslo bakery sell rye bread on Sundays?", conversation_id=conversation)
    again = spoken.answer(
        "When does the Oslo bakery open in winter?", conversation_id=conversation, again=first["answer_id"]
    )
    assert again["parent_id"] is None
    after = spoken.answer("Who works in the Oslo bakery at night?", conversation_id=conversation)
    assert after["parent_id"] == again["answer_id"]
    assert "Sundays" not in json.dumps(llm.requests[-1])
    whole = spoken.http.get(f"/api/v1/conversations/{conversation}").json()
    assert [(one["answer_id"], one["parent_id"]) for one in whole["answers"]] == [
        (first["answer_id"], None),
        (second["answer_id"], first["answer_id"]),
        (again["answer_id"], None),
        (after["answer_id"], again["answer_id"]),
    ]
    reply = spoken.http.post(
        "/api/v1/answers", json={"question": "x?", "conversation_id": conversation, "again": "ans_nobody"}
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "answer_not_found")


def test_conversations_are_listed_renamed_and_deleted(spoken: Service) -> None:
    made = spoken.http.post("/api/v1/conversations", json={"title": "Hours"}).json()
    path = f"/api/v1/conversations/{made['conversation_id']}"
    answer = spoken.answer("When does the Oslo bakery open?", conversation_id=made["conversation_id"])
    assert spoken.http.get("/api/v1/conversations", params={"limit": 1}).json()["items"][0]["title"] == "Hours"
    assert spoken.http.patch(path, json={"title": "Opening hours"}).json()["title"] == "Opening hours"
    seen, cursor = [], None
    while True:
        page = spoken.http.get(
            "/api/v1/conversations", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [row["conversation_id"] for row in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert len(seen) == len(set(seen)) and made["conversation_id"] in seen
    assert spoken.http.delete(path).status_code == 200
    assert spoken.http.get(path).json()["error"]["code"] == "conversation_not_found"
    assert spoken.http.get(f"/api/v1/answers/{answer['answer_id']}").json()["error"]["code"] == "content_gone"
    reply = spoken.http.post("/api/v1/answers", json={"question": "x?", "conversation_id": made["conversation_id"]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "conversation_not_found")


def test_a_deleted_document_takes_the_turns_that_rest_on_it_out_of_the_conversation(spoken: Service) -> None:
    name = spoken.collection("mills")
    [job] = spoken.ingest(name, {"mill.txt": b"The mill in Voss grinds oats on Fridays."})
    first = spoken.answer("When does the mill in Voss grind oats?", name, conversation_id="new")
    spoken.http.delete(f"/api/v1/collections/{name}/documents/{job['document_id']}").raise_for_status()
    whole = spoken.http.get(f"/api/v1/conversations/{first['conversation_id']}").json()
    assert whole["answers"] == []


def test_ratings_are_listed_with_what_was_rated_and_given_back_as_questions(
    spoken: Service, llm: FakeLanguageModel
) -> None:
    name = spoken.collection("rated")
    [job] = spoken.ingest(name, {"mill.txt": b"The mill in Voss grinds oats on Fridays."})
    llm.default = says("The mill in Voss grinds oats on Fridays [1].")
    good, bad = (spoken.answer(f"When does the mill grind {what}?", name)["answer_id"] for what in ("oats", "wheat"))
    for answer_id, rating in ((good, -1), (good, 1), (bad, -1)):
        body = {"rating": rating, "comment": f"rated {rating}"}
        spoken.http.post(f"/api/v1/answers/{answer_id}/feedback", json=body).raise_for_status()
    rows = spoken.http.get("/api/v1/feedback").json()["items"]
    assert [(row["answer_id"], row["rating"]) for row in rows] == [(bad, -1), (good, 1)]
    assert rows[1]["answer"]["citations"][0]["verdict"] == "supported"
    for rating, answer_id in ((1, good), (-1, bad)):
        listed = spoken.http.get(f"/api/v1/feedback?rating={rating}").raise_for_status().json()["items"]
        assert [row["answer_id"] for row in listed] == [answer_id]
    assert spoken.http.get("/api/v1/feedback?rating=2").status_code == 422
    [line] = spoken.http.get("/api/v1/feedback/questions").text.splitlines()
    question = json.loads(line)
    assert (question["question"], question["sources"], question["answerable"]) == (
        "When does the mill grind oats?",
        ["mill.txt"],
        True,
    )
    assert question["phrases"] == ["The mill in Voss grinds oats on Fridays."]
    for body, status in (({"rating": 2}, 422), ({"rating": 1, "comment": "x" * 10_001}, 422)):
        assert spoken.http.post(f"/api/v1/answers/{good}/feedback", json=body).status_code == status
    assert spoken.http.post("/api/v1/answers/ans_nobody/feedback", json={"rating": 1}).status_code == 404
    spoken.http.delete(f"/api/v1/collections/{name}/documents/{job['document_id']}").raise_for_status()
    assert spoken.http.get("/api/v1/feedback").json()["items"] == []
