import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from rag_api.core.filters import parse_filter
from rag_api.core.principals import Principal
from rag_api.services.retriever import Search
from rag_api.web.deps import CollectionName, Reader, Wired
from rag_api.web.schemas import SearchIn, explanation_out, hit_out
from rag_api.web.short_route import short_route


async def _search(request: Request, body: SearchIn, who: Principal) -> Response:
    return await search(request.path_params["collection"], body, who, request.app.state.services)


router = APIRouter(
    prefix="/collections/{collection}/search", tags=["search"], route_class=short_route(SearchIn, _search)
)


@router.post("")
async def search(collection: CollectionName, body: SearchIn, who: Reader, services: Wired) -> Response:
    wanted = parse_filter(body.filter)
    search = Search(body.query, body.top_k, body.mode, wanted, body.dense_weight, who.groups, body.explain)
    found = await services.retriever.search(collection, search)
    body_out = {"hits": [hit_out(hit) for hit in found.hits], "took_ms": found.took_ms, "degraded": found.degraded}
    if found.explanation:
        body_out["explain"] = explanation_out(found.explanation)
    return Response(orjson.dumps(body_out), media_type="application/json")
