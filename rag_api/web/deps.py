"""What routes depend on. Coroutines all, as plain functions would each cost a hop to a thread."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from rag_api.core.principals import Principal, Role
from rag_api.errors import Forbidden
from rag_api.wiring import Services

_bearer = HTTPBearer(auto_error=False, description="a key of this server, or a token; an open server wants none")


async def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


class Wants:
    """What each route declares: the role that it is for. Gives who asks, once that one may see what the path names."""

    def __init__(self, role: Role) -> None:
        self.role = role

    async def __call__(
        self, request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
    ) -> Principal:
        door = request.app.state.services.door
        who: Principal = await door.access.principal(given.credentials if given else "")
        if not who.may(self.role):
            raise Forbidden(self.role, who.role)
        await door.visibility.admit(who, request.path_params)
        return who

    async def of(self, request: Request) -> Principal:
        """The same for who asks without FastAPI's help."""
        return await self(request, await _bearer(request))


READER, WRITER, ADMIN = Wants("reader"), Wants("writer"), Wants("admin")
Reader = Annotated[Principal, Depends(READER)]
Writer = Annotated[Principal, Depends(WRITER)]
Admin = Annotated[Principal, Depends(ADMIN)]
Wired = Annotated[Services, Depends(_services)]
CollectionName = Annotated[str, Path(description="the collection's name", examples=["default"])]
Limit = Annotated[int, Query(ge=1, le=1000, description="how many items at most")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
