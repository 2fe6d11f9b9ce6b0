"""A request to a language model's server and what streams back: limits of time, and every failure as one of ours.

Keep-alives don't move a deadline; `Reply.heard` does, by whoever sees tokens in what was read. Leaving the block closes
the connection, wherever it stands.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson

from rag_api.backends.http import Arriving, arriving
from rag_api.backends.patience import Patience
from rag_api.backends.setting_names import SettingNames
from rag_api.core.retrying import retry_after_s
from rag_api.errors import (
    LanguageModelBroken,
    LanguageModelBusy,
    LanguageModelError,
    LanguageModelRefused,
    LanguageModelTimeout,
    LanguageModelUnavailable,
)
from rag_api.eventstream import EventStreamDecoder, ServerSentEvent

EVENT_STREAM, JSON = "text/event-stream", "application/json"
WHOLE_BYTES = 16 * 1024**2
SAID_BYTES = 64 * 1024
SAID_CHARS = 500
BUSY = (429, 529)
PASSING = (408, 409, *BUSY)
MANY = 32
GATHERING_S, GATHERING_A_STREAM_S, MOST_GATHERING_S = 0.02, 0.0002, 0.03


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds: until the first token of an answer, between two of them, and for all of it."""

    first_token_s: float
    between_tokens_s: float
    total_s: float


class Upstream:
    """Where a language model is. `headers` carry the key, which no message shows."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        model: str,
        waits: Waits,
        api_key: str = "",
        headers: Mapping[str, str] | None = None,
        settings: SettingNames | None = None,
    ) -> None:
        self._client = client
        self._headers = {
            "Accept": EVENT_STREAM, "Accept-Encoding": "identity", **(headers or {}), "Content-Type": JSON
        }  # fmt: skip
        self._requests: dict[str, httpx.Request] = {}  # by path, without a body
        self._api_key = api_key
        self.settings = settings or SettingNames()
        self.waits = waits
        self.streaming = 0
        self.model = model
        self.where = f"the language model {model} at {client.base_url.copy_with(userinfo=b'', query=None)}"

    @asynccontextmanager
    async def ask(self, path: str, body: Mapping[str, Any]) -> AsyncIterator["Reply"]:
        """The reply once its head is there and good. Raises LanguageModelError."""
        now = time.monotonic()
        reply = Reply(self, now + self.waits.first_token_s, now + self.waits.total_s)
        response = await self._send(path, body, reply)
        self.streaming += 1
        try:
            await reply.begin(response)
            del body, response  # a prompt is large, and the answer may be long in coming
            yield reply
        finally:
            self.streaming -= 1
            await reply.close()

    async def _send(self, path: str, body: Mapping[str, Any], reply: "Reply") -> httpx.Response:
        try:
            with reply.limit():
                return await self._client.send(self._request(path, orjson.dumps(body)), stream=True)
        except TimeoutError as error:
            raise reply.timeout() from error
        except httpx.HTTPError as error:
            raise self._unreached(error) from error

    def _request(self, path: str, body: bytes) -> httpx.Request:
        """Address, headers and limits are put together once, which takes four times as long as the rest."""
        if path not in self._requests:
            self._requests[path] = self._client.build_request("POST", path, headers=self._headers)
            del self._requests[path].headers["content-length"]
        same = self._requests[path]
        return httpx.Request(same.method, same.url, headers=same.headers, content=body, extensions=same.extensions)

    def refusal(self, status: int, said: str, *, after_s: float | None = None) -> LanguageModelError:
        """What a status other than success means."""
        said = f"{self.where} answers {status}: {self.redacted(said) or 'nothing'}"
        if status in PASSING or status >= 500:
            kind = LanguageModelBusy if status in BUSY else LanguageModelBroken
            when = f" in {after_s:g} s" if after_s else " in a moment" if status in BUSY else ""
            return kind(f"{said}; ask again{when}", passes=True, after_s=after_s, is_alive=status in BUSY)
        names = self.settings
        check = {401: names.api_key, 403: names.api_key, 404: f"{names.base_url} and {names.model}"}
        if status < 400:
            return LanguageModelBroken(f"{said}; check {names.base_url}")
        return LanguageModelRefused(f"{said}; check {check[status]}" if status in check else said, is_alive=True)

    def broken(self, what: str, *, passes: bool = False) -> LanguageModelBroken:
        return LanguageModelBroken(f"{self.where} {what}", passes=passes)

    def unsaid(self, why: str | None, *, has_thought: bool) -> LanguageModelBroken:
        """An answer without text that ended for this reason, or for none."""
        what, then = "ended its answer without a word", "ask again"
        if has_thought:
            what, then = "ended after its reasoning, without an answer", "raise max_tokens"
        said = f"{self.where} {what}{f' ({why})' if why else ''}; {then}"
        return LanguageModelBroken(said, is_alive=why is not None)

    def redacted(self, said: str) -> str:
        return said.replace(self._api_key, "[key]") if self._api_key else said

    def _unreached(self, error: httpx.HTTPError) -> LanguageModelError:
        why = str(error.__cause__ or error) or type(error).__name__
        if isinstance(error, httpx.ConnectError | httpx.TimeoutException | httpx.UnsupportedProtocol):
            said = (
                f"{self.where} can't be reached ({self.redacted(why)}); check {self.settings.base_url} and that it runs"
            )
            return LanguageModelUnavailable(said, passes=not isinstance(error, httpx.UnsupportedProtocol))
        return self.broken(f"closed the connection ({type(error).__name__}); ask again", passes=True)


class Reply:
    """`whole` is the JSON of a server that does not stream, else `read` gives what streams."""

    def __init__(self, upstream: Upstream, deadline_s: float, end_s: float) -> None:
        self._upstream = upstream
        self._deadline_s = deadline_s
        self._end_s = end_s
        self._patience = Patience(lambda: min(self._deadline_s, self._end_s))
        self._decoder = EventStreamDecoder()
        self._is_heard = False
        self._body: Arriving
        self.whole: Any = None

    async def begin(self, response: httpx.Response) -> None:
        """Checks the head. Raises LanguageModelError."""
        is_plain = response.headers.get("content-encoding", "identity") == "identity"
        self._body = arriving(response, is_plain=is_plain)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not response.is_success:
            said = await self._collect(SAID_BYTES)
            after_s = retry_after_s(response.headers, datetime.now(UTC))
            error = self._upstream.refusal(response.status_code, message(said), after_s=after_s)
            if response.headers.get("x-should-retry") == "false":
                error.passes = False
            raise error
        if kind == JSON:
            self.whole = self._json(await self._collect(WHOLE_BYTES))
        elif kind != EVENT_STREAM:
            raise self._upstream.broken(
                f"answers with {kind or 'no content type'} where an event stream was asked for; "
                f"check {self._upstream.settings.base_url}"
            )

    async def read(self) -> list[ServerSentEvent] | None:
        """The events that arrived together, perhaps none; None at the end. Where many stream, what comes shortly after
        the last ones is left to gather: one way through all of this for several tokens, and the more stream, the more
        tokens."""
        streams = self._upstream.streaming
        if self._is_heard and streams >= MANY:
            await self._body.gather(min(GATHERING_S + GATHERING_A_STREAM_S * streams, MOST_GATHERING_S))
        data = await self._read()
        return None if data is None else self._decoder.feed(data)

    def heard(self) -> None:
        """A token was in what was read: from now on, the next one has `between_tokens_s`."""
        self._is_heard = True
        self._deadline_s = time.monotonic() + self._upstream.waits.between_tokens_s

    def limit(self) -> Patience:
        """Ends at the next deadline; `timeout` is then to be raised."""
        return self._patience

    async def close(self) -> None:
        self._patience.end()
        await self._body.close()

    def timeout(self) -> LanguageModelTimeout:
        waits, where = self._upstream.waits, self._upstream.where
        if time.monotonic() >= self._end_s:
            said = f"{where} did not finish within {waits.total_s:g} s; ask for less"
            return LanguageModelTimeout(said, is_alive=self._is_heard)
        if self._is_heard:
            return LanguageModelTimeout(
                f"{where} fell silent: nothing came for {waits.between_tokens_s:g} s; ask again"
            )
        return LanguageModelTimeout(f"{where} gave no first token within {waits.first_token_s:g} s; ask again")

    async def _read(self) -> bytes | None:
        try:
            with self._patience:
                return await self._body.read() or None
        except TimeoutError as error:
            raise self.timeout() from error
        except httpx.HTTPError as error:
            what = f"lost the connection ({type(error).__name__})"
            raise self._upstream.broken(f"{what}; ask again", passes=not self._is_heard) from error

    async def _collect(self, limit: int) -> bytes:
        found = bytearray()
        while len(found) < limit and (data := await self._read()) is not None:
            found += data
        return bytes(found)

    def _json(self, data: bytes) -> Any:
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise self._upstream.broken("answers with something that is no JSON; ask again") from error


def message(body: bytes) -> str:
    """What the body of an error says, in any of the forms in use."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return " ".join(body.decode("utf-8", "replace").split())[:SAID_CHARS]
    return said_by(found)


def said_by(found: Any) -> str:
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name):
            found = found[name]
    return (found if isinstance(found, str) else orjson.dumps(found).decode())[:SAID_CHARS]
