"""The least that a service could do with a language model's stream: `python -m bench.floor PORT MODEL_URL`.

Starlette, httpx and sse-starlette as their manuals show them; no search, no log, no citations.
"""

import sys
from collections.abc import AsyncIterator

import httpx
import orjson
import uvicorn
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route


def create_app(model_url: str) -> Starlette:
    limits = httpx.Limits(max_connections=1000, max_keepalive_connections=1000)
    client = httpx.AsyncClient(timeout=60, limits=limits)

    async def relay(request: Request) -> EventSourceResponse:
        question = (await request.json())["question"]
        return EventSourceResponse(_tokens(client, model_url, question))

    return Starlette(routes=[Route("/api/v1/answers", relay, methods=["POST"])])


async def _tokens(client: httpx.AsyncClient, url: str, question: str) -> AsyncIterator[dict[str, str]]:
    body = {"model": "paced", "stream": True, "messages": [{"role": "user", "content": question}]}
    async with client.stream("POST", f"{url}/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                [choice] = orjson.loads(line[6:])["choices"]
                if text := choice["delta"].get("content"):
                    yield {"event": "text", "data": orjson.dumps({"text": text}).decode()}


if __name__ == "__main__":
    uvicorn.run(create_app(sys.argv[2]), port=int(sys.argv[1]), log_level="error")
