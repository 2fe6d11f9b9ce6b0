"""Wires of chat front ends: the AI SDK's UI messages, and AG-UI."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import AliasGenerator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from rag_api.core.filters import parse_filter
from rag_api.core.ports import Sampling
from rag_api.services.answerer import Ask
from rag_api.services.library import DEFAULT_COLLECTION
from rag_api.web import sse
from rag_api.web.deps import Reader, Wired
from rag_api.web.dialects import dialogue
from rag_api.web.dialects.ag_ui import AgUiStream
from rag_api.web.dialects.ui_messages import HEADERS, UiMessageStream
from rag_api.web.openai_schemas import Foreign, Json
from rag_api.web.schemas import answer_out

router = APIRouter(prefix="/api", tags=["front ends"])
ChatId = Annotated[str, Path(max_length=200)]


class UiChatIn(Foreign):
    """What `useChat` sends; the fields after `messages` are the app's own, by the transport's `body`."""

    id: str = Field(min_length=1, max_length=200)
    messages: list[Json] = Field(min_length=1)
    collection: str = DEFAULT_COLLECTION
    filter: Json | None = None
    top_k: int | None = Field(default=None, ge=1, le=100)
    instructions: str | None = Field(default=None, max_length=20_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    reasoning: bool = False


class ForwardedProps(Foreign):
    collection: str = DEFAULT_COLLECTION
    filter: Json | None = None
    top_k: int | None = Field(default=None, ge=1, le=100)
    reasoning: bool = False


class ContextIn(Foreign):
    description: str
    value: str


class RunAgentIn(Foreign):
    model_config = ConfigDict(alias_generator=AliasGenerator(validation_alias=to_camel))

    thread_id: str = Field(min_length=1, max_length=200)
    run_id: str = Field(min_length=1, max_length=200)
    messages: list[Json] = Field(min_length=1)
    context: list[ContextIn] | None = None
    forwarded_props: ForwardedProps | None = None


@router.post("/chat", response_model=None)
async def chat(body: UiChatIn, who: Reader, services: Wired) -> Response:
    """The UI message stream. Who leaves may come back; `…/stop` stops."""
    said = dialogue.read(body.messages, instructions=body.instructions)
    run = await services.answerer.answer(
        Ask(
            question=said.question,
            collection=body.collection,
            who=who,
            top_k=body.top_k,
            filter=parse_filter(body.filter),
            instructions=said.instructions,
            sampling=Sampling(body.temperature, body.max_tokens),
            reasoning=body.reasoning,
            said=said.turns,
        )
    )
    services.wires.chats.begin(who.id, body.id, run)
    return sse.project(services.runs, run, UiMessageStream(), headers=HEADERS, resumable=True)


@router.get("/chat/{chat_id}/stream", response_model=None)
async def resume_chat(chat_id: ChatId, who: Reader, services: Wired) -> Response:
    """What is being answered in the chat, from its beginning; 204 when nothing is."""
    if not (run := services.wires.chats.running(who.id, chat_id)):
        return Response(status_code=204)
    return sse.project(services.runs, run, UiMessageStream(), headers=HEADERS, resumable=True)


@router.post("/chat/{chat_id}/stop", response_model=None)
async def stop_chat(chat_id: ChatId, who: Reader, services: Wired) -> Response | dict[str, Any]:
    """Stops what is being answered, and gives it as far as it came; 204 when nothing is."""
    if not (run := services.wires.chats.running(who.id, chat_id)):
        return Response(status_code=204)
    return answer_out((await services.runs.stop(run.answer_id)).answer())


@router.post("/ag-ui", response_model=None)
async def run_agent(body: RunAgentIn, who: Reader, services: Wired) -> Response:
    """A run of AG-UI; `forwardedProps` may name `collection`, `filter`, `top_k`, `reasoning`."""
    context = "\n\n".join(f"{one.description}: {one.value}" for one in body.context or [])
    said, wanted = dialogue.read(body.messages, instructions=context), body.forwarded_props or ForwardedProps()
    run = await services.answerer.answer(
        Ask(
            question=said.question,
            collection=wanted.collection,
            who=who,
            top_k=wanted.top_k,
            filter=parse_filter(wanted.filter),
            instructions=said.instructions,
            reasoning=wanted.reasoning,
            said=said.turns,
        )
    )
    return sse.project(services.runs, run, AgUiStream(body.thread_id, body.run_id, body.messages))
