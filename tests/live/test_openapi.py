"""What the running server answers is what its OpenAPI document says."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.evaluation.values import full_outcome, kept, run
from tests.processes import Service


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    service.ingest("default", {"handbook.md": b"# Expenses\n\nA claim above 400 pounds is approved by the director.\n"})
    found: dict[str, Any] = service.http.get("/openapi.json").json()
    return found


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({"components": document["components"], **schema}).validate(value)


def test_replies_fulfil_their_schemas(service: Service, document: dict[str, Any]) -> None:
    http = service.http
    question = {"question": "Who approves a claim above 400 pounds?", "stream": False, "conversation_id": "new"}
    answer = http.post("/api/v1/answers", json=question)
    held = {
        "evaluation_id": kept(service.home, run([full_outcome()])),
        "collection": "default",
        "document_id": http.get("/api/v1/collections/default/documents").json()["items"][0]["document_id"],
        "job_id": http.get("/api/v1/jobs").json()["items"][0]["job_id"],
        "answer_id": answer.json()["answer_id"],
        "conversation_id": answer.json()["conversation_id"],
        "model": "rag",
    }
    seen = 0
    for path, methods in document["paths"].items():
        if "get" not in methods or path.endswith(("/events", "/file", "/metrics", "/stream")):
            continue
        reply = http.get(path.format(**held))
        described = methods["get"]["responses"][str(reply.status_code)]["content"]
        media = reply.headers["content-type"].partition(";")[0]
        check(document, described[media]["schema"], reply.json() if media == "application/json" else reply.text)
        seen += 1
    assert seen > 12
    search = http.post("/api/v1/collections/default/search", json={"query": "claim"})
    for path, reply in (("/api/v1/answers", answer), ("/api/v1/collections/{collection}/search", search)):
        described = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
        check(document, described["schema"], reply.json())


def test_events_fulfil_their_schemas(service: Service, document: dict[str, Any]) -> None:
    reply = service.http.post("/api/v1/answers", json={"question": "Who approves a claim above 400 pounds?"})
    media = document["paths"]["/api/v1/answers"]["post"]["responses"]["200"]["content"]["text/event-stream"]
    schemas = {
        document["components"]["schemas"][one["$ref"].rpartition("/")[2]]["description"].split()[1].rstrip("."): one
        for one in media["schema"]["x-events"]
    }
    seen = set()
    for block in reply.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            check(document, schemas[fields["event"]], json.loads(fields["data"]))
            seen.add(fields["event"])
    assert {"started", "retrieved", "text", "citation", "done"} <= seen
