"""A TCP proxy on loopback that cuts connections in the middle of what the server says, or keeps streams back."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

PIECE_BYTES = 65_536
LAST_CHUNK = b"0\r\n\r\n"


@dataclass
class CuttingProxy:
    """Connections whose answer comes to hold `word` are cut behind it, the next `cuts` times. With `holds`, an event
    stream is handed on when it is whole."""

    target_port: int
    url: str = ""
    word: bytes = b""
    cuts: int = 0
    holds: bool = False
    cut: int = field(default=0, init=False)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        ways = [
            asyncio.create_task(self._hand_on(reader, there_writer, may_cut=False)),
            asyncio.create_task(self._hand_on(there_reader, writer, may_cut=True)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            for end in (writer, there_writer):
                end.transport.abort()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, may_cut: bool) -> None:
        said = b""
        with suppress(ConnectionError):
            while piece := await reader.read(PIECE_BYTES):
                said += piece
                if may_cut and self.holds and b"event-stream" in said:
                    if not said.endswith(LAST_CHUNK):
                        continue
                    piece, said = said, b""
                writer.write(piece)
                await writer.drain()
                if may_cut and self.word and self.cut < self.cuts and self.word in said:
                    self.cut += 1
                    return


@contextmanager
def cutting_proxy(target_port: int) -> Iterator[CuttingProxy]:
    proxy, ready, stopped = CuttingProxy(target_port), threading.Event(), threading.Event()

    async def run() -> None:
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
            proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            ready.set()
            await asyncio.to_thread(stopped.wait)
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield proxy
    finally:
        stopped.set()
        thread.join()
