"""Every route says which role it is for; no request gets in beside that."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant

from rag_api.app import create_app
from rag_api.settings import Settings
from rag_api.web.deps import Wants
from rag_api.web.mcp import McpEndpoint

# what holds no data, and is there for who has no key yet
OPEN = {"/livez", "/readyz", "/openapi.json", "/", "/admin", "/docs", "/static/{address:path}"}
ADMINS = {
    "POST /api/v1/collections", "PATCH /api/v1/collections/{collection}", "DELETE /api/v1/collections/{collection}",
    "POST /api/v1/collections/{collection}/reindex", "POST /api/v1/purge", "GET /api/v1/feedback",
    "GET /api/v1/feedback/questions", "GET /api/v1/stats", "GET /api/v1/usage", "GET /metrics", "GET /api/v1/keys",
    "GET /api/v1/evaluations", "GET /api/v1/evaluations/{evaluation_id}",
    "GET /api/v1/evaluations/{evaluation_id}/page", "POST /api/v1/keys", "DELETE /api/v1/keys/{key_id}",
}  # fmt: skip
WRITERS = {
    "POST /api/v1/collections/{collection}/documents", "DELETE /api/v1/collections/{collection}/documents",
    "PATCH /api/v1/collections/{collection}/documents/{document_id}",
    "DELETE /api/v1/collections/{collection}/documents/{document_id}",
    "POST /api/v1/collections/{collection}/documents/{document_id}/ingest", "GET /api/v1/jobs",
    "GET /api/v1/collections/{collection}/documents/{document_id}/versions",
    "GET /api/v1/jobs/{job_id}", "GET /api/v1/jobs/{job_id}/events", "POST /api/v1/jobs/{job_id}/cancel",
    "POST /api/v1/jobs/{job_id}/retry",
}  # fmt: skip


def contexts(found: Iterable[Any]) -> Iterator[Any]:
    """Routes with what their routers add to them."""
    for one in found:
        inner = getattr(one, "effective_candidates", None)
        yield from contexts(inner()) if inner else (one,)


ROUTES = list(contexts(create_app(Settings()).routes))


def wanted(dependant: Dependant) -> Iterator[str]:
    for one in dependant.dependencies:
        if isinstance(one.call, Wants):
            yield one.call.role
        yield from wanted(one)


ROLES = {
    f"{method} {route.path}": set(wanted(route.dependant))
    for route in ROUTES
    if getattr(route, "dependant", None) and route.path not in OPEN
    for method in route.methods
}


def test_there_is_no_route_that_this_test_does_not_know() -> None:
    others = {route.path for route in ROUTES if not getattr(route, "dependant", None)}
    assert others - OPEN == {McpEndpoint.path}  # which asks for itself: see tests/live
    assert len(ROLES) > 40


@pytest.mark.parametrize("name", ROLES)
def test_each_route_is_for_one_role(name: str) -> None:
    expected = "admin" if name in ADMINS else "writer" if name in WRITERS else "reader"
    assert ROLES[name] == {expected}
