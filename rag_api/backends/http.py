"""The one place that makes HTTP clients."""

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

STALE_CONNECTIONS = 4


def open_client(
    base_url: str, *, timeout: httpx.Timeout | float, unix_socket: str | None = None, api_key: str = ""
) -> httpx.AsyncClient:
    """A pooled client without a limit on connections; aiohttp carries the bytes, as httpx's own pool is slow under
    hundreds of streams. `unix_socket` is dialled instead of the host in `base_url`."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    unlimited = httpx.Limits(max_connections=0, keepalive_expiry=15)  # aiohttp reads 0 as no limit
    transport = _Transport(limits=unlimited, uds=unix_socket)
    return httpx.AsyncClient(base_url=base_url, timeout=timeout, headers=headers, transport=transport)


class _Transport(AiohttpTransport):
    """Sends again what met a kept connection that the server was closing: nothing had come back on it.

    There may be several such in the pool, each of which costs one of a few tries.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for _ in range(STALE_CONNECTIONS):
            try:
                return await super().handle_async_request(request)
            except httpx.TransportError as error:
                if not _was_kept(error.__cause__):
                    raise
        return await super().handle_async_request(request)


def _was_kept(cause: BaseException | None) -> bool:
    if isinstance(cause, aiohttp.ClientConnectorError):
        return False  # there never was a connection
    return isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
