"""What was answered outlives the process that answered it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, says
from tests.processes import Backends, Service, sent

QUESTION = "When does the bakery open?"
BAKERY = b"The bakery opens at six. It sells rye bread. Ask for Olga."


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture
def env(backends: Backends, llm: FakeLanguageModel) -> dict[str, str]:
    llm.reset()
    return {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake", "RAG_LLM__BETWEEN_TOKENS_S": "60"}


def api_of(service: Service) -> int:
    """The process that answers."""
    row = json.loads((service.home / "run" / "processes.json").read_bytes())["api"]
    return int(row["incarnation"].split(".")[0])


def read_on(service: Service, answer_id: str, seq: int) -> list[object]:
    headers = {"Last-Event-ID": f"{answer_id}:{seq}"}
    with service.http.stream("GET", f"/api/v1/answers/{answer_id}/events", headers=headers) as response:
        assert response.status_code == 200
        return list(sent(response))


def test_a_finished_answer_is_read_again_after_a_restart(
    tmp_path: Path, env: dict[str, str], llm: FakeLanguageModel
) -> None:
    llm.default = says("It opens ", "at six [1].")
    with Service.start(tmp_path / "home", env) as service:
        service.ingest("default", {"bakery.txt": BAKERY})
        events = list(service.stream(QUESTION))
        answer_id = events[0].data["answer_id"]
        whole = service.http.get(f"/api/v1/answers/{answer_id}").json()
    with Service.start(tmp_path / "home", env) as service:
        assert service.http.get(f"/api/v1/answers/{answer_id}").json() == whole
        for seq in (0, 2):
            with service.http.stream("GET", f"/api/v1/answers/{answer_id}/events", params={"after": seq}) as response:
                assert list(sent(response)) == events[seq:]
        gone = service.http.get(f"/api/v1/answers/{answer_id}/events", params={"after": len(events)})
        assert gone.status_code == 204


def test_a_killed_server_ends_what_it_was_saying_and_keeps_it(
    tmp_path: Path, env: dict[str, str], llm: FakeLanguageModel
) -> None:
    llm.default = hangs("It opens at six")
    with Service.start(tmp_path / "home", env) as service:
        service.ingest("default", {"bakery.txt": BAKERY})
        events = service.stream(QUESTION)
        seen = [next(events) for _ in range(3)]
        assert [event.name for event in seen] == ["started", "retrieved", "text"]
        answer_id = seen[0].data["answer_id"]
        time.sleep(0.5)  # five times as long as the log may lag behind
        pid = api_of(service)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while service.http.get("/readyz").status_code != 200 or api_of(service) == pid:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        answer = service.http.get(f"/api/v1/answers/{answer_id}").json()
        assert (answer["outcome"], answer["text"], answer["error"]["code"]) == (
            "failed",
            "It opens at six",
            "interrupted",
        )
        for seq in (3, 400):
            [last] = read_on(service, answer_id, seq)
            assert (last.name, last.data["error"]["code"]) == ("failed", "interrupted")
        llm.default = says("It opens at six [1].")
        assert service.answer(QUESTION)["outcome"] == "answered"


def test_what_was_deleted_is_not_read_again_after_a_restart(
    tmp_path: Path, env: dict[str, str], llm: FakeLanguageModel
) -> None:
    llm.default = says("It opens at six [1].")
    with Service.start(tmp_path / "home", env) as service:
        [job] = service.ingest("default", {"bakery.txt": BAKERY})
        service.collection("other")
        service.ingest("other", {"bakery.txt": BAKERY})
        answers = [service.answer(QUESTION, name)["answer_id"] for name in ("default", "other")]
    with Service.start(tmp_path / "home", env) as service:
        service.http.delete(f"/api/v1/collections/default/documents/{job['document_id']}").raise_for_status()
        service.http.delete("/api/v1/collections/other").raise_for_status()
        for answer_id in answers:
            reply = service.http.get(f"/api/v1/answers/{answer_id}/events")
            assert (reply.status_code, reply.json()["error"]["code"]) == (410, "answer_redacted")
    with Service.start(tmp_path / "home", env) as service:
        assert [service.http.get(f"/api/v1/answers/{one}").status_code for one in answers] == [410, 410]
    held = b"".join(path.read_bytes() for path in (tmp_path / "home").glob("answers.db*"))
    assert b"bakery opens" not in held
