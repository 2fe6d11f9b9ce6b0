"""Routes that go straight to their endpoint, which FastAPI spends more on than many an endpoint itself."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from rag_api.core.principals import Principal
from rag_api.web.deps import READER, Wants

Body = TypeVar("Body", bound=BaseModel)


def short_route(
    model: type[Body], endpoint: Callable[[Request, Body, Principal], Coroutine[Any, Any, Response]]
) -> type[APIRoute]:
    """For readers, where the body is as it should be. What is wrong goes FastAPI's way, as everywhere."""

    class ShortRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            whole = super().get_route_handler()

            async def handler(request: Request) -> Response:
                if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    return await whole(request)
                who = await READER.of(request)
                try:
                    body = model.model_validate_json(await request.body())
                except ValidationError:
                    return await whole(request)
                return await endpoint(request, body, who)

            return handler

    return ShortRoute


def short_get(endpoint: Callable[[Request], Coroutine[Any, Any, Response]]) -> type[APIRoute]:
    """For a path that has nothing but names in it, on a router whose dependencies are roles that it is for."""

    class ShortGet(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            roles = [one.dependency for one in self.dependencies if isinstance(one.dependency, Wants)]
            if not roles or len(roles) < len(self.dependencies):
                raise TypeError(f"{self.path} wants a role and nothing else of its router")

            async def handler(request: Request) -> Response:
                for role in roles:
                    await role.of(request)
                return await endpoint(request)

            return handler

    return ShortGet
