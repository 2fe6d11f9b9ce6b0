"""Pages of the web, fetched for somebody else.

Purpose: a URL comes from whoever may upload, and must not become a way to what only this machine can reach.
Mechanism: a connection is opened by us to an address that we have resolved and checked, so neither a clever spelling
of a host nor a name that changes its address between check and use leads elsewhere; names in the certificate and in
`Host` stay those of the URL. Each redirect is a new request with a new check. Bytes are counted as they come and again
as they are unpacked, and one limit of time covers all of it.
Not promised: that what a public page says is harmless (the parsers' sandbox is for that), or the use of a proxy.
"""

import asyncio
import socket
import ssl
import tempfile
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, BinaryIO, cast

import httpcore
import httpx

from ingest.errors import UnsupportedFile
from rag_api.backends.gunzip import Gunzip
from rag_api.core.addresses import is_public
from rag_api.core.robots import AGENT
from rag_api.errors import FetchFailed, FetchTimedOut, PageTooLarge, UrlRefused

PORTS = frozenset({80, 443})
REDIRECTS = 5
AT_ONCE = 8
IN_MEMORY_BYTES = 1024**2
OPAQUE = ("", "application/octet-stream", "binary/octet-stream")
_SETTING = "RAG_FETCH__ALLOW_HOSTS names hosts that may be fetched from all the same"

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be reached: public addresses on `ports`, and anything on a host that is named."""

    allow_private: bool = False
    hosts: Container[str] = ()
    ports: Container[int] = PORTS

    def is_open(self, host: str) -> bool:
        return self.allow_private or host.rstrip(".").lower() in self.hosts


@dataclass(frozen=True, slots=True)
class FetchLimits:
    max_bytes: int
    total_s: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """`url`: where it was in the end. `media_type`: as its server says, or empty. `file`: the caller closes it."""

    url: str
    media_type: str
    file: BinaryIO


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, in the system's order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Fetcher:
    """`resolve` and `network` are the machine's own unless a test says otherwise."""

    def __init__(
        self,
        reach: Reach,
        limits: FetchLimits,
        *,
        resolve: Resolve = resolve,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._reach = reach
        self._limits = limits
        self._network = _CheckedNetwork(reach, resolve, network or httpcore.AnyIOBackend())
        self._room = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, url: str, *, wanted: Container[str]) -> Fetched:
        """What is there, if its media type is wanted or says nothing. Raises FetchError, UnsupportedFile."""
        try:
            async with asyncio.timeout(self._limits.total_s), self._room:
                return await self._follow(url, wanted)
        except TimeoutError as error:
            raise FetchTimedOut(
                f"{url} was not there within {self._limits.total_s:g} s; try again, or raise RAG_FETCH__TOTAL_S"
            ) from error

    async def _follow(self, url: str, wanted: Container[str]) -> Fetched:
        at = self._checked(url)
        for _ in range(1 + REDIRECTS):
            async with self._request(at) as response:
                target = _redirect(response)
                if target is None:
                    return await self._take(at, response, wanted)
                at = self._checked(_joined(at, target))
        raise FetchFailed(f"{url} leads on more than {REDIRECTS} times; give the URL where it ends")

    def _checked(self, url: str) -> httpx.URL:
        """Raises UrlRefused for what no page can be at; addresses are checked when they are dialled."""
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, ValueError) as error:
            raise UrlRefused(f"{url[:200]!r} is no URL ({error}); give one such as https://example.org/page") from error
        host = parsed.raw_host.decode("ascii")
        if parsed.scheme not in ("http", "https") or not host:
            raise UrlRefused(f"{url[:200]!r} is no URL of the web: it must begin with http:// or https:// and a host")
        if parsed.userinfo:
            raise UrlRefused(f"a URL with a user name or password in it is not fetched ({host}): leave them out")
        port = parsed.port or _default_port(parsed)
        if port not in self._reach.ports and not self._reach.is_open(host):
            raise UrlRefused(f"{host} is asked on port {port}, but only 80 and 443 are fetched from; {_SETTING}")
        return parsed

    @asynccontextmanager
    async def _request(self, url: httpx.URL) -> AsyncIterator[httpcore.Response]:
        headers = {
            b"Host": url.netloc,
            b"User-Agent": AGENT.encode(),
            b"Accept": b"*/*",
            b"Accept-Encoding": b"gzip",
        }
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or _default_port(url), target=url.raw_path
        )
        try:
            async with (
                httpcore.AsyncConnectionPool(ssl_context=self._ssl, network_backend=self._network) as pool,
                pool.stream("GET", target, headers=list(headers.items())) as response,
            ):
                yield response
        except httpcore.UnsupportedProtocol as error:
            raise UrlRefused(f"{url} can't be fetched: {error}") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            raise FetchFailed(
                f"{url} can't be had ({type(error).__name__}: {error}); check it and try again"
            ) from error

    async def _take(self, url: httpx.URL, response: httpcore.Response, wanted: Container[str]) -> Fetched:
        if response.status != httpx.codes.OK:
            raise FetchFailed(f"{url} answers {response.status}; check the URL, or try again later", response.status)
        media_type = _header(response, b"content-type").partition(";")[0].strip().lower()
        if media_type not in OPAQUE and media_type not in wanted:
            raise UnsupportedFile(f"{url} is {media_type}, which can't be read; give the URL of a page or a document")
        file = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES))  # noqa: SIM115 - it goes to the caller
        try:
            async for piece in self._unpacked(url, response):
                file.write(piece)
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return Fetched(str(url), media_type, file)

    async def _unpacked(self, url: httpx.URL, response: httpcore.Response) -> AsyncIterator[bytes]:
        encoding = _header(response, b"content-encoding").lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise FetchFailed(f"{url} comes packed as {encoding!r}, which was not asked for; give another URL")
        room, gunzip = self._limits.max_bytes, Gunzip() if "gzip" in encoding else None
        async for piece in response.aiter_stream():
            try:
                plain = gunzip.feed(piece, room) if gunzip else piece
            except zlib.error as error:
                raise FetchFailed(f"{url} says that it is packed with gzip, and is not ({error})") from error
            room -= len(plain)
            if room < 0:
                limit = f"{self._limits.max_bytes:,} bytes"
                raise PageTooLarge(f"{url} has more than {limit}; raise RAG_FETCH__MAX_BYTES, or upload it as a file")
            yield plain
        if gunzip and not gunzip.is_whole:
            raise FetchFailed(f"{url} broke off; try again")

    @cached_property
    def _ssl(self) -> ssl.SSLContext:
        return httpx.create_ssl_context()


class _CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections to addresses that may be reached; what it has checked is what it dials."""

    def __init__(self, reach: Reach, resolve: Resolve, network: httpcore.AsyncNetworkBackend) -> None:
        self._reach = reach
        self._resolve = resolve
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchFailed(f"there is no host {host!r} ({error}); check the URL") from error
        # One address that is not public spoils the name: nobody serves the same page here and to the world.
        if not self._reach.is_open(host) and not all(is_public(address) for address in addresses):
            raise UrlRefused(f"{host} is not a host of the public internet; {_SETTING}")
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


def _redirect(response: httpcore.Response) -> str | None:
    if response.status not in (301, 302, 303, 307, 308):
        return None
    return _header(response, b"location") or None


def _joined(url: httpx.URL, target: str) -> str:
    try:
        return str(url.join(target).copy_with(fragment=None))
    except (httpx.InvalidURL, ValueError) as error:
        raise FetchFailed(f"{url} leads on to {target[:200]!r}, which is no URL") from error


def _header(response: httpcore.Response, name: bytes) -> str:
    values = (value for key, value in response.headers if key.lower() == name)
    return next(values, b"").decode("latin-1").strip()


def _default_port(url: httpx.URL) -> int:
    return 443 if url.scheme == "https" else 80
