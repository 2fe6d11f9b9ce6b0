from typing import Any

from fastapi import APIRouter, Depends

from rag_api.db.rows import CollectionRow
from rag_api.web.deps import ADMIN, CollectionName, Cursor, Limit, Reader, Wired
from rag_api.web.schemas import CollectionIn, CollectionOut, CollectionPatch, CollectionWithGateOut, GateOut, PageOut
from rag_api.wiring import Services

router = APIRouter(prefix="/collections", tags=["collections"])


@router.get("")
async def list_collections(
    who: Reader, services: Wired, limit: Limit = 100, cursor: Cursor = None
) -> PageOut[CollectionOut]:
    page = await services.library.collections(limit=limit, cursor=cursor, who=who)
    return PageOut(items=[CollectionOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201, dependencies=[Depends(ADMIN)])
async def create_collection(body: CollectionIn, services: Wired) -> CollectionOut:
    row = await services.library.create_collection(
        body.name, body.description, body.metadata, body.embedder, body.prompts
    )
    return CollectionOut.of(row)


@router.get("/{collection}")
async def get_collection(collection: CollectionName, who: Reader, services: Wired) -> CollectionWithGateOut:
    return await _with_gate(services, await services.library.collection(collection, who))


@router.patch("/{collection}", dependencies=[Depends(ADMIN)])
async def change_collection(
    collection: CollectionName, body: CollectionPatch, services: Wired
) -> CollectionWithGateOut:
    values = body.model_dump(exclude_none=True, exclude={"answer_threshold", "prompts"})
    if "prompts" in body.model_fields_set:
        values["prompts"] = body.prompts or None
    row = await services.library.change_collection(collection, values)
    if "answer_threshold" in body.model_fields_set:  # null is a value, too
        await services.gatekeeper.set_threshold(row, body.answer_threshold)
    return await _with_gate(services, row)


@router.delete("/{collection}", dependencies=[Depends(ADMIN)])
async def delete_collection(collection: CollectionName, services: Wired) -> dict[str, Any]:
    row = await services.library.delete_collection(collection)
    return {"name": row.name, "purged": False}


async def _with_gate(services: Services, row: CollectionRow) -> CollectionWithGateOut:
    gate = GateOut.of(services.gatekeeper.mode, await services.gatekeeper.state(row))
    return CollectionWithGateOut(**CollectionOut.of(row).model_dump(), gate=gate)
