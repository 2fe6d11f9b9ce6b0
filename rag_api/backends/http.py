"""The one place that makes HTTP clients."""

import httpx
from httpx_aiohttp import AiohttpTransport


def open_client(
    base_url: str, *, timeout: httpx.Timeout | float, unix_socket: str | None = None, api_key: str = ""
) -> httpx.AsyncClient:
    """A pooled client without a limit on connections; aiohttp carries the bytes, as httpx's own pool is slow under
    hundreds of streams. `unix_socket` is dialled instead of the host in `base_url`."""
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    unlimited = httpx.Limits(max_connections=0, keepalive_expiry=15)  # aiohttp reads 0 as no limit
    transport = AiohttpTransport(limits=unlimited, uds=unix_socket)
    return httpx.AsyncClient(base_url=base_url, timeout=timeout, headers=headers, transport=transport)
