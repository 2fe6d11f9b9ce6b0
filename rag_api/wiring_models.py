"""The part of the wiring that opens the language models which the settings name."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import httpx

from rag_api.backends.anthropic import AnthropicModel
from rag_api.backends.chat_completions import ChatCompletionsModel
from rag_api.backends.extractive import ExtractiveModel
from rag_api.backends.failing_over import FailingOverModel
from rag_api.backends.guarded import GuardedModel
from rag_api.backends.http import open_client
from rag_api.backends.upstream import SettingNames, Upstream, Waits
from rag_api.core.breaker import Breaker
from rag_api.core.packing import Window
from rag_api.core.ports import LanguageModel, Sampling
from rag_api.core.retrying import Retries
from rag_api.core.spending import Prices
from rag_api.errors import InvalidSettings
from rag_api.services.comparing import Comparer
from rag_api.services.judging import Judge
from rag_api.services.lineups import Lineup, Lineups
from rag_api.services.quoting import StandIn
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


def check_models(settings: Settings) -> None:
    """Raises InvalidSettings."""
    if not is_extractive(settings):
        endpoints(settings.llm)
        judge_endpoint(settings)


async def open_models(settings: Settings, stack: AsyncExitStack) -> list[GuardedModel]:
    """In the order in which they are asked. Raises InvalidSettings."""
    llm = settings.llm
    wanted = endpoints(llm)
    return [
        GuardedModel(
            await _open(one, llm, stack),
            server=one.server,
            retries=Retries(
                llm.retries,
                llm.retry_after_s,
                in_haste=llm.fallback_to_extractive or one is not wanted[-1],
            ),
            breaker=Breaker(failures=llm.breaker_failures, open_s=llm.breaker_s),
            prices=one.prices,
        )
        for one in wanted
    ]


async def open_lineups(
    settings: Settings, window: Window, comparer: Comparer, stack: AsyncExitStack
) -> tuple[Lineups, list[GuardedModel]]:
    """Each model with the others behind it, in their order; and the models, which may be down."""
    extractive = ExtractiveModel(settings.answers.sentences)
    alone = Lineup("extractive", extractive, None)
    if is_extractive(settings):
        return Lineups([alone]), []
    models = await open_models(settings, stack)
    stands_by = settings.llm.fallback_to_extractive
    quoting = StandIn(extractive, comparer) if stands_by else None
    lineups = [
        Lineup(one.kind, in_order([first, *(model for model in models if model is not first)], quoting=quoting), window)
        for one, first in zip(endpoints(settings.llm), models, strict=True)
    ]
    return Lineups([*lineups, *([alone] if stands_by else [])]), models


async def open_judge(settings: Settings, models: Sequence[GuardedModel], stack: AsyncExitStack) -> Judge | None:
    """The first of the language models, or one of its own."""
    of, llm = settings.judge, settings.llm
    if of.kind == "rules" or not models:
        return None
    model = models[0]
    if endpoint := judge_endpoint(settings):
        retries = Retries(llm.retries, llm.retry_after_s, in_haste=True)
        breaker = Breaker(failures=llm.breaker_failures, open_s=llm.breaker_s)
        opened = await _open(endpoint, llm, stack)
        model = GuardedModel(opened, server=endpoint.server, retries=retries, breaker=breaker, prices=None)
    return Judge(model, timeout_s=of.timeout_s, at_once=of.at_once)


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


def in_order(models: Sequence[LanguageModel], *, quoting: LanguageModel | None = None) -> LanguageModel:
    return models[0] if len(models) == 1 and not quoting else FailingOverModel(models, quoting=quoting)


async def _open(endpoint: Endpoint, llm: LanguageModelSettings, stack: AsyncExitStack) -> LanguageModel:
    timeout = httpx.Timeout(None, connect=llm.connect_s)
    client = await stack.enter_async_context(open_client(endpoint.root, timeout=timeout))
    upstream = Upstream(
        client,
        model=endpoint.model,
        waits=Waits(llm.first_token_s, llm.between_tokens_s, llm.total_s),
        api_key=endpoint.api_key,
        headers=endpoint.headers,
        settings=endpoint.settings,
    )
    sampling = Sampling(llm.temperature, llm.max_tokens)
    match endpoint.kind:
        case "chat_completions":
            return ChatCompletionsModel(upstream, sampling=sampling)
        case "anthropic":
            is_own = httpx.URL(endpoint.root).host == httpx.URL(ANTHROPIC_URL).host
            sends_documents = llm.citations == "documents" or (llm.citations == "auto" and is_own)
            return AnthropicModel(upstream, sampling=sampling, sends_documents=sends_documents)


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
