"""Language models whose server's bytes are given."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from rag_api.backends.anthropic import AnthropicModel
from rag_api.backends.chat_completions import ChatCompletionsModel
from rag_api.backends.upstream import Upstream, Waits
from rag_api.core.hits import IndexedChunk, Passage
from rag_api.core.ports import LanguageModel, Piece, Sampling
from rag_api.core.prompts import Message, Prompt

TEXTS = ("The bakery opens at six. It sells rye bread.", "Ask for Olga.\n")


def passage(n: int, text: str) -> Passage:
    chunk = IndexedChunk(f"c{n}", f"d{n}", 1, 0, f"Title {n}", "bakery.txt", None, "", 100, 100 + len(text), text, {})
    return Passage(n, chunk, 0.5, 0.5)


PASSAGES = tuple(passage(n, text) for n, text in enumerate(TEXTS, start=1))
PROMPT = Prompt((Message("system", "Be brief."), Message("user", "When? [passages]")), "When?", PASSAGES)


class Cut(httpx.AsyncByteStream):
    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@dataclass
class Server:
    """Answers every request with the next of these replies, or the last one again."""

    replies: list[httpx.Response]
    requests: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.content) for request in self.requests]


def reply(*pieces: bytes, status: int = 200, kind: str = "text/event-stream", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers={"Content-Type": kind, **named}, stream=Cut(pieces))


def upstream(server: Server, *, api_key: str = "sk-secret") -> Upstream:
    client = httpx.AsyncClient(base_url="http://llm.test/v1", transport=httpx.MockTransport(server))
    return Upstream(client, model="fake", waits=Waits(5, 5, 30), api_key=api_key)


def chat(server: Server, sampling: Sampling | None = None) -> ChatCompletionsModel:
    return ChatCompletionsModel(upstream(server), sampling=sampling or Sampling())


def anthropic(server: Server, *, sends_documents: bool = False) -> AnthropicModel:
    return AnthropicModel(upstream(server), sampling=Sampling(), sends_documents=sends_documents)


async def spoken(model: LanguageModel, prompt: Prompt = PROMPT, sampling: Sampling | None = None) -> list[Piece]:
    async with aclosing(model.stream(prompt, sampling or Sampling())) as pieces:
        return [piece async for piece in pieces]


def joined(pieces: Sequence[Piece]) -> Piece:
    """All of them in one."""
    return Piece(
        "".join(piece.text for piece in pieces),
        next((piece.finish_reason for piece in pieces if piece.finish_reason), None),
        next((piece.usage for piece in pieces if piece.usage), None),
        "".join(piece.reasoning for piece in pieces),
        tuple(quote for piece in pieces for quote in piece.quotes),
    )
