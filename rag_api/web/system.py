from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from rag_api import __version__
from rag_api.web.deps import ADMIN, READER, Wired

router = APIRouter(tags=["system"])


class PercentilesOut(BaseModel):
    p50: float
    p95: float


class UsageOut(BaseModel):
    answers: int
    outcomes: Mapping[str, int]
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    first_text_ms: PercentilesOut | None
    total_ms: PercentilesOut | None


class UsageOfDayOut(UsageOut):
    day: str


class UsageReportOut(BaseModel):
    since: str
    total: UsageOut | None
    days: Sequence[UsageOfDayOut]


class ModelOut(BaseModel):
    name: str
    kind: Literal["extractive", "chat_completions", "anthropic"]
    default: bool = Field(description="whether it answers when a question names none")


class ModelsOut(BaseModel):
    items: Sequence[ModelOut]
    next_cursor: None = None


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz")
async def readyz(services: Wired) -> JSONResponse:
    """Its dependencies, each by name; 503 while one that an answer needs is missing."""
    readiness = await services.health.check()
    status = "ready" if readiness.ready else "not_ready"
    return JSONResponse({"status": status, "checks": readiness.checks}, 200 if readiness.ready else 503)


@router.get("/metrics", dependencies=[Depends(ADMIN)])
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/stats", dependencies=[Depends(ADMIN)])
async def stats(services: Wired) -> dict[str, Any]:
    return await services.health.stats()


@router.get("/api/v1/models", dependencies=[Depends(READER)])
async def models(services: Wired) -> ModelsOut:
    """Those that a question may name, in the order in which one follows another that fails."""
    default = services.lineups.default
    found = services.lineups.all
    return ModelsOut(items=[ModelOut(name=one.name, kind=one.kind, default=one is default) for one in found])


@router.get("/api/v1/usage", dependencies=[Depends(ADMIN)])
async def usage(services: Wired, days: Annotated[int, Query(ge=1, le=366)] = 30) -> UsageReportOut:
    """Answers by day (UTC) with outcomes, tokens, cost and latency; days without answers are left out."""
    return UsageReportOut.model_validate(await services.usage.report(days), from_attributes=True)
