"""The OpenAPI document, made whole: each operation gets a description, examples, and the errors that it may answer."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from rag_api.web.openapi.events import EVENTS, event_schemas
from rag_api.web.openapi.examples import BODIES, DESCRIPTIONS, PARAMETERS, REPLIES, STREAMS
from rag_api.web.openapi.refusals import refusals
from rag_api.web.openapi.schemas import schema_of

Json: TypeAlias = dict[str, Any]
METHODS = ("get", "post", "put", "patch", "delete")


def described(found: Callable[[], Json]) -> Callable[[], Json]:
    """What FastAPI finds, made whole once. What no table here knows keeps what was found."""
    whole: list[Json] = []

    def openapi() -> Json:
        if not whole:
            whole.append(_whole(found()))
        return whole[0]

    return openapi


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Each by its method and path, as `POST /api/v1/answers`."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def _whole(document: Json) -> Json:
    document["components"]["schemas"] |= event_schemas()
    for name, operation in operations(document):
        operation.setdefault("description", inspect.cleandoc(DESCRIPTIONS.get(name, "")))
        for parameter in operation.get("parameters", ()):
            described = PARAMETERS.get(parameter["name"])
            if described:
                parameter.setdefault("description", described[0])
                parameter.setdefault("example", described[1])
        for media, body in operation.get("requestBody", {}).get("content", {}).items():
            if (name, media) in BODIES:
                body["example"] = BODIES[name, media]
        _reply(name, operation["responses"])
        operation["responses"].pop("422", None)  # FastAPI's own shape, which is not how it is told here
        operation["responses"] |= refusals(name, operation)
    document["components"]["schemas"].pop("HTTPValidationError", None)
    document["components"]["schemas"].pop("ValidationError", None)
    return document


def _reply(name: str, responses: Json) -> None:
    status = next(code for code in responses if re.match("2", code))
    content = responses[status].setdefault("content", {})
    if name in REPLIES:
        media, example = REPLIES[name]
        if media != "application/json":
            content.pop("application/json", None)
        described = content.setdefault(media, {})
        described["example"] = example
        if not described.get("schema"):
            described["schema"] = schema_of(example)
    if name in STREAMS:
        if name not in REPLIES:
            content.pop("application/json", None)
        content["text/event-stream"] = _stream(*STREAMS[name])


def _stream(names: tuple[str, ...], example: str) -> Json:
    """Each event's data is one of these; OpenAPI has no word for a stream of them."""
    references = [{"$ref": f"#/components/schemas/{EVENTS[name].schema}"} for name in names]
    schema: Mapping[str, Any] = {"type": "string", "description": "server-sent events"}
    return {"schema": {**schema, **({"x-events": references} if references else {})}, "example": example}
