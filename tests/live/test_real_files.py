"""Real files of all formats, uploaded into one collection: their text is there, and questions find it."""

import json
from typing import Any

import pytest

from tests.conftest import EVAL
from tests.processes import Service

SHARES_SERVICE = True

FOLDER = EVAL / "docs"
ENTRIES: list[dict[str, Any]] = (
    json.loads((FOLDER / "manifest.json").read_text("utf-8")) if (FOLDER / "manifest.json").exists() else []
)
WITHIN = 5
FEWEST_ANSWERED = 36
pytestmark = pytest.mark.skipif(not ENTRIES, reason="shared/eval/docs is not here")


@pytest.fixture(scope="module")
def documents(service: Service) -> dict[str, dict[str, Any]]:
    """By file name, as they are once all jobs have ended."""
    collection = service.collection("real")
    files = {entry["file"]: (FOLDER / "files" / entry["file"]).read_bytes() for entry in ENTRIES}
    jobs = service.ingest(collection, files)
    assert [(job["source"], job["error"]) for job in jobs if job["state"] != "done"] == []
    rows = service.http.get(f"/api/v1/collections/{collection}/documents", params={"limit": 100}).json()["items"]
    return {row["source"]: row for row in rows}


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry["file"]) for entry in ENTRIES])
def test_a_real_file_gives_its_text(service: Service, documents: dict[str, Any], entry: dict[str, Any]) -> None:
    document = documents[entry["file"]]
    assert document["status"] == "ready"
    text = service.http.get(f"/api/v1/collections/real/documents/{document['document_id']}/content").text
    spaced = " ".join(text.split())
    assert [words for words in [*entry["expect"], *entry["expect_soft"]] if words not in spaced] == []
    assert [words for words in entry["must_not_contain"] if words in text] == []


def test_questions_find_the_files_that_answer_them(service: Service, documents: dict[str, Any]) -> None:
    missed = []
    for entry in ENTRIES:
        for question in entry["questions"]:
            hits = service.search("real", question["q"], top_k=WITHIN)
            found = " ".join(" ".join(hit["text"].split()) for hit in hits if hit["source"] == entry["file"])
            if not any(answer in found for answer in question["answers"]):
                missed.append(f"{entry['file']}: {question['q']}")
    assert sum(len(entry["questions"]) for entry in ENTRIES) - len(missed) >= FEWEST_ANSWERED, missed
