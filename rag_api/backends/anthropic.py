"""Anthropic's Messages API, streaming.

With `sends_documents` the passages go as documents and the model's own citations are asked for; a marker of ours is put
behind each text that it cites for, so that one way leads from marker to citation whichever model wrote it.
"""

import re
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import orjson

from rag_api.backends.anthropic_documents import CITE_BY_DOCUMENTS, document, number, quote
from rag_api.backends.upstream import Reply, Upstream, said_by
from rag_api.core.hits import Passage
from rag_api.core.ports import Piece, Sampling, Usage
from rag_api.core.prompts import Prompt
from rag_api.errors import LanguageModelError
from rag_api.eventstream import ServerSentEvent

PATH = "messages"
MAX_TOKENS = 4096  # it wants a limit
FINISH_REASONS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "refusal": "content_filter"}
STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
PROMPT_TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_MARKERS = re.compile(r"(?:\[[\d,; ]{1,20}\]\s*)+[.,;:!?]?\Z")
TAIL_CHARS = 80


class AnthropicModel:
    def __init__(self, upstream: Upstream, *, sampling: Sampling, sends_documents: bool) -> None:
        self._upstream = upstream
        self._sampling = sampling
        self._sends_documents = sends_documents
        self.name = upstream.model

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        async with (
            self._upstream.ask(PATH, self._body(prompt, sampling)) as reply,
            aclosing(_pieces(reply, _Reading(self._upstream, prompt.passages))) as pieces,
        ):
            prompt.let_go()
            async for piece in pieces:
                yield piece

    def _body(self, prompt: Prompt, sampling: Sampling) -> dict[str, Any]:
        temperature = self._sampling.temperature if sampling.temperature is None else sampling.temperature
        system = [message.text for message in prompt.messages if message.role == "system"]
        messages: list[dict[str, Any]] = [
            {"role": message.role, "content": message.text} for message in prompt.messages if message.role != "system"
        ]
        if self._sends_documents and prompt.passages:
            system.append(CITE_BY_DOCUMENTS)
            question = {"type": "text", "text": prompt.question}
            messages[-1] = {"role": "user", "content": [*map(document, prompt.passages), question]}
        return {
            "model": self.name,
            "max_tokens": sampling.max_tokens or self._sampling.max_tokens or MAX_TOKENS,
            **({"system": "\n\n".join(system)} if system else {}),
            "messages": messages,
            "stream": True,
            **({} if temperature is None else {"temperature": temperature}),
        }


async def _pieces(reply: Reply, reading: "_Reading") -> AsyncGenerator[Piece, None]:
    """What arrived together comes in one piece, and each citation in one of its own."""
    if reply.whole is not None:
        reading.take_whole(reply.whole)
        for piece in reading.given():
            yield piece
    while reply.whole is None and not reading.is_over and (events := await reply.read()) is not None:
        reading.take(events)
        if reading.was_heard:
            reply.heard()
        for piece in reading.given():
            yield piece
        if reading.failure:
            raise reading.failure
    yield reading.end()


class _Reading:
    """What one reply has said so far."""

    def __init__(self, upstream: Upstream, passages: Sequence[Passage]) -> None:
        self._upstream = upstream
        self._passages = passages
        self._pieces: list[Piece] = []
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._space = ""  # at the end of what a block has said: a marker goes before it
        self._tail = ""
        self._cited: list[Mapping[str, Any]] = []
        self._usage: dict[str, int] = {}
        self._stop_reason: str | None = None
        self._has_text = self._has_thought = False
        self.was_heard = False
        self.is_over = False
        self.failure: LanguageModelError | None = None

    def take(self, events: Iterable[ServerSentEvent]) -> None:
        """What came before a failure is kept; `failure` is then to be raised."""
        self.was_heard = False
        for event in events:
            try:
                self._take(_parsed(event.data, self._upstream))
            except LanguageModelError as error:
                self.failure = error
                return
            if self.is_over:
                return

    def take_whole(self, message: Any) -> None:
        """Of a server that answers at once. Raises LanguageModelError."""
        if isinstance(message, dict) and message.get("type") == "error":
            self._take(message)
        if not isinstance(message, dict) or not isinstance(message.get("content"), list):
            raise self._upstream.broken("sent JSON that is no message; ask again")
        for block in message["content"]:
            self._take({"type": "content_block_start", "content_block": block})
            self._take({"type": "content_block_stop"})
        self._take({"type": "message_delta", "delta": message, "usage": message.get("usage")})
        self._stop_reason = self._stop_reason or "end_turn"

    def given(self) -> list[Piece]:
        """What can be told of what was taken since the last time."""
        self._flush()
        pieces, self._pieces = self._pieces, []
        return pieces

    def end(self) -> Piece:
        """The last piece. Raises LanguageModelBroken for an answer that is none."""
        why = self._stop_reason
        if why is None and (self._has_text or self._has_thought):
            raise self._upstream.broken("broke off in the middle of its answer; ask again")
        if not self._has_text:
            raise self._upstream.unsaid(why, has_thought=self._has_thought)
        return Piece(self._space, FINISH_REASONS.get(why or "", why), self._counted())

    def _take(self, event: Mapping[str, Any]) -> None:
        match event.get("type"):
            case "message_start":
                self._count(_part(event, "message").get("usage"))
            case "content_block_start":
                self._say(_part(event, "content_block"))
            case "content_block_delta":
                self._say(_part(event, "delta"))
            case "content_block_stop":
                self._mark()
            case "message_delta":
                self._stop_reason = self._text(_part(event, "delta"), "stop_reason") or self._stop_reason
                self._count(event.get("usage"))
            case "message_stop":
                self.is_over = True
                self._stop_reason = self._stop_reason or "end_turn"
            case "error":
                error = _part(event, "error")
                raise self._upstream.refusal(STATUS.get(str(error.get("type")), 500), said_by(error))

    def _say(self, said: Mapping[str, Any]) -> None:
        """A block as it begins, or what is added to it."""
        if text := self._text(said, "text"):
            whole = self._space + text
            shown = whole.rstrip()
            self._space = whole[len(shown) :]
            self._texts.append(shown)
            self._tail = (self._tail + shown)[-TAIL_CHARS:]
            self._has_text = self._has_text or bool(shown)
            self.was_heard = True
        if thought := self._text(said, "thinking"):
            self._thoughts.append(thought)
            self._has_thought = self.was_heard = True
        found = said.get("citations")
        cited = found if isinstance(found, list) else [said.get("citation")]
        self._cited += [one for one in cited if isinstance(one, dict)]

    def _text(self, said: Mapping[str, Any], name: str) -> str:
        value = said.get(name) or ""
        if not isinstance(value, str):
            raise self._upstream.broken(f"sent a message whose {name} is no text; ask again")
        return value

    def _mark(self) -> None:
        """Puts the markers of what a block cited behind its text."""
        cited, self._cited = self._cited, []
        written = _MARKERS.search(self._tail)
        there = {int(n) for n in re.findall(r"\d+", written[0])} if written else set()
        named = dict.fromkeys(number(one, self._passages) for one in cited)
        numbers = [n for n in named if n and n not in there]
        self._tail = ""
        if numbers:
            self._flush()
            quotes = tuple(found for one in cited if (found := quote(one, self._passages)))
            self._pieces.append(Piece(" " + "".join(f"[{n}]" for n in numbers), quotes=quotes))

    def _flush(self) -> None:
        if self._texts or self._thoughts:
            piece = Piece("".join(self._texts), reasoning="".join(self._thoughts))
            self._texts.clear()
            self._thoughts.clear()
            if piece.text or piece.reasoning:
                self._pieces.append(piece)

    def _count(self, usage: Any) -> None:
        """Its numbers are totals: a later one replaces an earlier one."""
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in usage.items() if isinstance(count, int)}

    def _counted(self) -> Usage | None:
        prompt = sum(self._usage.get(name, 0) for name in PROMPT_TOKENS)
        completion = self._usage.get("output_tokens", 0)
        return Usage(prompt, completion, prompt + completion) if prompt or completion else None


def _parsed(data: str, upstream: Upstream) -> Mapping[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise upstream.broken("sent something that is no JSON; ask again") from error
    if not isinstance(found, dict):
        raise upstream.broken("sent JSON that is no event of a message; ask again")
    return found


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = event.get(name)
    return part if isinstance(part, dict) else {}
