"""A language model that says what it is told to at a given pace: `python -m bench.paced PORT FIRST_MS TOKEN_MS`.

A process of its own, so that it costs the measured ones nothing but its share of the processor.
"""

import asyncio
import json
import re
import sys
import time

TOKENS = 200
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def said(delta: dict[str, str], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return chunk(f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n".encode())


TEXTS = [said({"content": f" tok{i:03}"}) for i in range(TOKENS)]
END = said({}, "stop") + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


async def main(port: int, first_s: float, token_s: float) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if length := re.search(rb"(?i)content-length: *(\d+)", head):
                    await reader.readexactly(int(length[1]))
                await answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        at = time.monotonic() + first_s
        for text in TEXTS:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            writer.write(text)
            at += token_s
        writer.write(END)

    async with await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) / 1000, int(sys.argv[3]) / 1000))
