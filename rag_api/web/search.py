import orjson
from fastapi import APIRouter
from fastapi.responses import Response

from rag_api.core.filters import parse_filter
from rag_api.services.retriever import Search
from rag_api.web.deps import CollectionName, Wired
from rag_api.web.schemas import SearchIn, explanation_out, hit_out

router = APIRouter(prefix="/collections/{collection}/search", tags=["search"])


@router.post("")
async def search(collection: CollectionName, body: SearchIn, services: Wired) -> Response:
    wanted = parse_filter(body.filter)
    search = Search(body.query, body.top_k, body.mode, wanted, body.dense_weight, explain=body.explain)
    found = await services.retriever.search(collection, search)
    body_out = {"hits": [hit_out(hit) for hit in found.hits], "took_ms": found.took_ms, "degraded": found.degraded}
    if found.explanation:
        body_out["explain"] = explanation_out(found.explanation)
    return Response(orjson.dumps(body_out), media_type="application/json")
