"""What the wiring can refuse before anything is opened: all of it that the supervisor needs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from rag_api.errors import InvalidSettings
from rag_api.settings import Settings
from rag_api.settings_access import JwtSettings
from rag_api.wiring_endpoints import endpoints, is_extractive, judge_endpoint
from rag_api.wiring_prompts import language_window, load_prompts

if TYPE_CHECKING:  # signatures are loaded where tokens are taken
    from rag_api.backends.tokens import VerifyingKey

T = TypeVar("T")


def check(settings: Settings) -> None:
    """Raises InvalidSettings for what no process could be started with, before any is."""
    load_prompts(settings)
    if not is_extractive(settings):
        endpoints(settings.llm)
        judge_endpoint(settings)
    check_reranker(settings)
    language_window(settings)
    if settings.jwt.is_set:
        token_keys(settings.jwt)


def check_reranker(settings: Settings) -> None:
    """Raises InvalidSettings."""
    of, embedder = settings.reranker, settings.embedder.url
    if of.kind == "http" and not (of.base_url and of.model):
        raise InvalidSettings("RAG_RERANKER__KIND=http needs both RAG_RERANKER__BASE_URL and RAG_RERANKER__MODEL")
    if of.kind == "cross_encoder" and not of.model:
        raise InvalidSettings("RAG_RERANKER__KIND=cross_encoder needs RAG_RERANKER__MODEL, a name or a folder")
    if of.kind == "cross_encoder" and embedder and not embedder.startswith("unix:"):
        raise InvalidSettings(
            "RAG_RERANKER__KIND=cross_encoder runs in this service's own embedder process, and there is none "
            "with RAG_EMBEDDER__URL: unset that, or use a server with RAG_RERANKER__KIND=http"
        )


def token_keys(of: JwtSettings) -> "Sequence[VerifyingKey]":
    """None where they are fetched. Raises InvalidSettings for a file that can't be used."""
    from rag_api.backends.tokens import VerifyingKey

    if secret := of.secret.get_secret_value():
        return [VerifyingKey.of_secret(secret)]
    if of.public_key:
        return [_read(of.public_key, VerifyingKey.of_pem, "RAG_JWT__PUBLIC_KEY")]
    return [] if of.is_fetched else _read(Path(of.jwks), VerifyingKey.of_set, "RAG_JWT__JWKS")


def _read(path: Path, parse: Callable[[bytes], T], setting: str) -> T:
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidSettings(f"{setting}={path} can't be used: {error}") from error
