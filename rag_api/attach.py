"""The server that a command talks to: the one that owns the home, or one of its own while it runs."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rag_api.client import Client, ServerError
from rag_api.home import command_key, is_owned, serving
from rag_api.settings import Settings
from rag_api.terminal import err

READY_S = 180.0
POLL_S = 0.2
SOON_S = 5.0
STARTING_S = 10.0


@contextmanager
def server(settings: Settings) -> Iterator[Client]:
    """A client of the server that owns the home, else of one that lives as long as the block."""
    if url := _owners_url(settings):
        with Client(url, key=key_of(settings)) as client:
            yield client
        return
    from rag_api.own_server import own_server  # a command that finds a server starts in a third of the time without it

    with own_server(settings) as url, Client(url, key=key_of(settings), timeout_s=120) as client:
        _await_ready(client)
        yield client


def key_of(settings: Settings) -> str:
    """What commands send: RAG_ADMIN_KEY, else what the server of the home has left there for them."""
    return settings.admin_key.get_secret_value() or command_key(settings.home)


def find_again(client: Client, settings: Settings) -> None:
    """A server that was started again may be at another port, and has another key for commands."""
    if url := _owners_url(settings, wait_s=0):
        client.move(url, key=key_of(settings))


def _owners_url(settings: Settings, *, wait_s: float = STARTING_S) -> str:
    """Of the server that owns the home, once it has one; empty when nobody owns it."""
    deadline = time.monotonic() + wait_s
    while is_owned(settings.home):
        owner = serving(settings.home)
        if owner and owner.url:
            return owner.url
        if time.monotonic() >= deadline:
            break
        time.sleep(POLL_S)
    return ""


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


def tell_when_ready(url: str, key: str, stopped: threading.Event) -> None:
    """Says when questions can be asked, and when what is being ingested can be found."""
    began = time.monotonic()
    with Client(url, key=key, timeout_s=SOON_S) as client:
        if not _comes_true(lambda: _is_ready(client), stopped):
            return
        err.print(f"ready after {time.monotonic() - began:.1f} s: {url} (interactive docs at {url}/docs)")
        if _is_idle(client):
            return
        err.print("ingesting what is queued")
        if _comes_true(lambda: _is_idle(client), stopped):
            err.print(f"all documents can be found, {time.monotonic() - began:.1f} s after the start")


def _comes_true(question: Callable[[], bool], stopped: threading.Event) -> bool:
    """Waits for it; False when stopped before."""
    while not question():
        if stopped.wait(POLL_S):
            return False
    return True


def _is_ready(client: Client) -> bool:
    with contextlib.suppress(ServerError):
        return bool(client.readiness()["status"] == "ready")
    return False


def _is_idle(client: Client) -> bool:
    with contextlib.suppress(ServerError):
        jobs = client.stats()["jobs"]
        return not (jobs["queued"] or jobs["running"])
    return False
