"""What every request passes: its id, the limit on its body, the count of it. Plain ASGI: streams must not be held."""

import contextlib
import time
import uuid
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_api.errors import ForeignOrigin, UploadTooLarge
from rag_api.telemetry import REQUEST_S, REQUESTS, request_id
from rag_api.web.errors import error_response, internal_error
from rag_api.web.streaming import OUTSIDE

ID_CHARS = 128
API = "/api/v1"


class RequestContext:
    """Gives the request an id, echoes it, counts, and turns what nobody caught into the one JSON shape."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")[:ID_CHARS]
        current = given if given.isprintable() and given else uuid.uuid4().hex
        request_id.set(current)  # for good, as the request has a task of its own, and a stream is sent after this
        began = time.perf_counter()
        status = 0

        def head(code: int, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
            _count(scope, code, time.perf_counter() - began)
            return [*headers, (b"x-request-id", current.encode("latin-1"))]

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = head(status, message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except Exception:
            response = internal_error(scope["path"])
            if status:
                raise
            await response(scope, receive, send_counted)
        for stream in scope.get(OUTSIDE, ()):
            stream.raw_headers = head(stream.status_code, stream.raw_headers)


class LocalOnly:
    """For a server that is open, having no key: no page of another site may ask it, by its own name or by a name it
    was given.

    A browser sends such requests from any page that somebody on this machine looks at, and a name that an attacker
    owns may point to loopback (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            for name, prefix in ((b"host", ""), (b"origin", "http")):
                value = headers.get(name, b"").decode("latin-1")
                if value and not _is_local(value, prefix) and await _is_open(scope):
                    await error_response(ForeignOrigin(value), scope["path"])(scope, receive, send)
                    return
        await self._app(scope, receive, send)


class LimitBody:
    """413 as soon as a body says that it is, or turns out to be, over the limit."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_bytes:
            await error_response(UploadTooLarge(self._max_bytes), scope["path"])(scope, receive, send)
            return
        seen, is_over, has_begun = 0, False, False

        async def receive_counted() -> Message:
            nonlocal seen, is_over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                is_over = True
                raise UploadTooLarge(self._max_bytes)
            return message

        async def send_checked(message: Message) -> None:
            """Whoever read the body may have made another error of ours."""
            nonlocal has_begun
            if not is_over or has_begun:
                has_begun = True
                await send(message)

        with contextlib.suppress(UploadTooLarge):
            await self._app(scope, receive_counted, send_checked)
        if is_over and not has_begun:
            await error_response(UploadTooLarge(self._max_bytes), scope["path"])(scope, receive, send)


async def _is_open(scope: Scope) -> bool:
    is_open: bool = await scope["app"].state.services.door.access.is_open()
    return is_open


@lru_cache(maxsize=256)
def _is_local(value: str, scheme: str) -> bool:
    parts = urlsplit(value if scheme else f"//{value}")
    return parts.scheme.startswith(scheme) and parts.hostname in ("localhost", "127.0.0.1", "::1")


def _count(scope: Scope, status: int, seconds: float) -> None:
    template: str = getattr(scope.get("route"), "path", "none")
    is_prefixed = scope["path"].startswith(API) and not template.startswith(API)
    route = API + template if is_prefixed and template != "none" else template
    REQUESTS.labels(route, scope["method"], status).inc()
    REQUEST_S.labels(route).observe(seconds)
