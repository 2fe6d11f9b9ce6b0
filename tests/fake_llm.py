"""A scriptable language model over real HTTP: each request takes the next script, or says `default`."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Writer: TypeAlias = asyncio.StreamWriter
Script: TypeAlias = Callable[[Writer], Awaitable[None]]

HEAD = "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


async def send(writer: Writer, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


def chunk(text: str | None = None, **choice: Any) -> bytes:
    body = {"choices": [{"index": 0, "delta": {} if text is None else {"content": text}, **choice}]}
    return f"data: {json.dumps(body)}\n\n".encode()


async def begin(writer: Writer, status: str = "200 OK", kind: str = "text/event-stream") -> None:
    writer.write(HEAD.format(status=status, kind=kind).encode())
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


def refuses(status: str, message: str) -> Script:
    async def script(writer: Writer) -> None:
        await begin(writer, status, "application/json")
        await send(writer, json.dumps({"error": {"message": message}}).encode())
        writer.write(b"0\r\n\r\n")

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
    scripts: deque[Script] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    open: int = 0
    closed_by_peer: threading.Event = field(default_factory=threading.Event)

    def then(self, *scripts: Script) -> None:
        self.scripts.extend(scripts)

    def reset(self) -> None:
        self.scripts.clear()
        self.requests.clear()
        self.headers.clear()
        self.closed_by_peer.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.open += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            lengths = [line for line in head.lower().split("\r\n") if line.startswith("content-length:")]
            body = await reader.readexactly(int(lengths[0].split(":")[1])) if lengths else b"{}"
            self.headers.append(head)
            self.requests.append(json.loads(body))
            script = self.scripts.popleft() if self.scripts else self.default
            await self._play(script, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.closed_by_peer.set()
        finally:
            self.open -= 1
            writer.close()

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
