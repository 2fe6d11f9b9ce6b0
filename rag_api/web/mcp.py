"""The Model Context Protocol at /mcp: streamable HTTP without sessions, so a server that was started again goes on.

The same key as everywhere. A call ends when its request is closed, which is how clients of protocol 2026-07-28 cancel.
Its library is a fifth of what this process would import, so it is loaded for the first request.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from rag_api.web.deps import READER
from rag_api.wiring import Services

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

WHO = "rag.principal"  # in the scope of the request that carries a call


class McpEndpoint:
    """Answers while `app.state.mcp` is open."""

    path = "/mcp"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        scope["route"] = self  # by whose path requests are counted
        scope[WHO] = await READER.of(request)
        if request.method != "POST":  # there is no session to listen to or to end
            raise HTTPException(405, headers={"Allow": "POST"})
        protocol: ASGIApp = request.app.state.mcp
        await protocol(scope, receive, send)


@asynccontextmanager
async def open_protocol(services: Services) -> AsyncIterator[ASGIApp]:
    asked = asyncio.Event()
    opened: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()

    async def live() -> None:
        await asked.wait()
        try:
            manager = await asyncio.to_thread(_load, services)
        except Exception as error:  # noqa: BLE001 - raised again in every request
            opened.set_exception(error)
            return
        async with manager.run():
            opened.set_result(manager.handle_request)
            await asyncio.Event().wait()  # until it is cancelled

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await (await asyncio.shield(opened))(scope, receive, send)

    life = asyncio.create_task(live())
    try:
        yield answer
    finally:
        life.cancel()
        with suppress(asyncio.CancelledError):
            await life


def _load(services: Services) -> "StreamableHTTPSessionManager":
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from rag_api.web.mcp_server import make_server

    return StreamableHTTPSessionManager(make_server(services), stateless=True)
