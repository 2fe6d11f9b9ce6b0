"""The server that a command talks to: the one that owns the home, or one of its own while it runs."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rag_api import telemetry
from rag_api.client import Client, ServerError
from rag_api.home import is_owned, serving
from rag_api.settings import Settings
from rag_api.supervise import running

READY_S = 180.0


@contextmanager
def server(settings: Settings) -> Iterator[Client]:
    """A client of the server that owns the home, else of one that lives as long as the block."""
    key = settings.admin_key.get_secret_value()
    if is_owned(settings.home):
        owner = serving(settings.home)
        if owner and owner.url:
            with Client(owner.url, key=key) as client:
                yield client
            return
    telemetry.configure_logging(process="command", level="warning", as_json=False)
    quiet = settings.model_copy(update={"log_level": "warning"})
    with _own_server(quiet) as url, Client(url, key=key, timeout_s=120) as client:
        _await_ready(client)
        yield client


@contextmanager
def _own_server(settings: Settings) -> Iterator[str]:
    """The service in a thread's event loop; the command itself is plain blocking code."""
    started, finished = threading.Event(), threading.Event()
    state: dict[str, Any] = {}

    async def live() -> None:
        async with running(settings, serves=False) as service:
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


def _await_ready(client: Client) -> None:
    deadline = time.monotonic() + READY_S
    said = "nothing yet"
    while time.monotonic() < deadline:
        with contextlib.suppress(ServerError):
            found = client.readiness()
            if found["status"] == "ready":
                return
            said = "; ".join(f"{name}: {state}" for name, state in found["checks"].items() if state != "ok")
        time.sleep(0.1)
    raise ServerError(f"the service did not get ready within {READY_S:.0f} s: {said}", code="not_ready", status=0)
