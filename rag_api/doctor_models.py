"""Whether the language models of the settings are there, take the key and know the model's name."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from rag_api.settings import Settings
from rag_api.wiring_endpoints import Endpoint, endpoints, is_extractive, judge_endpoint

NAMED = 10
DATE = re.compile(r"-\d{8}\Z")


def examine_models(settings: Settings) -> Iterator[tuple[str, bool, str]]:
    """For each model the check's name, whether it is right, and what there is to say."""
    if is_extractive(settings):
        said = "none configured: answers quote the documents (set RAG_LLM__BASE_URL and RAG_LLM__MODEL for one)"
        yield "language model", True, said
        return
    for i, endpoint in enumerate(endpoints(settings.llm)):
        name = f"fallback {i}" if i else "language model"
        yield name, *_examine(endpoint, settings.llm.connect_s)
    if judge := judge_endpoint(settings):
        yield "judge", *_examine(judge, settings.llm.connect_s)


def _examine(endpoint: Endpoint, timeout_s: float) -> tuple[bool, str]:
    names, url = endpoint.settings, httpx.URL(endpoint.root).join("models")
    shown = url.copy_with(userinfo=b"", query=None)
    pages = {"limit": 1000} if endpoint.kind == "anthropic" else {}
    try:
        response = httpx.get(url.copy_merge_params(pages), headers=endpoint.headers, timeout=timeout_s, trust_env=False)
    except httpx.HTTPError as error:
        return False, f"{shown} can't be reached ({error or type(error).__name__}); check {names.base_url}"
    if response.status_code in (401, 403):
        key = "the key that it got" if endpoint.api_key else "requests without a key"
        return False, f"{shown} answers {response.status_code}: it rejects {key}; check {names.api_key}"
    if not response.is_success:
        said = f"{endpoint.model} at {shown}: there is no list of models to check it against"
        is_right = response.status_code in (404, 405)  # some servers have none
        wrong = f"{shown} answers {response.status_code}; check {names.base_url}"
        return is_right, f"{said} (it answers {response.status_code})" if is_right else wrong
    known = _known(response)
    if known is None:
        return False, f"{shown} answers with something that is no list of models; check {names.base_url}"
    if not known or endpoint.model in _called(known):
        return True, f"{endpoint.model} at {endpoint.server}"
    return (
        False,
        f"{endpoint.server} knows no model {endpoint.model!r}, {_those(known, endpoint.model)}; check {names.model}",
    )


def _known(response: httpx.Response) -> list[str] | None:
    """The ids in a list of models, which is the same in both protocols."""
    try:
        found: Any = response.json()
        return [str(one["id"]) for one in found["data"] or []]
    except (ValueError, KeyError, TypeError):
        return None


def _called(known: Sequence[str]) -> set[str]:
    """By what they may be asked for: a tag `latest` or a date at the end need not be said."""
    undated = {DATE.sub("", name) for name in known}
    return {
        *known,
        *undated,
        *(f"{name}-latest" for name in undated),
        *(name.removesuffix(":latest") for name in known),
    }


def _those(known: Sequence[str], wanted: str) -> str:
    near = difflib.get_close_matches(wanted, known, n=NAMED, cutoff=0)
    named = ", ".join(near)
    return f"but {named}" if len(known) <= NAMED else f"but {len(known)} others, the nearest {named}"
