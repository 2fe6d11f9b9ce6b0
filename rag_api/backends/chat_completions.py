"""Any server that speaks OpenAI's chat completions, streaming."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import orjson

from rag_api.backends.upstream import Reply, Upstream, said_by
from rag_api.core.ports import Piece, Sampling, Usage
from rag_api.core.prompts import Prompt
from rag_api.core.thinking import ThinkingParter
from rag_api.errors import LanguageModelError, LanguageModelRefused
from rag_api.eventstream import ServerSentEvent

PATH = "chat/completions"
Made = TypeVar("Made", list[Any], dict[str, Any], str)


class ChatCompletionsModel:
    def __init__(self, upstream: Upstream, *, sampling: Sampling) -> None:
        self._upstream = upstream
        self._sampling = sampling
        self._counts_tokens = True
        self._limit_name = "max_tokens"
        self.name = upstream.model

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        is_understood = False
        while not is_understood:
            try:
                async with self._upstream.ask(PATH, self._body(prompt, sampling)) as reply:
                    is_understood = True
                    prompt.let_go()
                    async with aclosing(_pieces(reply, self._upstream)) as pieces:
                        async for piece in pieces:
                            yield piece
            except LanguageModelRefused as error:
                if is_understood or not self._adapt(self._body(prompt, sampling), str(error)):
                    raise

    def _body(self, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        temperature = self._sampling.temperature if sampling.temperature is None else sampling.temperature
        max_tokens = sampling.max_tokens or self._sampling.max_tokens
        return {
            "model": self.name,
            "messages": [{"role": message.role, "content": message.text} for message in prompt.messages],
            "stream": True,
            **({"stream_options": {"include_usage": True}} if self._counts_tokens else {}),
            **({} if temperature is None else {"temperature": temperature}),
            **({} if max_tokens is None else {self._limit_name: max_tokens}),
        }

    def _adapt(self, body: Mapping[str, Any], said: str) -> bool:
        """Whether to say it otherwise, from now on: servers differ in which fields of a request they know."""
        if "stream_options" in body and "stream_options" in said:
            self._counts_tokens = False
            return True
        if "max_tokens" in body and "max_completion_tokens" in said:
            self._limit_name = "max_completion_tokens"
            return True
        return False


async def _pieces(reply: Reply, upstream: Upstream) -> AsyncGenerator[Piece, None]:
    """One piece for all that arrived together; the last says why it ended."""
    reading = _Reading(upstream)
    if reply.whole is not None:
        yield reading.whole(reply.whole)
    while reply.whole is None and not reading.is_over and (events := await reply.read()) is not None:
        piece = reading.merge(events)
        if reading.was_heard:
            reply.heard()
        if piece.text or piece.reasoning:
            yield piece
        if reading.failure:
            raise reading.failure
    yield reading.end()


class _Reading:
    """What one reply has said so far."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._thinking = ThinkingParter()
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self._has_text = self._has_thought = False
        self.was_heard = False  # the last merge held a token, if only one that is held back
        self.is_over = False
        self.failure: LanguageModelError | None = None

    def merge(self, events: Iterable[ServerSentEvent]) -> Piece:
        """What came before a failure is kept; `failure` is then to be raised."""
        texts: list[str] = []
        thoughts: list[str] = []
        for event in events:
            if event.data == "[DONE]":
                self.is_over = True
                self._finish_reason = self._finish_reason or "stop"
                break
            try:
                self._take(_parsed(event.data, self._upstream), "delta", texts, thoughts)
            except LanguageModelError as error:
                self.failure = error
                break
        return self._parted("".join(texts), "".join(thoughts))

    def whole(self, found: Any) -> Piece:
        """Of a server that answers at once. Raises LanguageModelError."""
        texts: list[str] = []
        thoughts: list[str] = []
        self._take(_checked(found, self._upstream), "message", texts, thoughts)
        self._finish_reason = self._finish_reason or "stop"
        return self._parted("".join(texts), "".join(thoughts))

    def end(self) -> Piece:
        """The last piece. Raises LanguageModelBroken for an answer that is none."""
        reasoning, text = self._thinking.finish()
        has_text, why = self._has_text or bool(text), self._finish_reason
        if why is None and (has_text or self._has_thought):
            raise self._upstream.broken("broke off in the middle of its answer; ask again")
        if not has_text:
            raise self._upstream.unsaid(why, has_thought=self._has_thought)
        return Piece(text, why, self._usage, reasoning)

    def _parted(self, content: str, thought: str) -> Piece:
        parted, text = self._thinking.feed(content) if content else ("", "")
        self.was_heard = bool(content or thought)
        self._has_text = self._has_text or bool(text)
        self._has_thought = self._has_thought or bool(thought or parted)
        return Piece(text, reasoning=thought + parted)

    def _take(self, chunk: Mapping[str, Any], field: str, texts: list[str], thoughts: list[str]) -> None:
        """Raises LanguageModelBroken for what is no part of a chat completion."""
        for found in self._made_of(list, chunk.get("choices")):
            choice = self._made_of(dict, found)
            said = self._made_of(dict, choice.get(field))
            if content := said.get("content") or said.get("refusal"):
                texts.append(self._made_of(str, content))
            if thought := said.get("reasoning_content") or said.get("reasoning"):
                thoughts.append(self._made_of(str, thought))
            if reason := choice.get("finish_reason"):
                self._finish_reason = self._made_of(str, reason)
        if usage := chunk.get("usage"):
            self._usage = _usage(usage)

    def _made_of(self, kind: type[Made], value: Any) -> Made:
        """The value, or an empty one of its kind where there is none."""
        if isinstance(value, kind):
            return value
        if value is None:
            return kind()
        raise self._upstream.broken("sent JSON that is no chat completion; ask again")


def _parsed(data: str, upstream: Upstream) -> Mapping[str, Any]:
    try:
        return _checked(orjson.loads(data), upstream)
    except orjson.JSONDecodeError as error:
        raise upstream.broken("sent something that is no JSON; ask again") from error


def _checked(found: Any, upstream: Upstream) -> Mapping[str, Any]:
    """Raises LanguageModelError for an error object."""
    if not isinstance(found, dict):
        raise upstream.broken("sent JSON that is no chat completion; ask again")
    if error := found.get("error"):
        code = error.get("code") if isinstance(error, dict) else None
        if isinstance(code, int) and code >= 400:
            raise upstream.refusal(code, said_by(error))
        raise upstream.broken(f"failed while answering: {upstream.redacted(said_by(error))}", passes=True)
    return found


def _usage(raw: Any) -> Usage | None:
    if not isinstance(raw, dict):
        return None
    prompt, completion = _count(raw, "prompt_tokens"), _count(raw, "completion_tokens")
    details = raw.get("completion_tokens_details")
    thought = details.get("reasoning_tokens") if isinstance(details, dict) else None
    reasoning = thought if isinstance(thought, int) else None
    return Usage(prompt, completion, _count(raw, "total_tokens") or prompt + completion, reasoning)


def _count(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name)
    return value if isinstance(value, int) else 0
