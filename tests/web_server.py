"""A small web server on loopback whose pages a test writes, and which tells what it was asked for."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Reply:
    """`pieces` are sent one by one, `pause_s` apart."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "text/html; charset=utf-8"
    pieces: tuple[bytes, ...] = ()
    pause_s: float = 0.0
    repeat: int = 1


@dataclass
class Site:
    pages: dict[str, Reply] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    port: int = 0
    answering: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def served(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Whoever is still being answered at the end is cut off."""
        async with await asyncio.start_server(self._begin, "127.0.0.1", 0, ssl=tls) as server:
            self.port = server.sockets[0].getsockname()[1]
            yield
        for task in self.answering:
            task.cancel()
        await asyncio.gather(*self.answering, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._answer(reader, writer))
        self.answering.add(task)
        task.add_done_callback(self.answering.discard)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            path = head.split(" ", 2)[1]
            self.asked.append(path)
            self.hosts += [line[6:] for line in head.split("\r\n") if line.lower().startswith("host: ")]
            reply = self.pages.get(path) or self.pages.get("*") or Reply(b"nothing here", 404)
            headers = {"Content-Type": reply.media_type, "Connection": "close", **reply.headers}
            if not reply.pieces:
                headers.setdefault("Content-Length", str(len(reply.body)))
            lines = [f"HTTP/1.1 {reply.status} x", *(f"{name}: {value}" for name, value in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body)
            for _ in range(reply.repeat):
                for piece in reply.pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(reply.pause_s)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # whoever asked has left
        finally:
            writer.close()


@asynccontextmanager
async def open_site(tls: ssl.SSLContext | None = None, **pages: Reply) -> AsyncIterator[Site]:
    """In this test's own loop; `home` stands for `/`, other names for their path."""
    site = Site({"/" if name == "home" else f"/{name}": reply for name, reply in pages.items()})
    async with site.served(tls):
        yield site


@contextmanager
def serve_site() -> Iterator[Site]:
    """In a thread, for tests that talk to it from other processes."""
    site, started = Site(), threading.Event()
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()

    async def live() -> None:
        async with site.served():
            started.set()
            await stopped.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()))
    thread.start()
    try:
        assert started.wait(10)
        yield site
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()
