"""The same question again, over the same documents and over others."""

from collections.abc import Iterator

import pytest

from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, says
from tests.processes import Backends, Service

QUESTION = "When does the bakery open?"
BAKERY = b"The bakery opens at six. It sells rye bread."


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def caching(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {
        **backends.env,
        "RAG_LLM__BASE_URL": llm.url,
        "RAG_LLM__MODEL": "fake",
        "RAG_ANSWERS__CACHE": "near",
        "RAG_ANSWERS__CACHE_SIMILARITY": "0.9",
    }
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        yield service


@pytest.fixture
def name(caching: Service, llm: FakeLanguageModel, request: pytest.FixtureRequest) -> str:
    llm.reset()
    llm.default = says("It opens ", "at six [1].")
    name = caching.collection(f"c{abs(hash(request.node.name)) % 10**9}")
    caching.ingest(name, {"bakery.txt": BAKERY})
    return name


def test_the_same_question_again_is_the_same_answer_under_another_id(
    caching: Service, llm: FakeLanguageModel, name: str
) -> None:
    first = list(caching.stream(QUESTION, name))
    again = list(caching.stream(f"  {QUESTION} ", name))
    assert len(llm.requests) == 1
    assert (first[-1].data["cached"], again[-1].data["cached"]) == (False, True)
    assert again[0].data["answer_id"] != first[0].data["answer_id"]
    assert [event.name for event in again] == ["started", "retrieved", "text", "citation", "done"]
    same = ("text", "outcome", "finish_reason", "grounding")
    assert {key: again[-1].data[key] for key in same} == {key: first[-1].data[key] for key in same}
    assert [e.data for e in again if e.name == "citation"] == [e.data for e in first if e.name == "citation"]
    path = f"/api/v1/answers/{again[0].data['answer_id']}/events"
    assert caching.http.get(path, headers={"Last-Event-ID": again[-1].id}).status_code == 204
    assert 'rag_answer_cache_total{outcome="hit"}' in caching.http.get("/metrics").text


def test_a_question_that_hardly_differs_is_the_same_but_for_its_numbers(
    caching: Service, llm: FakeLanguageModel, name: str
) -> None:
    caching.answer("When does the bakery open on day 3?", name)
    assert caching.answer("when does the bakery open on day 3", name)["cached"]
    assert not caching.answer("When does the bakery open on day 4?", name)["cached"]
    assert not caching.answer("Who is the mayor of the town?", name)["cached"]


@pytest.mark.parametrize(
    "other",
    [{"instructions": "Be brief."}, {"temperature": 0.5}, {"top_k": 1}, {"filter": {"source": "bakery.txt"}}],
    ids=lambda other: next(iter(other)),
)
def test_another_way_of_asking_is_another_answer(caching: Service, name: str, other: dict[str, object]) -> None:
    caching.answer(QUESTION, name)
    assert not caching.answer(QUESTION, name, **other)["cached"]
    assert caching.answer(QUESTION, name, **other)["cached"]


def test_no_store_makes_it_anew(caching: Service, llm: FakeLanguageModel, name: str) -> None:
    caching.answer(QUESTION, name)
    body = {"question": QUESTION, "collection": name, "stream": False}
    reply = caching.http.post("/api/v1/answers", json=body, headers={"Cache-Control": "no-store"})
    assert not reply.json()["cached"] and len(llm.requests) == 2


def test_any_change_of_the_documents_makes_it_anew(caching: Service, name: str) -> None:
    caching.answer(QUESTION, name)
    [job] = caching.ingest(name, {"mill.txt": b"The mill opens at nine."})
    assert not caching.answer(QUESTION, name)["cached"]
    path = f"/api/v1/collections/{name}/documents/{job['document_id']}"
    caching.http.patch(path, json={"metadata": {"year": 2024}}).raise_for_status()
    assert not caching.answer(QUESTION, name)["cached"]
    assert caching.answer(QUESTION, name)["cached"]
    caching.http.delete(path).raise_for_status()
    assert not caching.answer(QUESTION, name)["cached"]


def test_what_did_not_end_well_is_not_repeated(caching: Service, llm: FakeLanguageModel, name: str) -> None:
    llm.default = hangs("It opens ")
    events = caching.stream(QUESTION, name)
    answer_id = next(events).data["answer_id"]
    next(events)
    next(events)
    caching.http.post(f"/api/v1/answers/{answer_id}/cancel").raise_for_status()
    list(events)
    llm.default = says("It opens at six [1].")
    assert caching.answer(QUESTION, name)["text"] == "It opens at six [1]."


def test_a_follow_up_is_not_the_same_question_elsewhere(caching: Service, llm: FakeLanguageModel, name: str) -> None:
    first = caching.answer(QUESTION, name, conversation_id="new")
    llm.default = says("When does the bakery open in winter?")
    caching.answer("And in winter?", name, conversation_id=first["conversation_id"])
    assert not caching.answer("And in winter?", name)["cached"]


def test_by_default_the_same_question_is_answered_once(
    backends: Backends, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Service.start(tmp_path_factory.mktemp("home"), {**backends.env, "RAG_ANSWERS__CACHE": "exact"}) as service:
        service.ingest("default", {"bakery.txt": BAKERY})
        first, again = (service.answer(QUESTION) for _ in range(2))
        assert (first["cached"], again["cached"], again["text"]) == (False, True, first["text"])
        assert not service.answer("when does the bakery open")["cached"]
