"""What people get wrong, checked one by one, each with what to do."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

import httpx

from rag_api.client import Client, ServerError
from rag_api.doctor_backends import Wrong, chroma, descriptors, embedder, port
from rag_api.doctor_models import examine_models
from rag_api.doctor_way import examine_way, same
from rag_api.errors import RagError
from rag_api.home import command_key, is_owned, make_home, serving
from rag_api.settings import Settings
from rag_api.wiring_prompts import load_prompts

LOW_DISK_BYTES = 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    is_ok: bool
    said: str


def examine(settings: Settings) -> list[Finding]:
    checks: list[tuple[str, Callable[[Settings], str]]] = [
        ("python", _python),
        ("home", _home),
        ("disk", _disk),
        ("prompts", _prompts),
        ("file descriptors", descriptors),
        ("port", port),
        ("embedder", embedder),
        ("chroma", chroma),
    ]
    findings = [_finding(name, check, settings) for name, check in checks]
    return [*findings, *_language_models(settings), *_server(settings)]


def examine_server(settings: Settings, url: str) -> list[Finding]:
    """A server by its address, and whether streams come through what is in between."""
    return [Finding(*found) for found in examine_way(url, settings.admin_key.get_secret_value())]


def _finding(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, True, check(settings))
    except (RagError, OSError, httpx.HTTPError, Wrong) as error:
        return Finding(name, False, str(error) or type(error).__name__)


def _python(_: Settings) -> str:
    return f"{sys.version.split()[0]}, chromadb {metadata.version('chromadb')}, torch {metadata.version('torch')}"


def _home(settings: Settings) -> str:
    make_home(settings.home)
    return f"{settings.home.absolute()} can be written to"


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(settings.home).free
    if free < LOW_DISK_BYTES:
        raise Wrong(f"{free / 1e9:.1f} GB free at {settings.home.absolute()}; make room or move RAG_HOME")
    return f"{free / 1e9:.0f} GB free"


def _prompts(settings: Settings) -> str:
    load_prompts(settings)
    return "all templates are there and use their variables"


def _language_models(settings: Settings) -> list[Finding]:
    try:
        return [Finding(name, is_ok, said) for name, is_ok, said in examine_models(settings)]
    except RagError as error:
        return [Finding("language model", False, str(error))]


def _server(settings: Settings) -> Iterator[Finding]:
    owner = serving(settings.home)
    if not is_owned(settings.home) or not owner or not owner.url:
        yield Finding("server", True, "none runs on this home; rag serve starts one")
        return
    try:
        key = settings.admin_key.get_secret_value() or command_key(settings.home)
        with Client(owner.url, key=key, timeout_s=10) as client:
            found, version = client.readiness(), client.version()
    except ServerError as error:
        yield Finding("server", False, str(error))
        return
    yield Finding("server", found["status"] == "ready", f"{owner.url} is {found['status']}")
    yield Finding("version", *same(version))
    for name, said in found["checks"].items():
        yield Finding(f"server: {name}", said in ("ok", "unknown"), said)
