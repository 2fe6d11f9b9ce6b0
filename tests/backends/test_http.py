"""Connections that are kept, and closed by the other side."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from rag_api.backends.http import Arriving, arriving, open_caller, open_client

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


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = (b"3\r\none\r\n", b"3\r\ntwo\r\n0\r\n\r\n")
LIMIT_S = 5


@dataclass
class Streaming:
    """Begins each reply before it has read the request's body, and goes on when it is told to."""

    url: str = ""
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    was_left: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                writer.write(HEAD + BODY[0])
                await reader.readexactly(length)
                going, leaving = asyncio.create_task(self.goes_on.wait()), asyncio.create_task(reader.read())
                await asyncio.wait([going, leaving], return_when=asyncio.FIRST_COMPLETED)
                going.cancel()
                if leaving.done():
                    break
                leaving.cancel()
                await asyncio.wait([leaving])
                writer.write(BODY[1])
        self.was_left.set()
        writer.close()


@asynccontextmanager
async def streaming() -> AsyncIterator[Streaming]:
    told = Streaming()
    async with await asyncio.start_server(told.serve, "127.0.0.1", 0) as server:
        told.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with asyncio.timeout(LIMIT_S):
            yield told


async def never_whole() -> AsyncIterator[bytes]:
    yield b"xx"
    await asyncio.Event().wait()


async def begun(client: httpx.AsyncClient, content: bytes | AsyncIterator[bytes]) -> Arriving:
    response = await client.send(client.build_request("POST", "/", content=content), stream=True)
    return arriving(response, is_plain=True)


async def test_a_reply_that_was_read_to_its_end_gives_its_connection_back() -> None:
    async with streaming() as server, open_client(server.url, timeout=LIMIT_S) as client:
        server.goes_on.set()
        for _ in range(3):
            body = await begun(client, b"xxxx")
            found = b""
            while data := await body.read():
                found += data
            await body.close()
            assert found == b"onetwo"
        assert server.connections == 1


@pytest.mark.parametrize("named", ["", "me:secret@"])
async def test_who_asks_is_said_if_the_address_names_it(named: str) -> None:
    async with streaming() as server:
        server.goes_on.set()
        async with open_client(server.url.replace("//", f"//{named}"), timeout=LIMIT_S) as client:
            await (await begun(client, b"xxxx")).close()
    assert (b"authorization: Basic bWU6c2VjcmV0\r\n" in server.heads[0]) == bool(named)


@pytest.mark.parametrize("content", [b"xxxx", never_whole()], ids=["sent", "on its way"])
async def test_a_reply_that_is_closed_before_its_end_closes_its_connection(
    content: bytes | AsyncIterator[bytes],
) -> None:
    async with streaming() as server, open_client(server.url, timeout=LIMIT_S) as client:
        body = await begun(client, content)
        assert await body.read() == b"one"
        await body.close()
        await server.was_left.wait()


async def test_a_reply_whose_connection_is_lost_at_once_fails_when_it_is_read() -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        writer.close()

    async with await asyncio.start_server(cut, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_client(f"http://127.0.0.1:{port}", timeout=LIMIT_S) as client:
            response = await client.send(client.build_request("POST", "/"), stream=True)
            body = arriving(response, is_plain=True)
            with pytest.raises(httpx.TransportError):
                await asyncio.wait_for(body.read(), LIMIT_S)
            await body.close()
