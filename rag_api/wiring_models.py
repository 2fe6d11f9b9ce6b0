"""The part of the wiring that opens the language models which the settings name."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

import httpx

from rag_api.backends.anthropic import AnthropicModel
from rag_api.backends.chat_completions import ChatCompletionsModel
from rag_api.backends.extractive import ExtractiveModel
from rag_api.backends.failing_over import FailingOverModel
from rag_api.backends.guarded import GuardedModel
from rag_api.backends.http import open_client
from rag_api.backends.upstream import Upstream, Waits
from rag_api.core.breaker import Breaker
from rag_api.core.packing import Window
from rag_api.core.ports import LanguageModel, Sampling
from rag_api.core.retrying import Retries
from rag_api.services.comparing import Comparer
from rag_api.services.judging import Judge
from rag_api.services.lineups import Lineup, Lineups
from rag_api.services.quoting import StandIn
from rag_api.settings import Settings
from rag_api.settings_models import LanguageModelSettings
from rag_api.wiring_endpoints import ANTHROPIC_URL, Endpoint, endpoints, is_extractive, judge_endpoint


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
