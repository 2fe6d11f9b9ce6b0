"""Where the language models are that the settings name. Settings stop here, too."""

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import httpx

from rag_api.backends.setting_names import SettingNames
from rag_api.core.spending import Prices
from rag_api.errors import InvalidSettings
from rag_api.settings import Settings
from rag_api.settings_models import FallbackSettings, LanguageModelSettings

Kind: TypeAlias = Literal["chat_completions", "anthropic"]
ANTHROPIC_URL = "https://api.anthropic.com"
ANTHROPIC_VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is, and the names of the settings that say so."""

    kind: Kind
    base_url: str
    model: str
    api_key: str
    prices: Prices | None
    settings: SettingNames

    @property
    def root(self) -> str:
        """The path that the API's version is in, with a slash at its end."""
        url = self.base_url.rstrip("/")
        is_bare = self.kind == "anthropic" and not url.endswith("/v1")
        return f"{url}/v1/" if is_bare else f"{url}/"

    @property
    def headers(self) -> dict[str, str]:
        if self.kind == "anthropic":
            return {"anthropic-version": ANTHROPIC_VERSION} | ({"x-api-key": self.api_key} if self.api_key else {})
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    @property
    def server(self) -> str:
        return httpx.URL(self.base_url).netloc.decode()


def is_extractive(settings: Settings) -> bool:
    return settings.llm.is_extractive


def endpoints(llm: LanguageModelSettings) -> list[Endpoint]:
    """In the order in which they are asked. Raises InvalidSettings."""
    kind: Kind = "anthropic" if llm.kind == "anthropic" else "chat_completions"
    base_url = llm.base_url or (ANTHROPIC_URL if kind == "anthropic" else "")
    if not base_url or not llm.model:
        raise InvalidSettings("a language model needs both RAG_LLM__BASE_URL and RAG_LLM__MODEL")
    first = Endpoint(kind, base_url, llm.model, _key(llm), _prices(llm), SettingNames())
    return [_checked(first), *(_checked(_fallback(i, one)) for i, one in enumerate(llm.fallbacks))]


def judge_endpoint(settings: Settings) -> Endpoint | None:
    """Of a judge that is another than the language model. Raises InvalidSettings."""
    of = settings.judge
    if of.kind == "rules" or not (of.base_url or of.model):
        return None
    names = SettingNames(*(f"RAG_JUDGE__{name}" for name in ("BASE_URL", "MODEL", "API_KEY")))
    first = endpoints(settings.llm)[0]
    own = replace(first, model=of.model or first.model, prices=None, settings=names)
    if of.base_url:
        key = of.api_key.get_secret_value().strip()
        own = replace(own, kind="chat_completions", base_url=of.base_url, api_key=key)
    return _checked(own)


def _fallback(i: int, one: FallbackSettings) -> Endpoint:
    base_url = one.base_url or (ANTHROPIC_URL if one.kind == "anthropic" else "")
    names = SettingNames(
        *(f"{name} of item {i + 1} in RAG_LLM__FALLBACKS" for name in ("base_url", "model", "api_key"))
    )
    return Endpoint(one.kind, base_url, one.model, _key(one), _prices(one), names)


def _checked(endpoint: Endpoint) -> Endpoint:
    try:
        url = httpx.URL(endpoint.base_url)
    except httpx.InvalidURL as error:
        raise InvalidSettings(f"{endpoint.settings.base_url}: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidSettings(
            f"{endpoint.settings.base_url}: {endpoint.base_url!r} is no URL such as http://host:port/v1"
        )
    if not (endpoint.api_key.isascii() and endpoint.api_key.isprintable()):
        raise InvalidSettings(f"{endpoint.settings.api_key} has characters that no header can carry; correct it")
    return endpoint


def _key(one: LanguageModelSettings | FallbackSettings) -> str:
    return one.api_key.get_secret_value().strip()


def _prices(one: LanguageModelSettings | FallbackSettings) -> Prices | None:
    return None if one.price_in is None or one.price_out is None else Prices(one.price_in, one.price_out)
