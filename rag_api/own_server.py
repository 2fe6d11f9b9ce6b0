"""The service for a command's own time, where no server owns the home."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rag_api import telemetry
from rag_api.settings import Settings
from rag_api.supervise import running


@contextmanager
def own_server(settings: Settings) -> Iterator[str]:
    """The service in a thread's event loop; the command itself is plain blocking code."""
    telemetry.configure_logging(process="command", level="warning", as_json=False)
    quiet = settings.model_copy(update={"log_level": "warning"})
    started, finished = threading.Event(), threading.Event()
    state: dict[str, Any] = {}

    async def live() -> None:
        async with running(quiet, serves=False) as service:
            state["url"] = service.url
            started.set()
            await asyncio.to_thread(finished.wait)

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001 - raised again where the command waits
            state["error"] = error
        started.set()

    thread = threading.Thread(target=run, name="service")
    thread.start()
    try:
        started.wait()
        if "error" in state:
            raise state["error"]
        yield state["url"]
    finally:
        finished.set()
        thread.join()
