"""A collection's own prompts, through the interface."""

from collections.abc import Iterator

import pytest

from tests.fake_llm import FakeLanguageModel, fake_language_model
from tests.processes import Backends, Service

SHARES_SERVICE = True

QUESTION = "When does the bakery open?"
OWN = {"answer.system.md": "Answer like a sailor.{% if instructions %} {{ instructions }}{% endif %}"}


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
        "RAG_LLM__RETRIES": "0",
        "RAG_ANSWERS__CACHE": "exact",
    }
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        yield service


def test_a_collection_answers_by_its_own_prompts_until_they_are_taken_away(
    bakery: Service, llm: FakeLanguageModel
) -> None:
    name, path = bakery.collection("sailors"), "/api/v1/collections/sailors"
    bakery.ingest(name, {"bakery.txt": b"The bakery opens at six."})
    plain = bakery.answer(QUESTION, name)
    changed = bakery.http.patch(path, json={"prompts": OWN})
    assert (changed.status_code, changed.json()["prompts"]) == (200, OWN)
    own = bakery.answer(QUESTION, name)
    assert llm.requests[-1]["messages"][0] == {"role": "system", "content": "Answer like a sailor."}
    assert own["prompts"] != plain["prompts"]
    assert own["cached"] is False
    assert bakery.answer(QUESTION, name)["cached"] is True
    asked = len(llm.requests)
    for nothing in (None, {}):
        assert bakery.http.patch(path, json={"prompts": nothing}).json()["prompts"] == {}
        again = bakery.answer(QUESTION, name)
        assert (again["prompts"], again["cached"]) == (plain["prompts"], True)
        bakery.http.patch(path, json={"prompts": OWN}).raise_for_status()
    assert bakery.http.patch(path, json={"description": "boats"}).json()["prompts"] == OWN
    assert bakery.http.get(path).json()["prompts"] == OWN
    assert len(llm.requests) == asked


def test_a_collection_is_made_with_prompts(bakery: Service) -> None:
    made = bakery.http.post("/api/v1/collections", json={"name": "made", "prompts": OWN})
    assert (made.status_code, made.json()["prompts"]) == (201, OWN)
    listed = bakery.http.get("/api/v1/collections").json()["items"]
    assert {row["name"]: row["prompts"] for row in listed}["made"] == OWN
    assert {row["name"]: row["prompts"] for row in listed}["default"] == {}


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ({"answer.user.md": "{{ question }} {{ nobody }}"}, "answer.user.md uses ['nobody', 'question'], it must use"),
        ({"nobody.md": "x"}, "no prompt template 'nobody.md'; there are answer.system.md"),
        ({"answer.system.md": "{{ instructions.__class__ }}"}, "answer.system.md can't be rendered"),
        ({"answer.system.md": "{% if instructions %}"}, "answer.system.md can't be read"),
    ],
)
def test_a_template_that_would_not_work_is_refused_at_the_door(
    bakery: Service, prompts: dict[str, str], says: str
) -> None:
    bakery.http.post("/api/v1/collections", json={"name": "strict"})
    for reply in (
        bakery.http.patch("/api/v1/collections/strict", json={"prompts": prompts}),
        bakery.http.post("/api/v1/collections", json={"name": "never", "prompts": prompts}),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_prompt")
        assert says in reply.json()["error"]["message"]
    assert bakery.http.get("/api/v1/collections/strict").json()["prompts"] == {}
    assert bakery.http.get("/api/v1/collections/never").status_code == 404
    assert bakery.http.patch("/api/v1/collections/strict", json={"prompts": {"refusal.md": 1}}).status_code == 422


def test_a_refusal_comes_in_the_questions_language_and_in_the_collections_words(service: Service) -> None:
    name = service.collection("refusing")
    service.ingest(name, {"bakery.txt": b"The bakery opens at six."})
    asked = "Wie hoch ist der Mond von Jupiter in Tonnen?"
    german = service.answer(asked, name)
    assert (german["outcome"], german["text"][:13]) == ("no_answer", "Dazu habe ich")
    own = {"refusal.md": "Call us.{% if titles %} {% endif %}"}
    service.http.patch(f"/api/v1/collections/{name}", json={"prompts": own}).raise_for_status()
    assert service.answer(asked, name)["text"] == "Call us."
