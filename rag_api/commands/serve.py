import asyncio
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from rag_api import telemetry
from rag_api.attach import key_of, tell_when_ready
from rag_api.settings import Settings, load_settings
from rag_api.supervise import running
from rag_api.terminal import err


def serve(
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "",
    port: Annotated[int | None, typer.Option(help="Port to serve on.", min=0, max=65535)] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Folder to ingest on the first start.", exists=True, file_okay=False)
    ] = None,
) -> None:
    """Serve the HTTP interface until stopped."""
    settings = load_settings()
    changes: dict[str, Any] = ({"host": host} if host else {}) | ({} if port is None else {"port": port})
    asyncio.run(_serve(settings.model_copy(update=changes), samples))


async def _serve(settings: Settings, samples: Path | None) -> None:
    telemetry.configure_logging(process="supervisor", level=settings.log_level, as_json=settings.log_json)
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    quitting = threading.Event()
    async with running(settings, samples=samples) as service:
        err.print(f"starting at {service.url}; the first answer needs the embedder, which takes some seconds to load")
        telling = asyncio.create_task(asyncio.to_thread(tell_when_ready, service.url, key_of(settings), quitting))
        await stopped.wait()
        err.print("stopping")
        quitting.set()
        await telling
