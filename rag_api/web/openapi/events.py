"""The events of a native answer and of a job, as schemas with examples."""

from dataclasses import dataclass
from typing import Any

from rag_api.web.openapi.schemas import schema_of
from rag_api.web.openapi.values import ANSWER, CITATION, DONE, ERROR, JOB, PASSAGE


@dataclass(frozen=True, slots=True)
class EventKind:
    """`schema`: its name among the components."""

    schema: str
    description: str
    example: dict[str, Any]


_STARTED = {name: ANSWER[name] for name in ("answer_id", "conversation_id", "parent_id", "collection", "model")}
EVENTS = {
    "started": EventKind(
        "StartedEvent",
        "The first: who answers, from which collection, with which prompts.",
        _STARTED | {"question": ANSWER["question"], "prompts": ANSWER["prompts"]},
    ),
    "retrieved": EventKind("RetrievedEvent", "What the answer may rest on, as numbered.", {"passages": [PASSAGE]}),
    "text": EventKind("TextEvent", "What to append at `offset`, in code points.", {"offset": 0, "text": "The line "}),
    "reasoning": EventKind(
        "ReasoningEvent", "What the model thinks aloud, when asked for.", {"text": "They ask who approves."}
    ),
    "citation": EventKind(
        "CitationEvent", "Which part of the answer rests on which characters, and whether they support it.", CITATION
    ),
    "reset": EventKind(
        "ResetEvent",
        "Drop the text after `offset`: another model answers anew.",
        {"offset": 0, "reason": "the language model broke off; the next one answers"},
    ),
    "done": EventKind("DoneEvent", "The last of an answer that came to an end.", DONE),
    "failed": EventKind("FailedEvent", "The last of an answer that failed.", ERROR),
    "progress": EventKind("JobEvent", "A job as it is now; the last event is named after its state.", JOB),
}


def event_schemas() -> dict[str, Any]:
    return {
        kind.schema: schema_of(kind.example)
        | {"title": kind.schema, "description": f"event: {name}. {kind.description}", "example": kind.example}
        for name, kind in EVENTS.items()
    }
