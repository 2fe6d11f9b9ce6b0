"""The embedder process: OpenAI-compatible embeddings on a Unix socket, batched; and a reranker, where one is set."""

import asyncio
import base64
import signal
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ingest.ports import Vectors
from rag_api import garbage, telemetry
from rag_api.backends.apart import Apart
from rag_api.backends.batching import Batcher
from rag_api.backends.cross_encoder import CrossEncoderModel, load_library
from rag_api.backends.sentence_transformer import SentenceTransformerModel, cores
from rag_api.errors import EmbedderUnavailable, RagError, RerankerUnavailable, TooBusy
from rag_api.settings import EmbedderSettings, RerankerSettings, load_settings
from rag_api.telemetry import log

RANKINGS_WAITING = 16
FORKED_S = 60.0  # until a forked process has embedded a sentence


class Embeddings:
    """The routes. The model of the settings is there from the start; collections that were indexed with another one
    have theirs loaded when they first ask for it, and the one that was asked for least lately makes room."""

    def __init__(
        self,
        model: SentenceTransformerModel,
        settings: EmbedderSettings,
        *,
        kept: Path,
        encode_documents: Callable[[list[str]], Vectors] | None = None,
    ) -> None:
        self._settings = settings
        self._kept = kept
        self._default = self._served(model, encode_documents)
        self._others: OrderedDict[str, _Served] = OrderedDict()
        self._loading = asyncio.Lock()

    def _served(
        self, model: SentenceTransformerModel, encode_documents: Callable[[list[str]], Vectors] | None = None
    ) -> "_Served":
        settings = self._settings
        batcher = Batcher(
            model.encode,
            batch_tokens=settings.batch_tokens,
            max_tokens=model.identity.max_tokens,
            queue_texts=settings.queue_texts,
            lanes=settings.threads or cores(),
            encode_documents=encode_documents,
        )
        return _Served(model, batcher)

    def app(self, rankings: "Rankings") -> Starlette:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with self._default.batcher, rankings:
                yield
            for served in self._others.values():
                await served.batcher.__aexit__(None, None, None)

        routes = [
            Route("/v1/embeddings", self.embeddings, methods=["POST"]),
            Route("/v1/models", self.models),
            Route("/v1/tokenizer", self.tokenizer),
            Route("/v1/rerank", rankings.rerank, methods=["POST"]),
        ]
        return Starlette(routes=routes, lifespan=lifespan, exception_handlers={EmbedderUnavailable: _unavailable})

    async def _of(self, name: str | None) -> "_Served":
        """Raises EmbedderUnavailable for a model that can't be loaded."""
        if not name or name == self._default.model.identity.model:
            return self._default
        async with self._loading:
            if name not in self._others:
                model = await asyncio.to_thread(
                    SentenceTransformerModel, name, number_format=self._settings.number_format, kept=self._kept
                )
                log(__name__).info("loaded", model=name, fingerprint=model.identity.fingerprint)
                self._others[name] = self._served(model)
                await self._others[name].batcher.__aenter__()
            self._others.move_to_end(name)
            if len(self._others) > self._settings.other_models:
                _, oldest = self._others.popitem(last=False)
                await oldest.batcher.__aexit__(None, None, None)
            return self._others[name]

    async def embeddings(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        is_query = body.get("input_type") == "query"
        served = await self._of(body.get("model"))
        prompted = served.model.with_prompt(texts, "query" if is_query else "document")
        try:
            vectors = await served.batcher.embed(prompted, is_query=is_query)
        except TooBusy as error:
            return _error(error, 503)
        data = [
            {"object": "embedding", "index": i, "embedding": base64.b64encode(vector.tobytes()).decode()}
            for i, vector in enumerate(vectors)
        ]
        return _json({"object": "list", "model": served.model.identity.model, "data": data})

    async def models(self, request: Request) -> Response:
        """Those that are loaded; `?model=` loads that one first."""
        await self._of(request.query_params.get("model"))
        return _json({"object": "list", "data": [_card(one.model) for one in (self._default, *self._others.values())]})

    async def tokenizer(self, request: Request) -> Response:
        file = (await self._of(request.query_params.get("model"))).model.tokenizer_file
        if not file.exists():
            return _json({"error": {"code": "not_found", "message": "this model has no tokenizer.json"}}, 404)
        return FileResponse(file)


class Rankings:
    """The route of the reranker. Its model is loaded beside the first questions; one call is worked on at a time."""

    def __init__(self, settings: RerankerSettings) -> None:
        self._name = settings.model if settings.kind == "cross_encoder" else ""
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._model: CrossEncoderModel | None = None
        self._problem = "its model is being loaded" if self._name else "none is set in RAG_RERANKER__MODEL"
        self._loading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Rankings":
        if self._name:
            self._loading = asyncio.create_task(self._load())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._loading:
            self._loading.cancel()

    async def _load(self) -> None:
        try:
            self._model = await asyncio.to_thread(CrossEncoderModel, self._name)
        except RerankerUnavailable as error:
            self._problem = str(error)
            log(__name__).error("reranker unavailable", reason=self._problem)
        else:
            log(__name__).info("loaded", model=self._name)

    async def rerank(self, request: Request) -> Response:
        body = orjson.loads(await request.body())
        if self._model is None:
            return _error(RerankerUnavailable(self._problem), 503)
        if self._waiting >= RANKINGS_WAITING:
            return _error(TooBusy("the reranker has enough to do: try again in a moment"), 503)
        self._waiting += 1
        try:
            async with self._turn:
                if await request.is_disconnected():
                    return Response(status_code=499)  # who asked has gone on without it
                scores = await asyncio.to_thread(self._model.scores, body["query"], body["documents"])
        finally:
            self._waiting -= 1
        return _json({"results": [{"index": at, "relevance_score": score} for at, score in enumerate(scores)]})


@dataclass(frozen=True, slots=True)
class _Served:
    model: SentenceTransformerModel
    batcher: Batcher


def _card(model: SentenceTransformerModel) -> dict[str, Any]:
    identity = model.identity
    return {
        "id": identity.model,
        "object": "model",
        "fingerprint": identity.fingerprint,
        "dimension": identity.dimension,
        "max_tokens": identity.max_tokens,
        "number_format": model.number_format,
    }


async def _unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, EmbedderUnavailable)
    return _error(error, 404)


def _error(error: RagError, status: int) -> Response:
    return _json({"error": {"code": error.code, "message": str(error)}}, status)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def main() -> None:
    """`python -m rag_api.embedder SOCKET`. Ends with status 3 and a sentence when the model can't be loaded."""
    garbage.wait()
    settings = load_settings()
    telemetry.configure_logging(process="embedder", level=settings.log_level, as_json=settings.log_json)
    chosen = settings.embedder
    kept = Path(chosen.cache) if chosen.cache else settings.home / "cache" / "models"
    try:
        model = SentenceTransformerModel(chosen.model, number_format=chosen.number_format, kept=kept)
    except EmbedderUnavailable as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(3)
    garbage.settle()
    apart = _documents_apart(model, chosen) if sys.platform == "linux" else None
    if settings.reranker.kind == "cross_encoder":
        load_library()
    app = Embeddings(model, chosen, kept=kept, encode_documents=apart).app(Rankings(settings.reranker))
    uvicorn.run(
        app,
        uds=sys.argv[1],
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=2,
        timeout_keep_alive=60,
    )


def _documents_apart(model: SentenceTransformerModel, settings: EmbedderSettings) -> Apart[list[str], Vectors] | None:
    """When it ends, so does this process, which whoever started it starts again. None where a forked process is of no
    use: documents then have threads."""

    def end() -> None:
        log(__name__).error("the process that embeds documents has ended; starting anew")
        signal.raise_signal(signal.SIGTERM)

    apart = Apart(model.encode, begin=model.forked, threads=settings.threads or cores(), on_end=end)
    if apart.answers(["Is anybody there?"], within_s=FORKED_S):
        return apart
    log(__name__).warning("a forked process does not embed; documents are embedded in this one")
    return None


if __name__ == "__main__":
    main()
