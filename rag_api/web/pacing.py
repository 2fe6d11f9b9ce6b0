"""A stream that is known beforehand, by which a client sees what the proxies in between do to streams."""

import asyncio
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Depends, Request

from rag_api.web.deps import READER
from rag_api.web.dialects.wire import event
from rag_api.web.sse import HEADERS
from rag_api.web.streaming import EventStream

TICKS = 10
PACE_S = 0.2
SEEN = ("accept-encoding", "via", "x-forwarded-for", "x-forwarded-proto", "forwarded")

router = APIRouter(prefix="/api/v1/pace", tags=["system"], dependencies=[Depends(READER)])


@router.get("", response_model=None)
async def pace(request: Request) -> EventStream:
    """Ten events, a fifth of a second apart, with the headers of an answer; the first says how the request came."""
    seen = {name: request.headers[name] for name in SEEN if name in request.headers}
    first = {"http_version": request.scope["http_version"], "headers": seen, "pace_s": PACE_S}

    async def ticks() -> AsyncGenerator[bytes, None]:
        for number in range(TICKS):
            if number:
                await asyncio.sleep(PACE_S)
            yield event({"tick": number} | ({} if number else first), "tick")

    return EventStream(ticks(), headers=HEADERS)
