"""A run's log on the wire: server-sent events, in any dialect."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeAlias

from sse_starlette import EventSourceResponse, ServerSentEvent

from rag_api.core.events import Logged
from rag_api.services.runs import Run, Runs
from rag_api.web.dialects.native import NativeStream
from rag_api.web.streaming import PING_S, SEND_S, EventStream

GRACE_S = 5.0
HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
Projection: TypeAlias = Callable[[Sequence[Logged]], bytes]


def follow(runs: Runs, run: Run, after: int = 0) -> EventStream:
    return EventStream(_bytes(runs, run, after, NativeStream(run.answer_id), lingers=True), headers=HEADERS)


def project(
    runs: Runs, run: Run, projection: Projection, *, headers: Mapping[str, str] = {}, resumable: bool = False
) -> EventStream:
    """The run in another dialect. In one that can't be resumed, a reader that leaves has stopped the answer."""
    return EventStream(_bytes(runs, run, 0, projection, lingers=resumable), headers={**HEADERS, **headers})


def event_stream(content: AsyncIterator[bytes]) -> EventSourceResponse:
    """For what says little, now and then."""
    return EventSourceResponse(
        content,
        headers=HEADERS,
        ping=PING_S,
        ping_message_factory=lambda: ServerSentEvent(comment="ping", sep="\n"),
        sep="\n",
        send_timeout=SEND_S,
        shutdown_grace_period=GRACE_S,
    )


async def _bytes(
    runs: Runs, run: Run, after: int, projection: Projection, *, lingers: bool
) -> AsyncGenerator[bytes, None]:
    """What is there is sent at once; texts that have gathered meanwhile go in one write."""
    try:
        async with aclosing(run.follow(after)) as batches:
            async for batch in batches:
                yield projection(batch)  # what has no name here is not kept while the answer is silent
    finally:
        runs.left(run, lingers=lingers)
