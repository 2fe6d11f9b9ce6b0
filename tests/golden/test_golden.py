"""Questions about the samples: quality must not fall."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, Backends, Service

QUESTIONS = [json.loads(line) for line in (Path(__file__).parent / "questions.jsonl").read_text("utf-8").splitlines()]
ANSWERABLE = [question for question in QUESTIONS if question["source"]]


def flat(text: str) -> str:
    return " ".join(text.split()).casefold()


@pytest.fixture(scope="module")
def samples(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = ROOT / "data" / "samples"
    with Service.start(tmp_path_factory.mktemp("home"), backends.env, "--samples", str(folder)) as service:
        for job in service.http.get("/api/v1/jobs").json()["items"]:
            assert service.finished(job["job_id"])["state"] == "done"
        yield service


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


def test_the_right_document_is_among_the_first_hits(samples: Service) -> None:
    first, top5 = [], []
    for question in ANSWERABLE:
        sources = [hit["source"] for hit in samples.search("default", question["question"], top_k=5)]
        first.append(sources[0] == question["source"])
        top5.append(question["source"] in sources)
    assert share(first) >= 0.5
    assert share(top5) >= 0.9


def test_the_answers_quote_what_was_asked_for(samples: Service) -> None:
    answers = [(question, samples.answer(question["question"])) for question in ANSWERABLE]
    assert share([flat(question["answer"]) in flat(answer["text"]) for question, answer in answers]) >= 0.5
    assert all(exact(samples, citation) for _, answer in answers for citation in answer["citations"])


def exact(samples: Service, citation: dict[str, Any]) -> bool:
    path = f"/api/v1/collections/default/documents/{citation['document_id']}/content"
    content = samples.http.get(path).text
    return bool(content[citation["start"] : citation["end"]] == citation["quote"])


def test_questions_about_other_things_are_refused(samples: Service) -> None:
    outside = [question["question"] for question in QUESTIONS if not question["source"]]
    assert share([samples.answer(question)["outcome"] == "no_answer" for question in outside]) >= 0.8
