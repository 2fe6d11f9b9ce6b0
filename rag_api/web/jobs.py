from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from rag_api.services.jobs import FINAL_STATES, Jobs
from rag_api.web.deps import ADMIN, WRITER, CollectionName, Cursor, Limit, Wired, Writer
from rag_api.web.schemas import JobOut, PageOut, ReindexIn
from rag_api.web.short_route import short_get
from rag_api.web.sse import event_stream

router = APIRouter(prefix="/jobs", tags=["jobs"], dependencies=[Depends(WRITER)])
upkeep = APIRouter(tags=["upkeep"], dependencies=[Depends(ADMIN)])


@upkeep.post("/collections/{collection}/reindex", status_code=202)
async def reindex(collection: CollectionName, services: Wired, body: ReindexIn | None = None) -> JobOut:
    """A new index beside the one that answers, then one switch; `back` returns to the one before."""
    embedder, back = (body.embedder, body.back) if body else (None, False)
    return JobOut.of(await services.jobs.reindex(collection, embedder=embedder, back=back))


@upkeep.post("/purge", status_code=202)
async def purge(services: Wired) -> JobOut:
    """Takes everything that is deleted out of all files; search is lexical while the vectors are written anew."""
    return JobOut.of(await services.jobs.purge())


@router.get("")
async def list_jobs(
    who: Writer,
    services: Wired,
    state: Annotated[str | None, Query(pattern="^(queued|running|done|failed|cancelled)$")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PageOut[JobOut]:
    page = await services.door.visibility.jobs(who, state=state, limit=limit, cursor=cursor)
    return PageOut(items=[JobOut.of(row) for row in page.items], next_cursor=page.next_cursor)


async def get_job(job_id: str, services: Wired) -> Response:
    """Clients ask for it again and again; as a response it is not checked a second time."""
    return Response(JobOut.of(await services.jobs.get(job_id)).model_dump_json(), media_type="application/json")


async def _get_job(request: Request) -> Response:
    return await get_job(request.path_params["job_id"], request.app.state.services)


router.add_api_route(
    "/{job_id}", get_job, methods=["GET"], response_model=JobOut, route_class_override=short_get(_get_job)
)


@router.get("/{job_id}/events")
async def watch_job(job_id: str, services: Wired) -> Response:
    """`progress` events with the job, the last one being `done`, `failed` or `cancelled`."""
    await services.jobs.get(job_id)
    return event_stream(_events(services.jobs, job_id))


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: str, services: Wired) -> JobOut:
    return JobOut.of(await services.jobs.cancel(job_id))


@router.post("/{job_id}/retry")
async def retry_job(job_id: str, services: Wired) -> JobOut:
    return JobOut.of(await services.jobs.retry(job_id))


async def _events(jobs: Jobs, job_id: str) -> AsyncGenerator[bytes, None]:
    async for row in jobs.watch(job_id):
        name = row.state if row.state in FINAL_STATES else "progress"
        yield f"event: {name}\ndata: {JobOut.of(row).model_dump_json()}\n\n".encode()
