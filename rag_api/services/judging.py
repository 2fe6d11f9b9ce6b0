"""Verdicts on citations by a language model. They delay no text: citations are told when their verdicts are there, in
the order of their markers, and with the verdict by rule where the model has none in time."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

from rag_api.core.events import Citation
from rag_api.core.hits import Passage
from rag_api.core.judging import read_verdict
from rag_api.core.ports import LanguageModel, Sampling
from rag_api.core.prompts import Prompt, Prompts
from rag_api.core.verifying import Verdict
from rag_api.errors import LanguageModelError
from rag_api.telemetry import JUDGED, log

VERDICT_TOKENS = 16
Tell: TypeAlias = Callable[[Citation], None]


class Judge:
    """`timeout_s` for one verdict, and for all that are open when the text is whole; `at_once` of all answers."""

    def __init__(self, model: LanguageModel, *, timeout_s: float, at_once: int) -> None:
        self._model = model
        self._turns = asyncio.Semaphore(at_once)
        self.timeout_s = timeout_s

    async def verdict(self, prompt: Prompt) -> Verdict | None:
        """None where it has none in time, or says something else."""
        pieces: list[str] = []
        sampling = Sampling(0, VERDICT_TOKENS)
        try:
            async with (
                asyncio.timeout(self.timeout_s),
                self._turns,
                aclosing(self._model.stream(prompt, sampling)) as stream,
            ):
                async for piece in stream:
                    pieces.append(piece.text)
        except (LanguageModelError, TimeoutError) as error:
            JUDGED.labels("failed" if isinstance(error, LanguageModelError) else "late").inc()
            log(__name__).warning("judged by rule", reason=str(error) or "the judge took too long")
            return None
        found = read_verdict("".join(pieces))
        JUDGED.labels(found.value if found else "unclear").inc()
        return found


@dataclass(frozen=True, slots=True)
class Judging:
    """A judge, and the words in which a collection asks it."""

    judge: Judge
    prompts: Prompts

    async def verdict(self, sentence: str, passage: Passage) -> Verdict | None:
        return await self.judge.verdict(self.prompts.judge(sentence, passage))


class Verdicts:
    """The citations of one answer on their way."""

    def __init__(self, tell: Tell, judging: Judging | None) -> None:
        self._tell = tell
        self._judging = judging
        self._open: list[tuple[Citation, asyncio.Task[Verdict | None]]] = []

    def add(self, citation: Citation, sentence: str, passage: Passage) -> None:
        if self._judging is None:
            self._tell(citation)
            return
        task = asyncio.create_task(self._judging.verdict(sentence, passage))
        self._open.append((citation, task))
        task.add_done_callback(lambda _: self._tell_judged())

    async def settle(self) -> None:
        """Until all are judged, for a limited time."""
        if self._judging and self._open:
            await asyncio.wait([task for _, task in self._open], timeout=self._judging.judge.timeout_s)

    def close(self) -> None:
        """Tells the others as they are."""
        self._tell_judged()
        for citation, _ in self.drop():
            self._tell(citation)

    def drop(self) -> list[tuple[Citation, "asyncio.Task[Verdict | None]"]]:
        """Those that are still open, which are not judged any more."""
        dropped = list(self._open)
        self._open.clear()
        for _, task in dropped:
            task.cancel()
        return dropped

    def _tell_judged(self) -> None:
        while self._open and self._open[0][1].done():
            citation, task = self._open.pop(0)
            found = None if task.cancelled() or task.exception() else task.result()
            self._tell(replace(citation, verdict=found.value) if found else citation)
