"""The embedder process: OpenAI-compatible embeddings on a Unix socket, batched."""

import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from rag_api import telemetry
from rag_api.backends.batching import Batcher
from rag_api.backends.sentence_transformer import SentenceTransformerModel, cores
from rag_api.errors import EmbedderUnavailable, TooBusy
from rag_api.settings import EmbedderSettings, load_settings


class Embeddings:
    """The routes of one model."""

    def __init__(self, model: SentenceTransformerModel, settings: EmbedderSettings) -> None:
        self._model = model
        self._batcher = Batcher(
            model.encode,
            batch_tokens=settings.batch_tokens,
            max_tokens=model.identity.max_tokens,
            queue_texts=settings.queue_texts,
            lanes=settings.threads or cores(),
        )

    def app(self) -> Starlette:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with self._batcher:
                yield

        routes = [
            Route("/v1/embeddings", self.embeddings, methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v1/tokenizer", self.tokenizer),
        ]
        return Starlette(routes=routes, lifespan=lifespan)

    async def embeddings(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        is_query = body.get("input_type") == "query"
        prompted = self._model.with_prompt(texts, "query" if is_query else "document")
        try:
            vectors = await self._batcher.embed(prompted, is_query=is_query)
        except TooBusy as error:
            return _json({"error": {"code": error.code, "message": str(error)}}, 503)
        data = [
            {"object": "embedding", "index": i, "embedding": base64.b64encode(vector.tobytes()).decode()}
            for i, vector in enumerate(vectors)
        ]
        return _json({"object": "list", "model": self._model.identity.model, "data": data})

    async def models(self, _: Request) -> Response:
        identity = self._model.identity
        card = {
            "id": identity.model,
            "object": "model",
            "fingerprint": identity.fingerprint,
            "dimension": identity.dimension,
            "max_tokens": identity.max_tokens,
            "number_format": self._model.number_format,
        }
        return _json({"object": "list", "data": [card]})

    async def tokenizer(self, _: Request) -> Response:
        file = self._model.tokenizer_file
        if not file.exists():
            return _json({"error": {"code": "not_found", "message": "this model has no tokenizer.json"}}, 404)
        return FileResponse(file)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def main() -> None:
    """`python -m rag_api.embedder SOCKET`. Ends with status 3 and a sentence when the model can't be loaded."""
    settings = load_settings()
    telemetry.configure_logging(process="embedder", level=settings.log_level, as_json=settings.log_json)
    chosen = settings.embedder
    try:
        model = SentenceTransformerModel(chosen.model, number_format=chosen.number_format)
    except EmbedderUnavailable as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)
    app = Embeddings(model, chosen).app()
    uvicorn.run(
        app,
        uds=sys.argv[1],
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=60,
    )


if __name__ == "__main__":
    main()
