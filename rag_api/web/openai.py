"""OpenAI's wires: any client of theirs works with this server's address and a collection for a model."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from fastapi.responses import Response

from rag_api.core.filters import parse_filter
from rag_api.core.principals import Principal
from rag_api.core.prompts import Message
from rag_api.core.tasks import is_task
from rag_api.errors import CollectionNotFound, InvalidParameter, ModelNotFound
from rag_api.services.answerer import Ask
from rag_api.services.library import DEFAULT_COLLECTION
from rag_api.services.runs import Run
from rag_api.web import sse
from rag_api.web.deps import Reader, Wired
from rag_api.web.dialects import dialogue, file_search
from rag_api.web.dialects.chat_completions import ChatCompletionStream, chat_completion
from rag_api.web.dialects.openai import MODEL, Reply, collection_of
from rag_api.web.dialects.response_items import response
from rag_api.web.dialects.responses import ResponseStream
from rag_api.web.openai_schemas import ChatIn, EmbeddingsIn, ResponseIn
from rag_api.web.waiting import failed_at_once, failure, whole
from rag_api.wiring import Services

router = APIRouter(prefix="/v1", tags=["openai"])
CLOSES = {"Connection": "close"}
RESULTS = "file_search_call.results"
CacheControl = Annotated[str, Header()]


@router.post("/chat/completions", response_model=None)
async def complete(
    body: ChatIn, request: Request, who: Reader, services: Wired, cache_control: CacheControl = ""
) -> Response | dict[str, Any]:
    """Chunks when `stream` is true, else the whole. The model is `rag`, or `rag:<collection>`."""
    body.check()
    said = dialogue.read(body.messages)
    if is_task(said.question):
        with _as_model(body.model) as name:
            collection = await services.library.collection(name, who)
        run = services.wires.tasks.reply(collection.name, _as_they_are(said), body.sampling, owner=who.id)
    else:
        shows = bool(body.include_reasoning)
        run = await _begin(services, body, said, who=who, shows=shows, cache_control=cache_control)
    reply = _reply(request, run, body.model)
    if not body.stream:
        answer = await whole(request, services.runs, run)
        return failure(request, answer.error) if answer.error else chat_completion(reply, answer)
    if failed := await failed_at_once(run):
        return failure(request, failed)
    include_usage = bool(body.stream_options and body.stream_options.include_usage)
    projection = ChatCompletionStream(reply, include_usage=include_usage)
    return sse.project(services.runs, run, projection, headers=CLOSES)


@router.post("/responses", response_model=None)
async def respond(
    body: ResponseIn, request: Request, who: Reader, services: Wired, cache_control: CacheControl = ""
) -> Response | dict[str, Any]:
    """Events when `stream` is true, else the whole. `include` may name `file_search_call.results`."""
    body.check()
    said = dialogue.read(body.messages, instructions=body.instructions)
    shows = bool(body.reasoning and body.reasoning.get("summary"))
    search = file_search.wanted(body.tools)
    run = await _begin(services, body, said, who=who, shows=shows, cache_control=cache_control, search=search)
    reply, with_results = _reply(request, run, body.model), RESULTS in (body.include or [])
    if not body.stream:
        answer = await whole(request, services.runs, run)
        return failure(request, answer.error) if answer.error else response(reply, answer, with_results=with_results)
    if failed := await failed_at_once(run):
        return failure(request, failed)
    return sse.project(services.runs, run, ResponseStream(reply, with_results=with_results), headers=CLOSES)


@router.get("/models")
async def list_models(who: Reader, services: Wired) -> dict[str, Any]:
    """`rag`, which is the default collection, and `rag:<collection>` for each."""
    names, cursor = [MODEL] if who.enters(DEFAULT_COLLECTION) else [], None
    while True:
        page = await services.library.collections(limit=1_000, cursor=cursor, who=who)
        names += [f"{MODEL}:{row.name}" for row in page.items]
        if not (cursor := page.next_cursor):
            return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{model}")
async def get_model(model: str, who: Reader, services: Wired) -> dict[str, Any]:
    with _as_model(model) as name:
        await services.library.collection(name, who)
    return _model(model)


@router.post("/embeddings")
async def embed(body: EmbeddingsIn, who: Reader, services: Wired) -> dict[str, Any]:
    """By the embedder of the collection that the model names."""
    texts = body.texts()
    with _as_model(body.model) as name:
        found = await services.wires.embedding.embed(name, texts, who=who, as_queries=body.input_type == "query")
    size = found.vectors.shape[1]
    if body.dimensions not in (None, size):
        raise InvalidParameter("dimensions", f"the collection's embedder makes {size}: leave it out")
    in_text = body.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if in_text else vector.tolist(),
        }
        for i, vector in enumerate(found.vectors)
    ]
    usage = {"prompt_tokens": found.tokens, "total_tokens": found.tokens}
    return {"object": "list", "data": data, "model": body.model, "usage": usage}


async def _begin(
    services: Services,
    body: ChatIn | ResponseIn,
    said: dialogue.Dialogue,
    *,
    who: Principal,
    shows: bool,
    cache_control: str,
    search: tuple[int | None, dict[str, Any] | None] = (None, None),
) -> Run:
    top_k, searched = search
    both = {"$and": [body.filter, searched]} if body.filter and searched else body.filter or searched
    with _as_model(body.model) as collection:
        return await services.answerer.answer(
            Ask(
                question=said.question,
                collection=collection,
                who=who,
                top_k=top_k,
                filter=parse_filter(both),
                instructions=said.instructions,
                sampling=body.sampling,
                reasoning=shows,
                said=said.turns,
                may_repeat="no-store" not in cache_control.lower(),
            )
        )


@contextmanager
def _as_model(model: str) -> Iterator[str]:
    """The name of its collection; a collection that is not there is a model that is not there."""
    try:
        yield collection_of(model, DEFAULT_COLLECTION)
    except CollectionNotFound as error:
        raise ModelNotFound(model) from error


def _reply(request: Request, run: Run, model: str) -> Reply:
    return Reply(run.answer_id, model, int(time.time()), str(request.base_url).rstrip("/"))


def _as_they_are(said: dialogue.Dialogue) -> list[Message]:
    rules = [Message("system", said.instructions)] if said.instructions else []
    turns = [
        message for turn in said.turns for message in (Message("user", turn.question), Message("assistant", turn.text))
    ]
    return [*rules, *turns, Message("user", said.question)]


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": MODEL}
