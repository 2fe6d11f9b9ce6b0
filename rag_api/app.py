"""The API process."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import uvicorn
from fastapi import FastAPI
from starlette.routing import Route
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from rag_api import __version__, garbage, telemetry
from rag_api.core.principals import ADMIN
from rag_api.db.database import migrate
from rag_api.errors import NothingAccepted
from rag_api.services.library import DEFAULT_COLLECTION, Library
from rag_api.services.uploads import Upload
from rag_api.settings import Settings, load_settings
from rag_api.web import (
    answers,
    collections,
    conversations,
    documents,
    errors,
    evaluations,
    front_ends,
    jobs,
    keys,
    mcp,
    openai,
    openapi,
    pacing,
    search,
    site,
    system,
)
from rag_api.web.middleware import LimitBody, LocalOnly, RequestContext
from rag_api.web.streaming import Outside
from rag_api.wiring import Services, open_services

SAMPLES_FACT = "samples queued"
SWITCH_S = 0.0005  # how long a thread that works may keep the event loop waiting, 5 ms as Python comes


def create_app(settings: Settings, *, samples: Path | None = None) -> FastAPI:
    """Serves what its settings point to; owns no process. `samples` are queued on the first start of a home."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings.home.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(migrate, settings.database)
        async with open_services(settings) as services, mcp.open_protocol(services) as app.state.mcp:
            app.state.services = services
            if samples:
                await queue_samples(services.library, samples)
            services.health.starting = ""
            garbage.settle()
            yield

    app = FastAPI(
        title="rag-api",
        version=__version__,
        summary="Documents in, streamed and cited answers out.",
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages take their scripts from elsewhere; ours are in web/pages
        redoc_url=None,
    )
    errors.install(app)
    for router in (
        search.router,  # the routes that are asked most come first, as one after the other is looked at
        answers.router,
        jobs.router,
        collections.router,
        documents.router,
        jobs.upkeep,
        conversations.router,
        conversations.feedback,
        evaluations.router,
        keys.router,
    ):
        app.include_router(router, prefix="/api/v1")
    for wire in (openai.router, front_ends.router):
        app.include_router(wire)
    app.include_router(system.router)
    app.include_router(pacing.router)
    app.include_router(site.routes())
    app.router.routes.append(Route(mcp.McpEndpoint.path, mcp.McpEndpoint()))
    app.openapi = openapi.described(app.openapi)  # type: ignore[method-assign]
    app.add_middleware(LimitBody, max_bytes=settings.uploads.max_bytes)
    if not settings.is_guarded:
        app.add_middleware(LocalOnly)
    app.add_middleware(RequestContext)
    return app


async def queue_samples(library: Library, folder: Path) -> None:
    """Once in a home's life; what can't be taken is logged and the others go on."""
    if await library.knows(SAMPLES_FACT):
        return
    for path in await asyncio.to_thread(lambda: sorted(file for file in folder.rglob("*") if file.is_file())):
        source = str(path.relative_to(folder))
        if source.startswith("."):
            continue
        with path.open("rb") as file, contextlib.suppress(NothingAccepted):
            await library.add(DEFAULT_COLLECTION, [Upload(source, file)], who=ADMIN)
    await library.note(SAMPLES_FACT)


class _Server(uvicorn.Server):
    """Says farewell on every open stream before the connections are closed."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        services: Services | None = getattr(self._app.state, "services", None)
        if services:
            await services.runs.close()
        await super().shutdown(sockets)


def serve(settings: Settings, listening: socket.socket, samples: Path | None) -> None:
    app = create_app(settings, samples=samples)
    config = uvicorn.Config(
        app,
        log_config=None,
        proxy_headers=False,  # as it stands around nothing but the app
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=max(1, round(settings.shutdown_s)),
        server_header=False,
    )
    told: Any = ProxyHeadersMiddleware(cast(Any, app), config.forwarded_allow_ips)  # its types are uvicorn's own
    config.app = Outside(told)
    _Server(config, app).run(sockets=[listening])


def main() -> None:
    """`python -m rag_api.app FD [SAMPLES]`: FD is a listening socket that the supervisor has bound."""
    settings = load_settings()
    telemetry.configure_logging(process="api", level=settings.log_level, as_json=settings.log_json)
    sys.setswitchinterval(SWITCH_S)
    samples = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    serve(settings, socket.socket(fileno=int(sys.argv[1])), samples)


if __name__ == "__main__":
    main()
