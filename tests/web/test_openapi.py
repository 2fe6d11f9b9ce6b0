"""The OpenAPI document says of every operation what it is for, what goes in, what comes out, and what may go wrong."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from rag_api.app import create_app
from rag_api.settings import Settings
from rag_api.web.openapi import operations
from rag_api.web.openapi.events import EVENTS

DOCUMENT = create_app(Settings()).openapi()
OPERATIONS = dict(operations(DOCUMENT))


def problems(schema: dict[str, Any], value: Any) -> list[str]:
    rooted = {"components": DOCUMENT["components"], **schema}
    return [error.message for error in Draft202012Validator(rooted).iter_errors(value)]


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_is_described_with_examples(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["description"]
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        assert not problems(body["schema"], body["example"]), media


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_reply_has_a_schema_and_an_example_of_it(name: str) -> None:
    replies = {status: reply for status, reply in OPERATIONS[name]["responses"].items() if status.startswith("2")}
    assert replies
    for reply in replies.values():
        assert reply["content"]
        for media, described in reply["content"].items():
            assert described["schema"], media
            assert not problems(described["schema"], described["example"]), media


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name.split()[1] not in ("/livez", "/readyz")])
def test_each_error_is_shown_as_it_comes(name: str) -> None:
    refused = {status: reply for status, reply in OPERATIONS[name]["responses"].items() if status[0] in "45"}
    assert {"401", "403"} <= set(refused)
    for reply in refused.values():
        assert reply["description"]
        for code, example in reply["content"]["application/json"]["examples"].items():
            assert example["value"]["error"]["code"] == code
            assert example["value"]["error"]["message"]


@pytest.mark.parametrize("name", EVENTS)
def test_each_event_has_a_schema(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][EVENTS[name].schema]
    assert schema["description"].startswith(f"event: {name}.")
    assert not problems({"$ref": f"#/components/schemas/{EVENTS[name].schema}"}, EVENTS[name].example)


def test_streams_name_their_events() -> None:
    stream = OPERATIONS["POST /api/v1/answers"]["responses"]["200"]["content"]["text/event-stream"]
    named = {one["$ref"].rpartition("/")[2] for one in stream["schema"]["x-events"]}
    assert named == {kind.schema for name, kind in EVENTS.items() if name != "progress"}
