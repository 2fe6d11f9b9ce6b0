"""A language model with retries, a breaker, and its spending counted.

A request is sent again only as long as nothing of its answer has come. A model that keeps failing is left alone for a
while, so that asking it costs no time.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from rag_api.core.breaker import Breaker
from rag_api.core.ports import LanguageModel, Piece, Sampling, Usage
from rag_api.core.prompts import Prompt
from rag_api.core.retrying import Retries
from rag_api.core.spending import Prices, asked, estimated, priced
from rag_api.errors import LanguageModelError, LanguageModelUnavailable
from rag_api.telemetry import MODEL_COST, MODEL_RESTS, MODEL_TOKENS, MODEL_TRIES, log

ENDED, LEFT = "ended", "left"


class GuardedModel:
    """`server` tells models of one name apart, in metrics and messages."""

    def __init__(
        self, model: LanguageModel, *, server: str, retries: Retries, breaker: Breaker, prices: Prices | None
    ) -> None:
        self._model = model
        self._retries = retries
        self._breaker = breaker
        self._prices = prices
        self._last_code = self._last_said = "nothing yet"
        self.name = model.name
        self.server = server
        MODEL_RESTS.labels(self.name, server).set_function(lambda: self._breaker.state(time.monotonic()) == "open")

    def condition(self) -> str | None:
        """What is wrong while it is left alone. Anybody may read it: it tells no addresses and no words of servers."""
        now_s = time.monotonic()
        if self._breaker.state(now_s) == "closed":
            return None
        rest_s = self._breaker.rest_s(now_s)
        when = f"in {rest_s:.0f} s" if rest_s else "with the next question"
        return f"kept failing ({self._last_code}) and is asked again {when}"

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        retry = 0
        while True:
            self._admit()
            spending = _Spending(prompt, self._prices)
            try:
                async with aclosing(self._try(prompt, sampling, spending)) as pieces:
                    async for piece in pieces:
                        yield piece
                return
            except LanguageModelError as error:
                retry += 1
                pause_s = self._pause_s(retry, error) if error.passes and not spending.has_begun else None
                if pause_s is None:
                    if spending.has_begun:
                        yield Piece(usage=spending.usage())
                    raise
                log(__name__).warning(
                    "language model asked again", model=self.name, reason=str(error), in_s=round(pause_s, 2)
                )
            finally:
                self._count(spending)
            await asyncio.sleep(pause_s)

    async def _try(self, prompt: Prompt, sampling: Sampling, spending: "_Spending") -> AsyncGenerator[Piece, None]:
        """The pieces, the last of them with what they cost. The breaker gets to know how it went."""
        outcome, is_alive, last = LEFT, True, Piece()
        try:
            async with aclosing(self._model.stream(prompt, sampling)) as pieces:
                async for piece in pieces:
                    is_first = not spending.has_begun
                    if is_first:
                        self._breaker.heard()
                    spending.take(piece)
                    if piece.finish_reason:
                        last = piece
                    else:
                        yield replace(piece, meter=spending.usage) if is_first else piece
            outcome = ENDED
        except LanguageModelError as error:
            outcome, is_alive = error.code, error.is_alive
            self._last_code, self._last_said = error.code, str(error)
            raise
        finally:
            self._judge(outcome, is_alive=is_alive)
        yield replace(last, usage=spending.usage())

    def _admit(self) -> None:
        if not self._breaker.admits(time.monotonic()):
            MODEL_TRIES.labels(self.name, self.server, "resting").inc()
            raise LanguageModelUnavailable(
                f"{self.name} at {self.server} {self.condition()}; the last time: {self._last_said}"
            )

    def _judge(self, outcome: str, *, is_alive: bool) -> None:
        """One that refuses a request, is busy or runs into a limit is alive: only what is left opens the breaker."""
        MODEL_TRIES.labels(self.name, self.server, outcome).inc()
        if outcome == ENDED:
            self._breaker.ended()
        elif outcome == LEFT:
            self._breaker.left()
        elif is_alive:
            self._breaker.heard()
        else:
            was = self._breaker.state(time.monotonic())
            self._breaker.failed(time.monotonic())
            if was != "open" and self._breaker.state(time.monotonic()) == "open":
                log(__name__).error("language model is left alone", model=self.name, reason=self._last_said)

    def _pause_s(self, retry: int, error: LanguageModelError) -> float | None:
        if self._breaker.state(time.monotonic()) != "closed":
            return None
        chance = random.random()
        return self._retries.pause_s(retry, asked_s=error.after_s, chance=chance)

    def _count(self, spending: "_Spending") -> None:
        """Of an answer that was stopped, too."""
        if not spending.has_begun:
            return
        usage = spending.usage()
        MODEL_TOKENS.labels(self.name, self.server, "prompt").inc(usage.prompt_tokens)
        MODEL_TOKENS.labels(self.name, self.server, "completion").inc(usage.completion_tokens)
        MODEL_COST.labels(self.name, self.server).inc(usage.cost or 0)


class _Spending:
    """Of one try: what the server counted, else what its pieces amount to."""

    def __init__(self, prompt: Prompt, prices: Prices | None) -> None:
        self._asked = asked(message.text for message in prompt.messages)
        self._prices = prices
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._counted: Usage | None = None
        self.has_begun = False

    def take(self, piece: Piece) -> None:
        self.has_begun = True
        self._texts.append(piece.text)
        self._thoughts.append(piece.reasoning)
        self._counted = piece.usage or self._counted

    def usage(self) -> Usage:
        said = "".join(self._texts), "".join(self._thoughts)
        return priced(self._counted or estimated(self._asked, *said), self._prices)
