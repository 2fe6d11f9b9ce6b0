"""What answers took, as `GET /usage` tells it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fake_llm import FakeLanguageModel, fake_language_model, refuses, says
from tests.processes import Backends, Service

QUESTION = "When does the bakery open?"


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def spoken(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake-model", "RAG_LLM__RETRIES": "0"}
    env |= {"RAG_ANSWERS__CACHE": "exact"}
    with Service.start(tmp_path_factory.mktemp("home"), env) as service:
        service.ingest("default", {"bakery.txt": b"The Oslo bakery opens at six in the morning."})
        yield service


def counted(service: Service, answers: int) -> dict[str, Any]:
    """The report, once the log has been written."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        report: dict[str, Any] = service.http.get("/api/v1/usage").raise_for_status().json()
        if sum(day["answers"] for day in report["days"]) >= answers:
            return report
        time.sleep(0.05)
    raise AssertionError(f"never {answers} answers: {report}")


def test_answers_are_counted_with_outcome_tokens_and_latency(spoken: Service, llm: FakeLanguageModel) -> None:
    assert spoken.http.get("/api/v1/usage").json()["total"] is None
    llm.default = says("At six in the morning [1].")
    made = [spoken.answer(f"{QUESTION} {i}") for i in range(4)]
    again = spoken.answer(f"{QUESTION} 0")
    assert again["cached"]
    llm.then(refuses("400 Bad Request", "no such model"))
    with pytest.raises(httpx.HTTPStatusError):
        spoken.answer("What else does it sell?")
    report = counted(spoken, 6)
    total = report["total"]
    assert total["outcomes"] == {"answered": 5, "no_answer": 0, "cancelled": 0, "failed": 1}
    assert (total["answers"], total["cached"]) == (6, 1)
    assert total["prompt_tokens"] == sum(one["usage"]["prompt_tokens"] for one in [*made, again] if one["usage"])
    took = sorted(answer["timings_ms"]["total"] for answer in made)
    assert total["total_ms"] == {"p50": took[1], "p95": took[3]}
    assert total["first_text_ms"]["p50"] <= took[1]
    assert sum(day["answers"] for day in report["days"]) == 6
    assert all(day["day"] >= report["since"] for day in report["days"])


def test_what_was_counted_outlives_what_was_said(spoken: Service) -> None:
    before = counted(spoken, 6)
    for row in spoken.http.get("/api/v1/collections/default/documents").json()["items"]:
        spoken.http.delete(f"/api/v1/collections/default/documents/{row['document_id']}").raise_for_status()
    assert spoken.http.get("/api/v1/usage").json()["total"] == before["total"]
    assert spoken.http.get("/api/v1/usage?days=0").status_code == 422
