"""A response of server-sent events, straight to ASGI.

One task sends, another waits for the reader to leave, and one timer stands for the comments and for the limit on a
send: it looks again when it fires, so that an event moves no timer. `Outside` stands around the whole application and
sends a stream when all of that has returned: what middleware, routing, dependencies and the body took is then gone.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from rag_api.telemetry import log

PING_S = 10.0
PING = b": ping\n\n"
SEND_S = 30.0  # a reader that takes nothing for so long is dropped; it can resume
OUTSIDE = "rag.outside"  # in a scope: a list for the stream that is the response


class Outside:
    """The server's application: `app`, and the streams that it answers with."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif stream := await self._asked(scope, receive, send):
            await stream.send(receive, send)

    async def _asked(self, scope: Scope, receive: Receive, send: Send) -> "EventStream | None":
        outside: list[EventStream] = []
        await self._app({**scope, OUTSIDE: outside}, receive, send)
        if not outside:
            return None
        scope["headers"].clear()  # the server keeps the scope, and nobody asks for them any more
        return outside.pop()


class EventStream(Response):
    """Sends `content` as it comes, and a comment after each `ping_s` of silence; empty bytes are nothing. Closes it
    when the reader leaves, or takes nothing for `send_s`."""

    media_type = "text/event-stream"

    def __init__(
        self,
        content: AsyncGenerator[bytes, None],
        *,
        headers: Mapping[str, str],
        ping_s: float = PING_S,
        send_s: float = SEND_S,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers)
        self._content = content
        self._ping_s, self._send_s = ping_s, send_s
        self._has_left = self._is_over = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outside: list[EventStream] | None = scope.get(OUTSIDE)
        if outside is None:
            await self.send(receive, send)
        else:
            outside.append(self)

    async def send(self, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task
        self._task, self._send, self._loop = task, send, asyncio.get_running_loop()
        self._spoke_at, self._sending_since = self._loop.time(), 0.0
        self._timer = self._loop.call_later(self._ping_s, self._look)
        self._ping: asyncio.Task[None] | None = None
        leaving = asyncio.create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            self.raw_headers = []
            async with aclosing(self._content) as content:
                async for data in content:
                    if data:
                        await self._write(data)
                    del data  # passages are large, and the next event may be long in coming
            self._is_over = True
            await self._write(b"", is_last=True)
        except asyncio.CancelledError:
            if not self._has_left:
                raise
            task.uncancel()
        finally:
            self._is_over = True
            self._timer.cancel()
            leaving.cancel()
            if self._ping:
                self._ping.cancel()

    async def _write(self, data: bytes, *, is_last: bool = False) -> None:
        self._sending_since = self._loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})
        self._spoke_at, self._sending_since = self._sending_since, 0.0

    async def _comment(self) -> None:
        await self._write(PING)
        self._ping = None

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._is_over:
            self._leave()

    def _look(self) -> None:
        now = self._loop.time()
        if self._sending_since:
            at = self._sending_since + self._send_s
            if now >= at:
                log(__name__).warning("a reader took nothing and is dropped", after_s=self._send_s)
                self._leave()
                return
        else:
            at = self._spoke_at + self._ping_s
            if now >= at:
                self._ping, at = self._loop.create_task(self._comment()), now + self._ping_s
        self._timer = self._loop.call_at(at, self._look)

    def _leave(self) -> None:
        self._has_left = True
        self._task.cancel()
