"""Many streams of one model at once, over real connections."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import httpx

from rag_api.backends.chat_completions import ChatCompletionsModel
from rag_api.backends.http import open_client
from rag_api.backends.upstream import MANY, Upstream, Waits
from rag_api.core.ports import Sampling
from rag_api.errors import LanguageModelBroken
from tests.backends.model_streams import PROMPT

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKENS = tuple(f"token{i} " for i in range(20))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def said(text: str) -> bytes:
    return chunk(f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n".encode())


@asynccontextmanager
async def serving(*, is_cut: bool = False) -> AsyncIterator[ChatCompletionsModel]:
    """Says a token a millisecond once all are there, and then perhaps hangs up."""
    everybody = asyncio.Barrier(MANY + 1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + said(TOKENS[0]))
        await everybody.wait()
        for token in TOKENS[1:]:
            await asyncio.sleep(0.001)
            writer.write(said(token))
        if not is_cut:
            writer.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, backlog=MANY + 1) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/"
        async with open_client(url, timeout=httpx.Timeout(None, connect=5)) as client:
            yield ChatCompletionsModel(Upstream(client, model="fake", waits=Waits(10, 10, 30)), sampling=Sampling())


async def texts(model: ChatCompletionsModel) -> tuple[list[str], str]:
    """The pieces, and what went wrong."""
    found: list[str] = []
    try:
        async with aclosing(model.stream(PROMPT, Sampling())) as pieces:
            async for piece in pieces:
                found.append(piece.text)
    except LanguageModelBroken as error:
        return found, error.code
    return found, ""


async def asked(model: ChatCompletionsModel) -> Sequence[tuple[list[str], str]]:
    async with asyncio.timeout(30):
        return await asyncio.gather(*(texts(model) for _ in range(MANY + 1)))


async def test_where_many_stream_tokens_go_together_and_none_is_lost() -> None:
    async with serving() as model:
        found = await asked(model)
    assert {("".join(pieces), problem) for pieces, problem in found} == {("".join(TOKENS), "")}
    assert all(len(pieces) < len(TOKENS) for pieces, _ in found)


async def test_a_cut_is_told_and_what_was_read_before_is_kept() -> None:
    async with serving(is_cut=True) as model:
        found = await asked(model)
    assert {problem for _, problem in found} == {"language_model_broken"}
    assert all(pieces and "".join(TOKENS).startswith("".join(pieces)) for pieces, _ in found)
