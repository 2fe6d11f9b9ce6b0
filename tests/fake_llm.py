"""A scriptable language model over real HTTP: each request takes the next script, or says the default.

It speaks OpenAI's chat completions and Anthropic's messages; GET lists its models.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Writer: TypeAlias = asyncio.StreamWriter
Script: TypeAlias = Callable[[Writer], Awaitable[None]]

HEAD = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{more}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


async def send(writer: Writer, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


def chunk(text: str | None = None, **choice: Any) -> bytes:
    body = {"choices": [{"index": 0, "delta": {} if text is None else {"content": text}, **choice}]}
    return f"data: {json.dumps(body)}\n\n".encode()


async def begin(writer: Writer, status: str = "200 OK", kind: str = "text/event-stream", **headers: str) -> None:
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    writer.write(HEAD.format(status=status, kind=kind, more=more).encode())
    await writer.drain()


def says(*pieces: str, delay_s: float = 0.0, usage: bool = True) -> Script:
    async def script(writer: Writer) -> None:
        await begin(writer)
        for piece in pieces:
            await asyncio.sleep(delay_s)
            await send(writer, chunk(piece))
        await send(writer, chunk(finish_reason="stop"))
        if usage:
            total = {"prompt_tokens": 7, "completion_tokens": len(pieces), "total_tokens": 7 + len(pieces)}
            await send(writer, f"data: {json.dumps({'choices': [], 'usage': total})}\n\n".encode())
        await send(writer, b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    return script


def refuses(status: str, message: str, **headers: str) -> Script:
    """An error in both protocols' form."""

    async def script(writer: Writer) -> None:
        await begin(writer, status, "application/json", **headers)
        await send(writer, json.dumps({"type": "error", "error": {"message": message}}).encode())
        writer.write(b"0\r\n\r\n")

    return script


def event(type_: str, **data: Any) -> bytes:
    """One event of Anthropic's protocol."""
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **data})}\n\n".encode()


def delta(index: int, type_: str, **data: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": type_, **data})


def cites(document_index: int, start: int, end: int, cited_text: str) -> dict[str, Any]:
    return {
        "type": "char_location",
        "document_index": document_index,
        "start_char_index": start,
        "end_char_index": end,
        "cited_text": cited_text,
    }


Block: TypeAlias = str | tuple[str, list[dict[str, Any]]]


def message(*blocks: Block, thinking: str = "", stop_reason: str = "end_turn", usage: bool = True) -> list[bytes]:
    """Anthropic's events of a whole message: each block a text, or a text with what it cites."""
    counted = {"usage": {"input_tokens": 11, "output_tokens": 1}} if usage else {}
    found = [event("message_start", message={"id": "msg_1", "role": "assistant", "content": [], **counted})]
    found += [event("ping")]
    if thinking:
        found += [event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})]
        found += [delta(0, "thinking_delta", thinking=thinking), delta(0, "signature_delta", signature="c2ln")]
        found += [event("content_block_stop", index=0)]
    for i, block in enumerate(blocks, start=bool(thinking)):
        text, cited = (block, []) if isinstance(block, str) else block
        found += [event("content_block_start", index=i, content_block={"type": "text", "text": ""})]
        found += [delta(i, "text_delta", text=text)]
        found += [delta(i, "citations_delta", citation=citation) for citation in cited]
        found += [event("content_block_stop", index=i)]
    ended = {"usage": {"output_tokens": 5}} if usage else {}
    return [*found, event("message_delta", delta={"stop_reason": stop_reason}, **ended), event("message_stop")]


def writes(*blocks: Block, delay_s: float = 0.0, **options: Any) -> Script:
    """What `says` does, in Anthropic's protocol."""

    async def script(writer: Writer) -> None:
        await begin(writer)
        for data in message(*blocks, **options):
            await asyncio.sleep(delay_s)
            await send(writer, data)
        writer.write(b"0\r\n\r\n")

    return script


def cuts() -> Script:
    """The connection, before it has answered anything."""

    async def script(writer: Writer) -> None:
        writer.transport.abort()

    return script


def sends(*raw: bytes, kind: str = "text/event-stream", ends: bool = True) -> Script:
    """These bytes as they are; `ends` False breaks the connection in the middle of the body."""

    async def script(writer: Writer) -> None:
        await begin(writer, kind=kind)
        for data in raw:
            await send(writer, data)
        if ends:
            writer.write(b"0\r\n\r\n")

    return script


def hangs(*pieces: str, before_head: bool = False) -> Script:
    async def script(writer: Writer) -> None:
        if not before_head:
            await begin(writer)
        for piece in pieces:
            await send(writer, chunk(piece))
        await asyncio.sleep(3600)

    return script


@dataclass
class FakeLanguageModel:
    url: str = ""
    default: Script = field(default_factory=lambda: says("Hello [1]."))
    default_message: Script = field(default_factory=lambda: writes("Hello [1]."))
    models: Sequence[str] = ("fake",)
    key: str = ""  # without it, the list of models is refused
    scripts: deque[Script] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    open: int = 0
    asked: threading.Event = field(default_factory=threading.Event)
    closed_by_peer: threading.Event = field(default_factory=threading.Event)

    def then(self, *scripts: Script) -> None:
        self.scripts.extend(scripts)

    def reset(self) -> None:
        self.scripts.clear()
        self.requests.clear()
        self.headers.clear()
        self.asked.clear()
        self.closed_by_peer.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            body = await reader.readexactly(int(lengths[0].split(":")[1])) if lengths else b"{}"
            if head.startswith("GET"):
                await self._list_models(head, writer)
                return
            self.headers.append(head)
            self.requests.append(json.loads(body))
            self.asked.set()
            default = self.default_message if "/messages " in head else self.default
            script = self.scripts.popleft() if self.scripts else default
            await self._play(script, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed_by_peer.set()
        finally:
            self.open -= 1
            writer.close()

    async def _list_models(self, head: str, writer: Writer) -> None:
        refused = self.key not in head
        listed = {"error": {"message": "bad key"}} if refused else {"data": [{"id": name} for name in self.models]}
        await begin(writer, "401 Unauthorized" if refused else "200 OK", "application/json")
        await send(writer, json.dumps(listed).encode())
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _play(self, script: Script, reader: asyncio.StreamReader, writer: Writer) -> None:
        playing = asyncio.ensure_future(script(writer))
        left = asyncio.ensure_future(reader.read(1))
        done, _ = await asyncio.wait([playing, left], return_when=asyncio.FIRST_COMPLETED)
        if left in done and playing not in done:
            self.closed_by_peer.set()
        for task in (playing, left):
            task.cancel()
        await asyncio.gather(playing, left, return_exceptions=True)


@contextmanager
def fake_language_model() -> Iterator[FakeLanguageModel]:
    model, ready, stopped = FakeLanguageModel(), threading.Event(), threading.Event()

    async def run() -> None:
        async with await asyncio.start_server(model.serve, "127.0.0.1", 0) as server:
            model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            ready.set()
            await asyncio.to_thread(stopped.wait)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield model
    finally:
        stopped.set()
        thread.join()
