"""A run's log on the wire: server-sent events, in any dialect."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeAlias

from sse_starlette import EventSourceResponse, ServerSentEvent

from rag_api.core.events import Logged
from rag_api.services.runs import Run, Runs
from rag_api.web.dialects.native import NativeStream

PING_S = 10
SEND_S = 30.0  # a reader that takes nothing for so long is dropped; it can resume
GRACE_S = 5.0
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
Projection: TypeAlias = Callable[[Sequence[Logged]], bytes]


def follow(runs: Runs, run: Run, after: int = 0) -> EventSourceResponse:
    return event_stream(_bytes(runs, run, after, NativeStream(run.answer_id), lingers=True))


def project(
    runs: Runs, run: Run, projection: Projection, *, headers: Mapping[str, str] = {}, resumable: bool = False
) -> EventSourceResponse:
    """The run in another dialect. In one that can't be resumed, a reader that leaves has stopped the answer."""
    return event_stream(_bytes(runs, run, 0, projection, lingers=resumable), headers=headers)


def event_stream(
    content: AsyncIterator[bytes],
    *,
    on_close: Callable[[Any], Awaitable[None]] | None = None,
    headers: Mapping[str, str] = {},
) -> EventSourceResponse:
    return EventSourceResponse(
        content,
        headers={**HEADERS, **headers},
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        sep="\n",
        send_timeout=SEND_S,
        shutdown_grace_period=GRACE_S,
        client_close_handler_callable=on_close,
    )


async def _bytes(
    runs: Runs, run: Run, after: int, projection: Projection, *, lingers: bool
) -> AsyncGenerator[bytes, None]:
    """What is there is sent at once; texts that have gathered meanwhile go in one write."""
    try:
        async with aclosing(run.follow(after)) as batches:
            async for batch in batches:
                if data := projection(batch):
                    yield data
    finally:
        runs.left(run, lingers=lingers)
