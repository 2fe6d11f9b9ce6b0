from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from rag_api.web.deps import Wired, authenticate

router = APIRouter(tags=["system"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz")
async def readyz(services: Wired) -> JSONResponse:
    """Its dependencies, each by name; 503 while one that an answer needs is missing."""
    readiness = await services.health.check()
    status = "ready" if readiness.ready else "not_ready"
    return JSONResponse({"status": status, "checks": readiness.checks}, 200 if readiness.ready else 503)


@router.get("/metrics", dependencies=[Depends(authenticate)])
async def metrics() -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/api/v1/stats", dependencies=[Depends(authenticate)])
async def stats(services: Wired) -> dict[str, Any]:
    return await services.health.stats()
