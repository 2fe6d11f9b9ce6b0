"""Connections that are kept, and closed by the other side."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from rag_api.backends.http import open_client

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


async def test_a_request_that_meets_a_closing_connection_is_sent_once_more() -> None:
    async with serving(1) as (url, bodies), open_client(url, timeout=5) as client:
        replies = [await client.post("/", content=f"try{i}".encode()) for i in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 200]
    assert bodies == [b"try0", b"try1", b"try2"]


async def test_a_server_that_never_answers_is_not_asked_for_ever() -> None:
    async with serving(0) as (url, bodies), open_client(url, timeout=5) as client:
        with pytest.raises(httpx.TransportError):
            await client.post("/", content=b"try0")
    assert bodies == []


async def test_a_server_that_is_not_there_is_a_failure_to_connect() -> None:
    async with open_client("http://127.0.0.1:9", timeout=5) as client:
        with pytest.raises((httpx.ConnectError, httpx.ConnectTimeout)):
            await client.post("/", content=b"try0")
