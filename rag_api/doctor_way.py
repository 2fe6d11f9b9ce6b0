"""Whether a server that is asked by its URL sends events that arrive one by one, and what in between keeps them.

A stream whose pace is known is read twice at once, plain and as browsers ask for it, with compression allowed.
"""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from rag_api import __version__
from rag_api.client import Client, ServerError
from rag_api.client_wire import authorization, error_of
from rag_api.eventstream import EventStreamDecoder

PATH = "/api/v1/pace"
TIMEOUT_S = 15.0
LATE = 5  # paces that an event may be late, which networks and busy machines may cost
CODINGS = ("identity", "gzip, deflate")
NGINX = "nginx: proxy_buffering off; and no proxy_ignore_headers X-Accel-Buffering"


@dataclass(frozen=True, slots=True)
class Way:
    """How a stream came: when each event arrived, and what was said on both sides."""

    arrivals_s: Sequence[float]
    headers: Mapping[str, str]
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def gaps_s(self) -> list[float]:
        return [after - before for before, after in zip(self.arrivals_s, self.arrivals_s[1:], strict=False)]


def examine_way(url: str, key: str) -> list[tuple[str, bool, str]]:
    """For each check its name, whether it is right, and what there is to say."""
    try:
        with Client(url, key=key, timeout_s=TIMEOUT_S) as client:
            ready, version = client.readiness(), client.version()
            next(client.collections(), None)
    except ServerError as error:
        return [("server", False, _reason(url, key, error))]
    found = [("server", ready["status"] == "ready", f"{url} is {ready['status']}")]
    found += [(f"server: {name}", said in ("ok", "unknown"), said) for name, said in ready["checks"].items()]
    found += [("version", *same(version))]
    try:
        with ThreadPoolExecutor(len(CODINGS)) as pool:
            plain, packed = pool.map(lambda coding: read_way(url, key, coding), CODINGS)
    except ServerError as error:
        return [*found, ("events", False, _reason(url, key, error))]
    return [*found, ("events", *judge(plain, packed))]


def same(version: str) -> tuple[bool, str]:
    """Whether a server is of the version that this is."""
    if version == __version__:
        return True, f"the server is {version}"
    said = f"the server is {version or 'of an unknown version'}, this command is {__version__}"
    return False, f"{said}: update the older one, and start it again"


def read_way(url: str, key: str, coding: str) -> Way:
    """Raises ServerError."""
    headers = authorization(key) | {"Accept-Encoding": coding}
    decoder, began = EventStreamDecoder(), time.perf_counter()
    arrivals: list[float] = []
    told: dict[str, Any] = {}
    try:
        with (
            httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http,
            http.stream("GET", PATH) as response,
        ):
            if not response.is_success:
                response.read()
                raise error_of(response)
            for piece in response.iter_bytes():
                for event in decoder.feed(piece):
                    arrivals.append(time.perf_counter() - began)
                    told |= json.loads(event.data)
    except httpx.HTTPError as error:
        raise ServerError(f"the stream broke: {error or type(error).__name__}", code="unreachable", status=0) from error
    return Way(arrivals, response.headers, told)


def judge(plain: Way, packed: Way) -> tuple[bool, str]:
    """Whether events come one by one, and if not what to change."""
    pace_s = float(plain.told.get("pace_s", 0))
    if not pace_s or not plain.gaps_s or not packed.gaps_s:
        return False, f"{PATH} does not answer with the events that it is known for; is {PATH} another program's?"
    late = [way for way in (plain, packed) if _is_held(way, pace_s)]
    if not late:
        return True, f"arrive one by one, at most {max(plain.gaps_s + packed.gaps_s):.2f} s apart"
    [way, *_] = late
    lumps = f"sent {pace_s:g} s apart, events arrive in lumps, the first after {way.arrivals_s[0]:.1f} s: "
    coding = way.headers.get("content-encoding", "identity")
    if coding != "identity":
        return False, lumps + (
            f"{_who(way)} compresses them (Content-Encoding: {coding}) and keeps what is not a block yet; leave "
            f"text/event-stream out of compression (nginx: gzip_types; Caddy: encode with a matcher), or {_how(way)}"
        )
    return False, lumps + f"{_who(way)} keeps them back; switch its response buffering off ({_how(way)})"


def _is_held(way: Way, pace_s: float) -> bool:
    """Events that are kept come together, or behind a gap."""
    together = sum(gap < pace_s / 10 for gap in way.gaps_s)
    return together > len(way.gaps_s) // 2 or max(way.gaps_s) > LATE * pace_s


def _who(way: Way) -> str:
    named = [f"{name}: {way.headers[name]}" for name in ("server", "via", "x-cache") if name in way.headers]
    named += [f"Content-Length: {way.headers['content-length']}"] if "content-length" in way.headers else []
    asks = f"asks with HTTP/{way.told['http_version']}" if way.told.get("http_version") == "1.0" else ""
    said = ", ".join([*named, *([asks] if asks else [])])
    return f"a proxy ({said})" if said else "a proxy that does not name itself"


def _how(way: Way) -> str:
    server = way.headers.get("server", "").lower()
    if "nginx" in server or "openresty" in server:
        return NGINX
    if "caddy" in way.headers.get("via", "").lower() or "caddy" in server:
        return "Caddy: reverse_proxy with flush_interval -1"
    if "apache" in server:
        return "Apache: ProxyPass … flushpackets=on, no mod_deflate for text/event-stream"
    return f"{NGINX}; Apache: flushpackets=on; Caddy: flush_interval -1"


def _reason(url: str, key: str, error: ServerError) -> str:
    match error.status:
        case 401:
            return f"{error}; it rejects " + (
                "the key that it got: check RAG_ADMIN_KEY" if key else "requests without one"
            )
        case 404:
            return f"{url} answers 404 to {PATH}: it is an older version, another program, or behind a path that is cut"
        case _:
            return str(error)
