"""The Model Context Protocol on standard input and output: each request goes on to the server's /mcp."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rag_api import __version__
from rag_api.attach import find_again, key_of, server
from rag_api.settings import load_settings

if TYPE_CHECKING:  # the other commands start sooner without it
    from mcp.server.lowlevel import Server

CONNECT_S = 10.0
SILENCE_S = 60.0  # the server sends a comment every 15 s


def mcp() -> None:
    """Speak the Model Context Protocol on standard input and output, for the program that starts this one."""
    settings = load_settings()
    with server(settings) as client:
        next(client.collections(), None)  # a wrong key is told at once

        def find() -> tuple[str, str]:
            find_again(client, settings)
            return client.url, key_of(settings)

        asyncio.run(_serve(find))


async def _serve(find: Callable[[], tuple[str, str]]) -> None:
    from mcp.server.stdio import stdio_server

    there = _make_server(find)
    async with stdio_server() as (read, write):
        await there.run(read, write, there.create_initialization_options())


def _make_server(find: Callable[[], tuple[str, str]]) -> "Server[Any]":
    """A server that hands on what it is asked to where `find` says, with the key that goes with it. A call that is
    cancelled here is cancelled there."""
    import mcp_types as types
    from mcp.server.lowlevel import Server

    def handed_on(request: Any, result: type[Any]) -> Callable[[Any, Any], Awaitable[Any]]:
        async def handler(context: Any, params: Any) -> Any:
            url, key = find()
            return await _ask(url, key, request(params=params), result, context.session.report_progress)

        return handler

    return Server(
        "rag-api",
        version=__version__,
        title="Documents",
        on_list_tools=handed_on(types.ListToolsRequest, types.ListToolsResult),
        on_call_tool=handed_on(types.CallToolRequest, types.CallToolResult),
        on_list_resources=handed_on(types.ListResourcesRequest, types.ListResourcesResult),
        on_list_resource_templates=handed_on(types.ListResourceTemplatesRequest, types.ListResourceTemplatesResult),
        on_read_resource=handed_on(types.ReadResourceRequest, types.ReadResourceResult),
    )


async def _ask(url: str, key: str, request: Any, result: type[Any], tell: Any) -> Any:
    """Each request on a connection of its own, so that a server that is started again is found."""
    import httpx2
    import mcp_types as types
    from mcp import Client as Protocol
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.exceptions import MCPError
    from mcp_types.version import MODERN_PROTOCOL_VERSIONS

    headers = {"Authorization": f"Bearer {key}"} if key else {}
    timeout = httpx2.Timeout(CONNECT_S, read=SILENCE_S)
    version = MODERN_PROTOCOL_VERSIONS[-1]
    try:
        async with httpx2.AsyncClient(headers=headers, timeout=timeout, trust_env=False) as http:
            wire = streamable_http_client(f"{url}/mcp", http_client=http)
            async with Protocol(wire, mode=version, cache=None) as there:
                return await there.session.send_request(request, result, progress_callback=tell)
    except (httpx2.HTTPError, ExceptionGroup) as error:
        message = f"the server at {url} can't be reached ({error}); is it stopped? rag serve starts it"
        raise MCPError(types.INTERNAL_ERROR, message) from error
