"""Any server that speaks OpenAI's chat completions, streaming."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
from pydantic import BaseModel, ValidationError

from rag_api.core.ports import Piece, Sampling, Usage
from rag_api.core.prompts import Prompt
from rag_api.errors import (
    LanguageModelBroken,
    LanguageModelBusy,
    LanguageModelError,
    LanguageModelRefused,
    LanguageModelTimeout,
    LanguageModelUnavailable,
)
from rag_api.eventstream import EventStreamDecoder, ServerSentEvent


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds: until the first piece of an answer, and between two pieces."""

    first_token_s: float
    between_tokens_s: float


class ChatCompletionsModel:
    def __init__(self, client: httpx.AsyncClient, *, model: str, sampling: Sampling, waits: Waits) -> None:
        self._client = client
        self._sampling = sampling
        self._waits = waits
        self.name = model

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        request = self._client.build_request("POST", "chat/completions", json=self._body(prompt, sampling))
        deadline = asyncio.get_running_loop().time() + self._waits.first_token_s
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._client.send(request, stream=True)
        except (TimeoutError, httpx.HTTPError) as error:
            raise self._unreached(error) from error
        try:
            await self._check(response)
            async with aclosing(self._pieces(response, deadline)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await response.aclose()

    def _body(self, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        temperature = self._sampling.temperature if sampling.temperature is None else sampling.temperature
        max_tokens = sampling.max_tokens or self._sampling.max_tokens
        return {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.text} for message in prompt.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
            **({} if temperature is None else {"temperature": temperature}),
            **({} if max_tokens is None else {"max_tokens": max_tokens}),
        }

    async def _pieces(self, response: httpx.Response, deadline: float) -> AsyncGenerator[Piece, None]:
        """One piece for all that arrived together; the first before the deadline."""
        decoder = EventStreamDecoder()
        body = response.aiter_raw().__aiter__()
        finish_reason: str | None = None
        said = False
        while True:
            read = await self._read(body, deadline, said=said)
            if read is None:
                break
            merged, is_over, failure = _merge(decoder.feed(read))
            finish_reason = merged.finish_reason or finish_reason
            if merged.text or merged.usage:
                said = True
                deadline = asyncio.get_running_loop().time() + self._waits.between_tokens_s
                yield Piece(merged.text, usage=merged.usage)
            if failure:
                raise failure
            if is_over:
                finish_reason = finish_reason or "stop"
                break
        if not said:
            raise LanguageModelBroken("the language model ended its answer without a word; ask again")
        if finish_reason is None:
            raise LanguageModelBroken("the language model broke off in the middle of its answer; ask again")
        yield Piece(finish_reason=finish_reason)

    async def _read(self, body: AsyncIterator[bytes], deadline: float, *, said: bool) -> bytes | None:
        """What arrived together, or None at the end; keep-alives do not move the deadline."""
        try:
            async with asyncio.timeout_at(deadline):
                return await anext(body, None)
        except TimeoutError as error:
            after = "fell silent: nothing" if said else "is silent: no first token"
            wait_s = self._waits.between_tokens_s if said else self._waits.first_token_s
            raise LanguageModelTimeout(f"the language model {after} came within {wait_s:g} s; ask again") from error
        except httpx.HTTPError as error:
            raise LanguageModelBroken(
                f"the connection to the language model was lost ({type(error).__name__}); ask again"
            ) from error

    def _unreached(self, error: Exception) -> LanguageModelError:
        where = f"the language model at {self._client.base_url}"
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.UnsupportedProtocol):
            return LanguageModelUnavailable(f"{where} can't be reached; check RAG_LLM__BASE_URL and that it runs")
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return LanguageModelTimeout(f"{where} did not answer within {self._waits.first_token_s:g} s; ask again")
        return LanguageModelBroken(f"{where} closed the connection ({type(error).__name__}); ask again")

    async def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise LanguageModelBroken(
                    f"{response.url} answers with {kind or 'no content type'} where an event stream was asked for"
                )
            return
        async with asyncio.timeout(self._waits.first_token_s):
            said = _message(await response.aread())
        where = f"the language model answers {response.status_code}: {said}"
        match response.status_code:
            case 401 | 403:
                raise LanguageModelRefused(f"the language model answers {response.status_code}; check RAG_LLM__API_KEY")
            case 404:
                raise LanguageModelRefused(f"{where}; check RAG_LLM__BASE_URL and RAG_LLM__MODEL")
            case 429:
                raise LanguageModelBusy(f"{where}; ask again in a moment")
            case status if 400 <= status < 500:
                raise LanguageModelRefused(where)
        raise LanguageModelBroken(f"{where}; ask again")


def _merge(events: Iterable[ServerSentEvent]) -> tuple[Piece, bool, LanguageModelError | None]:
    """One piece of what arrived together; whether that was all; what failed after it."""
    texts: list[str] = []
    finish_reason, usage, is_over, failure = None, None, False, None
    for event in events:
        if event.data == "[DONE]":
            is_over = True
            break
        try:
            chunk = _chunk(event.data)
        except LanguageModelError as error:
            failure = error
            break
        for choice in chunk.choices or ():
            texts.append((choice.delta and choice.delta.content) or "")
            finish_reason = choice.finish_reason or finish_reason
        if chunk.usage:
            usage = Usage(chunk.usage.prompt_tokens, chunk.usage.completion_tokens, chunk.usage.total_tokens)
    return Piece("".join(texts), finish_reason, usage), is_over, failure


def _chunk(data: str) -> "_Chunk":
    """Raises LanguageModelBroken for an error object, and for what is no chunk of a chat completion."""
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise LanguageModelBroken("the language model sent something that is no JSON; ask again") from error
    if isinstance(raw, dict) and (failure := raw.get("error")):
        said = failure.get("message") if isinstance(failure, dict) else failure
        raise LanguageModelBroken(f"the language model failed while answering: {said}")
    try:
        return _Chunk.model_validate(raw)
    except ValidationError as error:
        raise LanguageModelBroken("the language model sent JSON that is no chat completion; ask again") from error


class _Delta(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _RawUsage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class _Chunk(BaseModel):
    """What is read of a chunk; whatever else a server puts in is ignored."""

    choices: list[_Choice] | None = None
    usage: _RawUsage | None = None


def _message(body: bytes) -> str:
    try:
        error = orjson.loads(body).get("error")
        return str(error.get("message") if isinstance(error, dict) else error)[:300]
    except (orjson.JSONDecodeError, AttributeError):
        return body[:200].decode("utf-8", "replace") or "nothing"
