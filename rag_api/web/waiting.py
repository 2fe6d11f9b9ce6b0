"""Runs as clients of other wires wait for them: who can't come back has stopped the answer by leaving."""

import asyncio
from contextlib import aclosing, suppress

from fastapi import Request
from fastapi.responses import JSONResponse

from rag_api.core.events import Answer, Failed, Retrieved, Started
from rag_api.services.runs import Run, Runs
from rag_api.web.errors import reply, status_of_code

BEGIN_S = 2.0  # how long a status waits for the answer's first word, to be the one of what goes wrong before it


async def failed_at_once(run: Run) -> Failed | None:
    """What went wrong before the first word, if it did so soon."""
    with suppress(TimeoutError):
        async with asyncio.timeout(BEGIN_S), aclosing(run.follow()) as batches:
            async for batch in batches:
                if any(not isinstance(logged.event, Started | Retrieved) for logged in batch):
                    break
    last = run.log[-1]
    return last if isinstance(last, Failed) else None


async def whole(request: Request, runs: Runs, run: Run) -> Answer:
    """The answer when it is over; it is stopped when the client leaves before."""
    leaving, answering = asyncio.ensure_future(_left(request)), asyncio.ensure_future(run.whole())
    try:
        await asyncio.wait([leaving, answering], return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
            await asyncio.wait([answering])
            runs.left(run, lingers=False)
            await run.join()
        return run.answer()
    finally:
        leaving.cancel()
        answering.cancel()


def failure(request: Request, failed: Failed) -> JSONResponse:
    status = status_of_code(failed.code)
    headers = {"Retry-After": "1"} if status == 503 else None
    return reply(request.url.path, failed.code, failed.message, status, headers=headers)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
