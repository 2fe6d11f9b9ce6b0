"""Connections that are kept, and closed by the other side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from rag_api.backends.http import open_caller, open_client

OPENERS = (
    lambda url, seconds: open_client(url, timeout=seconds),
    lambda url, seconds: open_caller(url, timeout_s=seconds),
)
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(replies_a_connection: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that closes each connection when it gets one request more than it answers on it."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for turn in range(replies_a_connection + 1):
            try:
                await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(4)
            except asyncio.IncompleteReadError:
                break
            if turn < replies_a_connection:
                bodies.append(body)
                writer.write(REPLY)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", bodies


@pytest.mark.parametrize("opened", OPENERS)
async def test_a_request_that_meets_a_closing_connection_is_sent_once_more(opened: Any) -> None:
    async with serving(1) as (url, bodies), opened(url, 5) as client:
        replies = [await client.request("POST", "/", content=f"try{i}".encode()) for i in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert bodies == [b"try0", b"try1", b"try2"]


@pytest.mark.parametrize("opened", OPENERS)
async def test_a_server_that_never_answers_is_not_asked_for_ever(opened: Any) -> None:
    async with serving(0) as (url, bodies), opened(url, 5) as client:
        with pytest.raises(httpx.TransportError):
            await client.request("POST", "/", content=b"try0")
    assert bodies == []


@pytest.mark.parametrize("opened", OPENERS)
async def test_a_server_that_is_not_there_is_a_failure_to_connect(opened: Any) -> None:
    async with opened("http://127.0.0.1:9", 5) as client:
        with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):
            await client.request("POST", "/", content=b"try0")


@pytest.mark.parametrize("opened", OPENERS)
async def test_a_server_that_says_nothing_is_a_read_timeout(opened: Any) -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until who asked has left
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with opened(f"http://127.0.0.1:{port}/", 0.2) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.request("POST", "/", content=b"x")
