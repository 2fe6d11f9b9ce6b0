"""Retries, the breaker and spending, over real connections to a server that fails in every way."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import httpx
import pytest
from prometheus_client import REGISTRY

from rag_api.backends.anthropic import AnthropicModel
from rag_api.backends.chat_completions import ChatCompletionsModel
from rag_api.backends.failing_over import FailingOverModel
from rag_api.backends.guarded import GuardedModel
from rag_api.backends.http import open_client
from rag_api.backends.upstream import Upstream, Waits
from rag_api.core.breaker import Breaker
from rag_api.core.ports import LanguageModel, Piece, Sampling, Usage
from rag_api.core.retrying import Retries
from rag_api.core.spending import Prices
from rag_api.errors import (
    LanguageModelBroken,
    LanguageModelBusy,
    LanguageModelRefused,
    LanguageModelTimeout,
    LanguageModelUnavailable,
)
from tests.backends.model_streams import PROMPT, joined, spoken
from tests.fake_llm import (
    FakeLanguageModel,
    Script,
    chunk,
    cuts,
    fake_language_model,
    hangs,
    message,
    refuses,
    says,
    sends,
    writes,
)

DEAD = "http://127.0.0.1:9/v1"
QUICK = Retries(2, asked_most_s=0.2, first_s=0.01)
WAITS = Waits(0.5, 0.5, 30)


@pytest.fixture
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture
async def clients() -> AsyncIterator[list[httpx.AsyncClient]]:
    opened: list[httpx.AsyncClient] = []
    yield opened
    for client in opened:
        await client.aclose()


class Models:
    """Makes guarded models and closes what they opened."""

    def __init__(self, clients: list[httpx.AsyncClient]) -> None:
        self._clients = clients

    def __call__(
        self,
        url: str,
        *,
        name: str = "fake",
        kind: str = "chat",
        waits: Waits = WAITS,
        retries: Retries = QUICK,
        breaker: Breaker | None = None,
        prices: Prices | None = None,
    ) -> GuardedModel:
        client = open_client(url, timeout=httpx.Timeout(None, connect=1))
        self._clients.append(client)
        upstream = Upstream(client, model=name, waits=waits)
        inner: LanguageModel = (
            AnthropicModel(upstream, sampling=Sampling(), sends_documents=False)
            if kind == "anthropic"
            else ChatCompletionsModel(upstream, sampling=Sampling())
        )
        breaker = breaker or Breaker(failures=100, open_s=30)
        return GuardedModel(inner, server=url, retries=retries, breaker=breaker, prices=prices)


@pytest.fixture
def models(clients: list[httpx.AsyncClient]) -> Models:
    return Models(clients)


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"rag_language_model_{name}", labels) or 0.0


@pytest.mark.parametrize(
    "failing",
    [
        refuses("408 Request Timeout", "slow"),
        refuses("409 Conflict", "twice"),
        refuses("429 Too Many Requests", "busy"),
        refuses("500 Internal Server Error", "oops"),
        refuses("503 Service Unavailable", "loading"),
        refuses("529 Overloaded", "busy"),
        cuts(),
        sends(ends=False),
        sends(b'data: {"error": {"message": "dead", "code": 502}}\n\n'),
    ],
)
async def test_what_may_pass_is_tried_again_before_the_first_token(
    llm: FakeLanguageModel, models: Models, failing: Script
) -> None:
    llm.then(failing, failing, says("Six."))
    assert joined(await spoken(models(llm.url))).text == "Six."
    assert len(llm.requests) >= 3  # a connection that was cut is dialled again at once, too


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "404 Not Found", "422 No"])
async def test_what_is_refused_is_not_tried_again(llm: FakeLanguageModel, models: Models, status: str) -> None:
    llm.then(refuses(status, "no"))
    with pytest.raises(LanguageModelRefused):
        await spoken(models(llm.url))
    assert len(llm.requests) == 1


async def test_a_server_that_says_so_is_not_asked_again(llm: FakeLanguageModel, models: Models) -> None:
    llm.then(refuses("503 Service Unavailable", "no", x_should_retry="false"))
    with pytest.raises(LanguageModelBroken):
        await spoken(models(llm.url))
    assert len(llm.requests) == 1


@pytest.mark.parametrize("script", [hangs(), sends(b"data: [DONE]\n\n"), sends(b"x", kind="text/html")])
async def test_silence_and_nonsense_are_not_tried_again(llm: FakeLanguageModel, models: Models, script: Script) -> None:
    llm.then(script)
    with pytest.raises((LanguageModelTimeout, LanguageModelBroken)):
        await spoken(models(llm.url))
    assert len(llm.requests) == 1


async def test_after_the_first_token_nothing_is_tried_again_and_what_was_spent_is_told(
    llm: FakeLanguageModel, models: Models
) -> None:
    llm.then(sends(chunk("It opens "), ends=False))
    pieces: list[Piece] = []
    with pytest.raises(LanguageModelBroken, match="lost the connection"):
        async with aclosing(models(llm.url, prices=Prices(1, 1)).stream(PROMPT, Sampling())) as stream:
            async for piece in stream:
                pieces.append(piece)
    assert (pieces[0].text, len(llm.requests)) == ("It opens ", 1)
    usage = pieces[-1].usage
    assert usage and usage.estimated and usage.completion_tokens == 3 and usage.cost


async def test_retries_end(llm: FakeLanguageModel, models: Models) -> None:
    llm.default = refuses("500 Internal Server Error", "oops")
    with pytest.raises(LanguageModelBroken, match="500: oops"):
        await spoken(models(llm.url))
    assert len(llm.requests) == 3


async def test_the_wait_that_a_server_asks_for_is_kept_but_not_more_than_the_limit(
    llm: FakeLanguageModel, models: Models
) -> None:
    llm.then(refuses("429 Too Many Requests", "busy", Retry_After="3600"), says("Six."))
    began = time.monotonic()
    assert joined(await spoken(models(llm.url))).text == "Six."
    assert time.monotonic() - began >= QUICK.asked_most_s


async def test_one_that_has_a_stand_in_does_not_wait_so_long(llm: FakeLanguageModel, models: Models) -> None:
    llm.then(refuses("429 Too Many Requests", "busy", Retry_After="3600"))
    with pytest.raises(LanguageModelBusy, match="ask again in 3600 s"):
        await spoken(models(llm.url, retries=Retries(2, asked_most_s=3000, in_haste=True)))
    assert len(llm.requests) == 1


@pytest.mark.parametrize(
    ("kind", "script"),
    [
        ("chat", hangs(before_head=True)),
        ("chat", hangs()),
        ("chat", hangs("It opens")),
        ("anthropic", hangs(before_head=True)),
        ("anthropic", sends(message("x")[0], ends=False)),
    ],
)
async def test_whoever_stops_listening_closes_the_connection(
    llm: FakeLanguageModel, models: Models, kind: str, script: Script
) -> None:
    llm.then(script, hangs(before_head=True))
    patient = Waits(60, 60, 60)
    listening = asyncio.create_task(spoken(models(llm.url, kind=kind, waits=patient)))
    assert await asyncio.to_thread(llm.asked.wait, 5)
    await asyncio.sleep(0.1)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert await asyncio.to_thread(llm.closed_by_peer.wait, 1)


async def test_whoever_stops_listening_ends_a_wait_before_a_retry(llm: FakeLanguageModel, models: Models) -> None:
    llm.default = refuses("429 Too Many Requests", "busy", Retry_After="60")
    model = models(llm.url, retries=Retries(2, asked_most_s=60))
    listening = asyncio.create_task(spoken(model))
    assert await asyncio.to_thread(llm.asked.wait, 5)
    await asyncio.sleep(0.1)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(listening, 1)
    assert len(llm.requests) == 1


async def test_an_answer_as_a_whole_has_its_limit(llm: FakeLanguageModel, models: Models) -> None:
    llm.then(says(*["word "] * 100, delay_s=0.05))
    with pytest.raises(LanguageModelTimeout, match=r"did not finish within 0\.6 s"):
        await spoken(models(llm.url, waits=Waits(0.5, 0.5, 0.6)))


async def test_keep_alives_are_no_tokens(llm: FakeLanguageModel, models: Models) -> None:
    async def script(writer: asyncio.StreamWriter) -> None:
        await sends(b": begun\n\n", ends=False)(writer)
        while True:
            await asyncio.sleep(0.1)
            writer.write(b"e\r\n: keep-alive\n\n\r\n")

    llm.then(script)
    with pytest.raises(LanguageModelTimeout, match=r"no first token within 0\.5 s"):
        await spoken(models(llm.url))


async def test_a_model_that_keeps_failing_is_left_alone_and_probed_after_a_while(
    llm: FakeLanguageModel, models: Models
) -> None:
    llm.default = refuses("500 Internal Server Error", "oops")
    model = models(llm.url, name="resting", retries=Retries(0, 0), breaker=Breaker(failures=2, open_s=0.5))
    for _ in range(2):
        with pytest.raises(LanguageModelBroken):
            await spoken(model)
    with pytest.raises(
        LanguageModelUnavailable, match=r"kept failing \(language_model_broken\) and is asked again .*500: oops"
    ):
        await spoken(model)
    assert len(llm.requests) == 2
    assert metric("rests", model="resting", server=llm.url) == 1
    assert metric("tries_total", model="resting", server=llm.url, outcome="resting") == 1
    await asyncio.sleep(0.5)
    llm.default = says("Six.")
    assert joined(await spoken(model)).text == "Six."
    assert (model.condition(), metric("rests", model="resting", server=llm.url)) == (None, 0)


async def test_a_model_that_can_not_be_reached_soon_costs_no_time(models: Models) -> None:
    model = models(DEAD, breaker=Breaker(failures=3, open_s=30))
    with pytest.raises(LanguageModelUnavailable, match="RAG_LLM__BASE_URL"):
        await spoken(model)
    with pytest.raises(LanguageModelUnavailable, match=r"kept failing \(language_model_unavailable\)"):
        await spoken(model)


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "429 Too Many Requests"])
async def test_refusing_and_being_busy_are_no_failures(llm: FakeLanguageModel, models: Models, status: str) -> None:
    llm.default = refuses(status, "no")
    model = models(llm.url, retries=Retries(0, 0), breaker=Breaker(failures=1, open_s=30))
    for _ in range(3):
        with pytest.raises((LanguageModelRefused, LanguageModelBusy)):
            await spoken(model)
    assert len(llm.requests) == 3


@pytest.mark.parametrize(
    "script",
    [sends(chunk("<think>Hm"), chunk(finish_reason="length")), sends(chunk(finish_reason="content_filter"))],
)
async def test_what_a_request_brings_on_itself_is_no_failure_for_others(
    llm: FakeLanguageModel, models: Models, script: Script
) -> None:
    model = models(llm.url, breaker=Breaker(failures=1, open_s=30))
    llm.then(script)
    with pytest.raises(LanguageModelBroken):
        await spoken(model)
    assert joined(await spoken(model)).text == "Hello [1]."


async def test_tokens_are_counted_by_the_server_or_else_estimated(llm: FakeLanguageModel, models: Models) -> None:
    model = models(llm.url, name="counted", prices=Prices(2, 8))
    llm.then(says("Six", " o'clock."), says("Six", " o'clock.", usage=False))
    counted, guessed = [joined(await spoken(model)).usage for _ in range(2)]
    assert counted == Usage(7, 2, 9, cost=0.00003)
    assert guessed and guessed.estimated and (guessed.completion_tokens, guessed.reasoning_tokens) == (3, None)
    tokens = metric("tokens_total", model="counted", server=llm.url, kind="completion")
    assert tokens == 2 + guessed.completion_tokens
    assert metric("cost_total", model="counted", server=llm.url) == pytest.approx((counted.cost or 0) + guessed.cost)


async def test_what_was_said_before_a_stop_is_counted(llm: FakeLanguageModel, models: Models) -> None:
    llm.then(hangs("word " * 20))
    async with aclosing(models(llm.url, name="stopped").stream(PROMPT, Sampling())) as pieces:
        await anext(pieces)
    assert metric("tokens_total", model="stopped", server=llm.url, kind="completion") == 25


async def test_the_next_model_answers_from_the_beginning(llm: FakeLanguageModel, models: Models) -> None:
    llm.then(sends(chunk("It opens "), ends=False), writes("Six."))
    order = FailingOverModel([models(llm.url, name="first"), models(llm.url, name="second", kind="anthropic")])
    pieces = await spoken(order)
    [turn] = [piece.turn for piece in pieces if piece.turn]
    assert (turn.model, turn.reason) == ("second", "first failed (language_model_broken)")
    at = next(i for i, piece in enumerate(pieces) if piece.turn)
    assert ("".join(piece.text for piece in pieces[:at]), joined(pieces[at:]).text) == ("It opens ", "Six.")


async def test_a_text_is_not_taken_back_when_no_other_model_speaks(llm: FakeLanguageModel, models: Models) -> None:
    llm.then(sends(chunk("It opens "), ends=False))
    pieces: list[Piece] = []
    with pytest.raises(LanguageModelBroken, match=r"lost the connection.*; and .*can't be reached"):
        async with aclosing(FailingOverModel([models(llm.url), models(DEAD)]).stream(PROMPT, Sampling())) as stream:
            async for piece in stream:
                pieces.append(piece)
    assert not any(piece.turn for piece in pieces)


async def test_every_failure_leads_to_the_next_model(llm: FakeLanguageModel, models: Models) -> None:
    llm.default = refuses("401 Unauthorized", "bad key")
    with fake_language_model() as other:
        order = FailingOverModel([models(DEAD), models(llm.url), models(other.url)])
        assert joined(await spoken(order)).text == "Hello [1]."
