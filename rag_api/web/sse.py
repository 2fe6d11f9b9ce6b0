"""A run's log on the wire: native server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any

import orjson
from sse_starlette import EventSourceResponse, ServerSentEvent

from rag_api.core.events import Citation, Done, Event, Failed, Logged, Reasoned, Reset, Retrieved, Started, TextAppended
from rag_api.services.runs import Run, Runs
from rag_api.web.schemas import citation_out, passage_out

PING_S = 10
SEND_S = 30.0  # a reader that takes nothing for so long is dropped; it can resume
GRACE_S = 5.0
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


def encode(answer_id: str, logged: Logged) -> bytes:
    """One event. Line ends that some readers see beyond the standard's own are escaped in the JSON."""
    event = logged.event
    data = orjson.dumps(payload(event), option=orjson.OPT_NON_STR_KEYS)
    for character in ("\u0085", "\u2028", "\u2029"):
        data = data.replace(character.encode(), f"\\u{ord(character):04x}".encode())
    return b"event: %b\nid: %b:%d\ndata: %b\n\n" % (event.type.encode(), answer_id.encode(), logged.seq, data)


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
            return {name: getattr(event, name) for name in type(event).__dataclass_fields__ if name != "type"}
        case Failed():
            return {"error": {"code": event.code, "message": event.message, "request_id": event.request_id}}


def follow(runs: Runs, run: Run, after: int = 0) -> EventSourceResponse:
    return event_stream(_bytes(runs, run, after))


def event_stream(
    content: AsyncIterator[bytes], *, on_close: Callable[[Any], Awaitable[None]] | None = None
) -> EventSourceResponse:
    return EventSourceResponse(
        content,
        headers=HEADERS,
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        sep="\n",
        send_timeout=SEND_S,
        shutdown_grace_period=GRACE_S,
        client_close_handler_callable=on_close,
    )


async def _bytes(runs: Runs, run: Run, after: int) -> AsyncGenerator[bytes, None]:
    """What is there is sent at once; texts that have gathered meanwhile go in one write."""
    try:
        async with aclosing(run.follow(after)) as batches:
            async for batch in batches:
                yield _join(run.answer_id, batch)
    finally:
        runs.left(run)


def _join(answer_id: str, batch: Sequence[Logged]) -> bytes:
    return b"".join(encode(answer_id, logged) for logged in batch)
