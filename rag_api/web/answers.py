import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse, Response

from rag_api.core.events import Answer
from rag_api.core.filters import parse_filter
from rag_api.core.ports import Sampling
from rag_api.core.principals import Principal
from rag_api.errors import InvalidRequest
from rag_api.services.answerer import Ask
from rag_api.web import sse
from rag_api.web.deps import READER, Reader, Wired
from rag_api.web.errors import error_body, status_of_code
from rag_api.web.schemas import AskIn, answer_out
from rag_api.web.short_route import short_route

router = APIRouter(prefix="/answers", tags=["answers"], dependencies=[Depends(READER)])


async def ask(body: AskIn, who: Reader, services: Wired, cache_control: Annotated[str, Header()] = "") -> Response:
    """Server-sent events, or JSON when `stream` is false. `Cache-Control: no-store` makes the answer anew."""
    run = await services.answerer.answer(
        Ask(
            question=body.question,
            collection=body.collection,
            who=who,
            top_k=body.top_k,
            filter=parse_filter(body.filter),
            mode=body.mode,
            dense_weight=body.dense_weight,
            instructions=body.instructions,
            sampling=Sampling(body.temperature, body.max_tokens),
            reasoning=body.reasoning,
            model=body.model,
            conversation_id=body.conversation_id,
            again=body.again,
            may_repeat="no-store" not in cache_control.lower(),
        )
    )
    if body.stream:
        return sse.follow(services.runs, run)
    try:
        return _whole(await run.whole())
    finally:
        services.runs.left(run)


async def _ask(request: Request, body: AskIn, who: Principal) -> Response:
    return await ask(body, who, request.app.state.services, request.headers.get("cache-control", ""))


router.add_api_route("", ask, methods=["POST"], response_model=None, route_class_override=short_route(AskIn, _ask))


@router.get("/{answer_id}")
async def get_answer(answer_id: str, services: Wired) -> dict[str, Any]:
    """The answer so far (`outcome` is null while it runs), or whole."""
    return answer_out((await services.runs.get(answer_id)).answer())


@router.get("/{answer_id}/events")
async def resume(
    answer_id: str,
    services: Wired,
    after: Annotated[int, Query(ge=0)] = 0,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """The events after `Last-Event-ID` or `after`, then the live ones; 204 when there is nothing left to see."""
    run = await services.runs.get(answer_id)
    seq = _seq(answer_id, last_event_id) if last_event_id else after
    if run.is_over and seq == len(run.log):
        return Response(status_code=204)
    if seq > len(run.log):  # a crash has cut the log behind what this reader saw: it still gets to know the end
        seq = len(run.log) - run.is_over
    return sse.follow(services.runs, run, seq)


@router.post("/{answer_id}/cancel")
async def cancel(answer_id: str, services: Wired) -> dict[str, Any]:
    """Stops now: the connection to the language model is closed when this returns."""
    return answer_out((await services.runs.stop(answer_id)).answer())


def _seq(answer_id: str, last_event_id: str) -> int:
    of, _, seq = last_event_id.rpartition(":")
    if of != answer_id or not re.fullmatch(r"\d{1,9}", seq, re.ASCII):
        raise InvalidRequest(f"Last-Event-ID {last_event_id!r} is not one that this stream gave")
    return int(seq)


def _whole(answer: Answer) -> Response:
    if not answer.error:
        return JSONResponse(jsonable_encoder(answer_out(answer)))
    body = error_body(answer.error.code, answer.error.message) | {"answer": answer_out(answer)}
    return JSONResponse(body, status_of_code(answer.error.code))
