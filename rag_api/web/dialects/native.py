"""A run's log as it is: an event each, with its place in the log as its id."""

from collections.abc import Sequence
from typing import Any

from rag_api.core.events import Citation, Done, Event, Failed, Logged, Reasoned, Reset, Retrieved, Started, TextAppended
from rag_api.web.dialects.wire import line
from rag_api.web.schemas import citation_out, passage_out

UNTOLD = ("type", "owner")


class NativeStream:
    def __init__(self, answer_id: str) -> None:
        self._answer_id = answer_id

    def __call__(self, batch: Sequence[Logged]) -> bytes:
        return b"".join(encode(self._answer_id, logged) for logged in batch)


def encode(answer_id: str, logged: Logged) -> bytes:
    event = logged.event
    return b"event: %b\nid: %b:%d\ndata: %b\n\n" % (
        event.type.encode(),
        answer_id.encode(),
        logged.seq,
        line(payload(event)),
    )


def payload(event: Event) -> dict[str, Any]:
    match event:
        case TextAppended():
            return {"offset": event.offset, "text": event.text}
        case Reasoned():
            return {"text": event.text}
        case Citation():
            return citation_out(event)
        case Retrieved():
            return {"passages": [passage_out(passage) for passage in event.passages]}
        case Started() | Reset() | Done():
            return {name: getattr(event, name) for name in type(event).__dataclass_fields__ if name not in UNTOLD}
        case Failed():
            return {"error": {"code": event.code, "message": event.message, "request_id": event.request_id}}
