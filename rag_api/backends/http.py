"""The one place that makes HTTP clients."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream, map_aiohttp_exceptions

STALE_CONNECTIONS = 4
KEPT_S = 15
ARRIVING = "rag.arriving"  # extension of a response


class Reply(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def content(self) -> bytes: ...


class Caller(Protocol):
    """Whole requests and replies at one server. Raises httpx.TransportError, as an httpx.AsyncClient does, which is
    one."""

    @property
    def base_url(self) -> object: ...

    async def request(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply: ...


@asynccontextmanager
async def open_caller(
    base_url: str, *, timeout_s: float, unix_socket: str | None = None, api_key: str = ""
) -> AsyncIterator[Caller]:
    """For the servers that every question asks: no cookies, redirects or streams, and a third of the time that a
    client for all purposes spends. `unix_socket` is dialled instead of the host in `base_url`."""
    connector = (
        aiohttp.UnixConnector(unix_socket, limit=0, keepalive_timeout=KEPT_S)
        if unix_socket
        else aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_S)
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=aiohttp.ClientTimeout(sock_connect=timeout_s, sock_read=timeout_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield _Caller(session, base_url if base_url.endswith("/") else f"{base_url}/")
    await asyncio.sleep(0)  # what was closed lets go of its sockets in the loop's next turn


class _Caller:
    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self.base_url = base_url

    async def request(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        with map_aiohttp_exceptions():
            for _ in range(STALE_CONNECTIONS):
                try:
                    return await self._request(method, url, content, headers)
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                    if not _was_kept(error):
                        break
            return await self._request(method, url, content, headers)

    async def _request(self, method: str, url: str, content: bytes | None, headers: Mapping[str, str] | None) -> Reply:
        async with self._session.request(
            method, self.base_url + url, data=content, headers=headers, allow_redirects=False
        ) as response:
            return _Reply(response.status, await response.read())


@dataclass(frozen=True, slots=True)
class _Reply:
    status_code: int
    content: bytes


def open_client(base_url: str, *, timeout: httpx.Timeout | float, api_key: str = "") -> httpx.AsyncClient:
    """A pooled client without a limit on connections; aiohttp carries the bytes, as httpx's own pool is slow under
    hundreds of streams."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    unlimited = httpx.Limits(max_connections=0, keepalive_expiry=KEPT_S)  # aiohttp reads 0 as no limit
    return _Client(base_url=base_url, timeout=timeout, headers=headers, transport=_Transport(limits=unlimited))


class _Client(httpx.AsyncClient):
    """What streams goes straight to the transport: cookies, redirects and authentication in turns, which no language
    model asks for, take as long as the request itself. A name in the address is left to httpx."""

    async def send(self, request: httpx.Request, *, stream: bool = False, **how: Any) -> httpx.Response:
        if not stream or self.is_closed or request.url.userinfo:
            return await super().send(request, stream=stream, **how)
        response = await self._transport.handle_async_request(request)
        response.request = request
        return response


class Arriving(Protocol):
    """A body as the server sends it. Raises httpx.TransportError."""

    async def read(self) -> bytes:
        """What has arrived, as soon as something has; nothing at the end."""
        ...

    async def gather(self, seconds: float) -> None:
        """What comes in the next moments is left to the system, to be read in one piece."""
        ...

    async def close(self) -> None:
        """The connection, unless all has been read."""
        ...


def arriving(response: httpx.Response, *, is_plain: bool) -> Arriving:
    """httpx asks four generators for each piece, one inside the other; a plain body of our transport asks aiohttp."""
    found: Arriving | None = response.extensions.get(ARRIVING)
    if found is None or not is_plain:
        return _Pieces(response, is_plain=is_plain)
    response.stream = httpx.ByteStream(b"")  # httpx's own refers to the response: a cycle, with the request in it
    return found


class _Pieces:
    def __init__(self, response: httpx.Response, *, is_plain: bool) -> None:
        self._pieces = aiter(response.aiter_raw() if is_plain else response.aiter_bytes())
        self.close = response.aclose

    async def read(self) -> bytes:
        return await anext(self._pieces, b"")

    async def gather(self, seconds: float) -> None:
        """Not here."""


class _Content:
    """Holds nothing of the request, nor what httpx makes of the response: many may wait long."""

    def __init__(self, stream: AiohttpResponseStream) -> None:
        response = stream._aiohttp_response
        self._content = response.content
        self._transport = response.connection.transport if response.connection else None
        self.close = stream.aclose

    async def read(self) -> bytes:
        try:
            return await self._content.readany()
        except aiohttp.ClientError:
            with map_aiohttp_exceptions():
                raise

    async def gather(self, seconds: float) -> None:
        """A connection whose reply is over may be somebody else's by now."""
        if self._transport is None or self._content.is_eof() or self._transport.is_closing():
            return
        self._transport.pause_reading()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._transport.resume_reading()


class _Transport(AiohttpTransport):
    """Sends again what met a kept connection that the server was closing: nothing had come back on it.

    There may be several such in the pool, each of which costs one of a few tries.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(STALE_CONNECTIONS):
            try:
                return await self._send(request)
            except httpx.TransportError as error:
                if not _was_kept(error.__cause__):
                    raise
        return await self._send(request)

    async def _send(self, request: httpx.Request) -> httpx.Response:
        if request.url.userinfo:  # httpx has made a header of it by now, and aiohttp would want to make another
            request.url = request.url.copy_with(userinfo=b"")
        response = await super().handle_async_request(request)
        stream = cast(AiohttpResponseStream, response.stream)
        response.extensions[ARRIVING] = _Content(stream)
        return response


def _was_kept(cause: BaseException | None) -> bool:
    if isinstance(cause, aiohttp.ClientConnectorError):
        return False  # there never was a connection
    return isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
