"""What routes depend on. Coroutines all, as plain functions would each cost a hop to a thread."""

import hmac
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from rag_api.errors import Unauthenticated
from rag_api.wiring import Services

_bearer = HTTPBearer(auto_error=False, description="needed when the server has an admin key")


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def authenticate(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
) -> None:
    wanted: str = request.app.state.admin_key
    if wanted and not (given and hmac.compare_digest(given.credentials.encode(), wanted.encode())):
        raise Unauthenticated


async def authenticate_by_header(request: Request) -> None:
    """The same for who asks without FastAPI's help."""
    await authenticate(request, await _bearer(request))


Wired = Annotated[Services, Depends(_services)]
CollectionName = Annotated[str, Path(description="the collection's name", examples=["default"])]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many items at most")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
