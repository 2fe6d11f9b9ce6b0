from typing import Any

from fastapi import APIRouter

from rag_api.web.deps import CollectionName, Cursor, Limit, Wired
from rag_api.web.schemas import CollectionIn, CollectionOut, CollectionPatch, PageOut

router = APIRouter(prefix="/collections", tags=["collections"])


@router.get("")
async def list_collections(services: Wired, limit: Limit = 100, cursor: Cursor = None) -> PageOut[CollectionOut]:
    page = await services.library.collections(limit=limit, cursor=cursor)
    return PageOut(items=[CollectionOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201)
async def create_collection(body: CollectionIn, services: Wired) -> CollectionOut:
    row = await services.library.create_collection(body.name, body.description, body.metadata, body.embedder)
    return CollectionOut.of(row)


@router.get("/{collection}")
async def get_collection(collection: CollectionName, services: Wired) -> CollectionOut:
    return CollectionOut.of(await services.library.collection(collection))


@router.patch("/{collection}")
async def change_collection(collection: CollectionName, body: CollectionPatch, services: Wired) -> CollectionOut:
    values = body.model_dump(exclude_none=True)
    return CollectionOut.of(await services.library.change_collection(collection, values))


@router.delete("/{collection}")
async def delete_collection(collection: CollectionName, services: Wired) -> dict[str, Any]:
    row = await services.library.delete_collection(collection)
    return {"name": row.name, "purged": False}
