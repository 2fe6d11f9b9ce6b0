"""The response of a stream, between a content and an ASGI server that are both given."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from rag_api.web.middleware import RequestContext
from rag_api.web.streaming import PING, EventStream, Outside

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
LIMIT_S = 5


class Server:
    """Takes what is sent, until it is stuck; the reader leaves when `leaves` is set."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.leaves = asyncio.Event()
        self.is_stuck = False
        self._news = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.is_stuck:
            await asyncio.Event().wait()
        self.sent.append(message)
        self._news.set()

    async def seen(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_S):
            while len(self.sent) < count:
                self._news.clear()
                await self._news.wait()

    @property
    def bodies(self) -> list[bytes]:
        return [message["body"] for message in self.sent[1:]]


class Content:
    """Gives what it is told to, and knows when it was closed."""

    def __init__(self) -> None:
        self.more: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=8)
        self.is_closed = False

    async def stream(self) -> AsyncGenerator[bytes, None]:
        try:
            while (data := await self.more.get()) is not None:
                yield data
        finally:
            self.is_closed = True


def begin(server: Server, content: Content, **limits: float) -> asyncio.Task[None]:
    response = EventStream(content.stream(), headers={"Cache-Control": "no-cache"}, **limits)
    return asyncio.create_task(response(SCOPE, server.receive, server.send))


async def test_what_comes_is_sent_and_the_end_is_said() -> None:
    server, content = Server(), Content()
    for data in (b"one", b"two", None):
        content.more.put_nowait(data)
    await asyncio.wait_for(begin(server, content), LIMIT_S)
    assert server.sent[0]["status"] == 200
    assert dict(server.sent[0]["headers"])[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert server.bodies == [b"one", b"two", b""]
    assert [message["more_body"] for message in server.sent[1:]] == [True, True, False]
    assert content.is_closed


async def test_silence_is_filled_with_comments() -> None:
    server, content = Server(), Content()
    stream = begin(server, content, ping_s=0.01)
    await server.seen(3)
    content.more.put_nowait(None)
    await asyncio.wait_for(stream, LIMIT_S)
    assert server.bodies[:2] == [PING, PING]
    assert server.sent[-1]["more_body"] is False


async def test_a_reader_that_leaves_closes_the_content() -> None:
    server, content = Server(), Content()
    stream = begin(server, content)
    content.more.put_nowait(b"one")
    await server.seen(2)
    server.leaves.set()
    await asyncio.wait_for(stream, LIMIT_S)
    assert content.is_closed
    assert server.bodies == [b"one"]


async def test_a_reader_that_takes_nothing_is_dropped() -> None:
    server, content = Server(), Content()
    stream = begin(server, content, send_s=0.02, ping_s=0.01)
    await server.seen(1)
    server.is_stuck = True
    content.more.put_nowait(b"one")
    await asyncio.wait_for(stream, LIMIT_S)
    assert content.is_closed
    assert b"one" not in server.bodies


async def test_a_reader_that_takes_no_comment_is_dropped_too() -> None:
    server, content = Server(), Content()
    stream = begin(server, content, send_s=0.02, ping_s=0.01)
    await server.seen(1)
    server.is_stuck = True
    await asyncio.wait_for(stream, LIMIT_S)
    assert content.is_closed


async def test_who_ends_the_request_ends_the_stream() -> None:
    server, content = Server(), Content()
    stream = begin(server, content)
    await server.seen(1)
    stream.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stream
    assert content.is_closed


async def test_a_content_that_fails_has_no_end() -> None:
    async def fail() -> AsyncGenerator[bytes, None]:
        yield b"one"
        raise ValueError("two")

    server = Server()
    response = EventStream(fail(), headers={})
    with pytest.raises(ValueError, match="two"):
        await asyncio.wait_for(response(SCOPE, server.receive, server.send), LIMIT_S)
    assert server.sent[-1]["more_body"] is True


async def test_a_stream_is_sent_when_the_app_has_returned() -> None:
    server, content = Server(), Content()
    told: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await EventStream(content.stream(), headers={})(scope, receive, send)
        told.append(len(server.sent))

    for data in (b"one", None):
        content.more.put_nowait(data)
    asked = [(b"host", b"localhost"), (b"x-request-id", b"mine")]
    around = Outside(RequestContext(app))({**SCOPE, "headers": asked}, server.receive, server.send)
    await asyncio.wait_for(around, LIMIT_S)
    assert told == [0]
    assert dict(server.sent[0]["headers"])[b"x-request-id"] == b"mine"
    assert server.bodies == [b"one", b""]
    assert content.is_closed
