"""From a question to a run whose log holds the answer: retrieve → pack → prompt → stream → cite."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from ingest.documents import new_id
from rag_api.core.events import Retrieved, Started, documents_in
from rag_api.core.filters import Filter
from rag_api.core.gating import Gate
from rag_api.core.hits import Hit, Passage
from rag_api.core.packing import fit, pack, pack_history
from rag_api.core.ports import Sampling
from rag_api.core.principals import Principal
from rag_api.core.prompts import PastTurn, Prompt, Prompts
from rag_api.db.rows import CollectionRow
from rag_api.services.answer_cache import AnswerCache
from rag_api.services.comparing import Comparer
from rag_api.services.conversations import Conversations
from rag_api.services.gatekeeper import Gatekeeper
from rag_api.services.judging import Judge, Judging
from rag_api.services.later import Later
from rag_api.services.library import Library
from rag_api.services.lineups import Lineup, Lineups
from rag_api.services.retriever import Mode, Retriever, Search
from rag_api.services.runs import Run, Runs
from rag_api.services.rush import Rush
from rag_api.services.writing import NO_ANSWER, Writer, repeat

DEFAULT_SAMPLING = Sampling()
RETRIEVALS = 40  # at once: of hundreds that ask together, the first then need not wait for the last


@dataclass(frozen=True, slots=True)
class Ask:
    """`said`: the turns before, of a conversation that somebody else keeps. `model`: that is to answer."""

    question: str
    collection: str
    who: Principal
    top_k: int | None = None
    filter: Filter | None = None
    mode: Mode = "hybrid"
    dense_weight: float | None = None
    instructions: str | None = None
    sampling: Sampling = DEFAULT_SAMPLING
    reasoning: bool = False
    model: str | None = None
    conversation_id: str | None = None
    again: str | None = None
    said: tuple[PastTurn, ...] = ()
    may_repeat: bool = True


@dataclass(frozen=True, slots=True)
class AnswererOptions:
    passages: int
    budget_chars: int
    history_chars: int


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in its place: who answers, from what, with which words, and since when."""

    ask: Ask
    lineup: Lineup
    row: CollectionRow
    prompts: Prompts
    history: Sequence[PastTurn]
    began: float


class Answerer:
    def __init__(
        self,
        library: Library,
        retriever: Retriever,
        lineups: Lineups,
        prompts: Prompts,
        *,
        gatekeeper: Gatekeeper,
        comparer: Comparer,
        runs: Runs,
        conversations: Conversations,
        cache: AnswerCache,
        judge: Judge | None,
        options: AnswererOptions,
    ) -> None:
        self._judge = judge
        self._cache = cache
        self._conversations = conversations
        self._library = library
        self._retriever = retriever
        self._lineups = lineups
        self._prompts = prompts
        self._gatekeeper = gatekeeper
        self._comparer = comparer
        self._runs = runs
        self._options = options
        self._turns = asyncio.Semaphore(RETRIEVALS)
        self._rush = Rush()

    async def answer(self, ask: Ask) -> Run:
        """A run that has begun. Raises what is wrong with the question itself: CollectionNotFound, QuestionTooLong …"""
        began = time.perf_counter()
        lineup = self._lineups.of(ask.model)
        row = await self._library.collection(ask.collection, ask.who)
        prompts = self._prompts.of(row.prompts)
        if window := lineup.window:
            bare = prompts.answer(ask.question, (), instructions=ask.instructions)
            window.admit(bare, max_tokens=ask.sampling.max_tokens)
        place = await self._conversations.place(
            ask.conversation_id, ask.question, who=ask.who, again=ask.again, said=ask.said
        )
        answer_id = new_id("ans")
        asked = _Asked(ask, lineup, row, prompts, place.history, began)

        async def work(run: Run) -> None:
            await self._work_or_repeat(run, asked)

        started = Started(
            answer_id, place.conversation_id, ask.collection, lineup.name, ask.question, place.parent_id,
            prompts.version, ask.who.id,
        )  # fmt: skip
        return self._runs.start(answer_id, work, started)

    async def _work_or_repeat(self, run: Run, asked: _Asked) -> None:
        ask, row = asked.ask, asked.row
        if not self._cache.is_on or not ask.may_repeat or ask.reasoning:
            await self._work(run, asked)
            return
        scope = repr((row.id, row.generation_id, row.changed, ask.filter, ask.who.listed_groups, ask.top_k, ask.mode,
                      ask.dense_weight, ask.instructions, ask.sampling, asked.history, asked.lineup.name,
                      asked.prompts.version))  # fmt: skip
        events, vector = await self._cache.find(scope, ask.question, model=row.embedder)
        if events and not any(map(self._runs.is_deleted, documents_in(events))):
            repeat(run, events, asked.began)
        elif not await self._work(run, asked):
            self._cache.keep(scope, ask.question, run.log, vector)

    async def _work(self, run: Run, asked: _Asked) -> Sequence[str]:
        """What was degraded in it."""
        ask, prompts, quotes = asked.ask, asked.prompts, asked.lineup.quotes
        question = await self._conversations.condense(ask.question, asked.history, prompts, by_rule=quotes)
        search = Search(
            question,
            ask.top_k or self._options.passages,
            ask.mode,
            ask.filter,
            ask.dense_weight,
            ask.who.groups,
            same_text=1,
            joined=not quotes,
        )
        with self._rush.newcomer():
            async with self._turns:
                found = await self._retriever.search(ask.collection, search)
            degraded, prompt = found.degraded, await self._prompt(asked, question, found.hits)
        del found, search  # the passages are what is kept while the model is silent
        passages = prompt.passages if prompt else ()
        run.append(Retrieved(passages))
        judging = Judging(self._judge, prompts) if self._judge and not quotes else None
        writer = Writer(run, passages, asked.began, shows_reasoning=ask.reasoning, judging=judging)
        writer.timings_ms["retrieve"] = writer.elapsed_ms()
        if not prompt or not passages:
            writer.refuse(prompts.refusal(ask.question))
            return degraded
        try:
            await self._write(asked, prompt, writer)
            await writer.end(prompts, ask.question)
        finally:
            writer.leave()
        return degraded

    async def _write(self, asked: _Asked, prompt: Prompt, writer: Writer) -> None:
        if asked.lineup.quotes or self._gatekeeper.mode == "strict":
            await self._decide(asked, prompt, writer)
            return
        gate = Later(self._judged(asked.row, prompt))  # delays no text of the model, and lets the end wait
        try:
            await self._stream(asked, prompt, writer, gate)
            writer.gate = await gate.unless_away()
        finally:
            gate.drop()

    async def _judged(self, row: CollectionRow, prompt: Prompt) -> Gate | None:
        await self._rush.over()
        return await self._gatekeeper.judge(row, prompt.question, prompt.passages)

    async def _prompt(self, asked: _Asked, standalone: str, hits: Sequence[Hit]) -> Prompt | None:
        """With as many passages and turns before as there is room for; None without any. Shows nothing deleted."""
        while True:
            shown = [hit for hit in hits if not self._runs.is_deleted(hit.chunk.document_id)]
            passages = pack(shown, budget_chars=self._options.budget_chars)
            prompt = await self._fitting(asked, standalone, passages) if passages else None
            if not prompt or not any(self._runs.is_deleted(one.chunk.document_id) for one in prompt.passages):
                return prompt

    async def _fitting(self, asked: _Asked, standalone: str, passages: Sequence[Passage]) -> Prompt:
        ask, window = asked.ask, asked.lineup.window

        def render(some: Sequence[Passage], turns: Sequence[PastTurn]) -> Prompt:
            return asked.prompts.answer(
                ask.question, some, instructions=ask.instructions, history=turns, standalone=standalone
            )

        history = pack_history(asked.history, budget_chars=self._options.history_chars)
        prompt = render(passages, history)
        if window is None or window.surely_holds(prompt, window.room(ask.sampling.max_tokens)):
            return prompt
        return await asyncio.to_thread(
            fit, render, passages, history, window=window, max_tokens=ask.sampling.max_tokens
        )

    async def _decide(self, asked: _Asked, prompt: Prompt, writer: Writer) -> None:
        """The gate comes first; the model is asked only when it lets the question pass."""
        row = asked.row
        comparison = await self._comparer.compare(row.embedder, prompt.question, prompt.passages)
        writer.gate = await self._gatekeeper.judge(row, prompt.question, prompt.passages, comparison)
        writer.timings_ms["compare"] = writer.elapsed_ms()
        if writer.gate and not writer.gate.passed:
            writer.finish_reason = NO_ANSWER
        else:
            await self._stream(asked, replace(prompt, comparison=comparison), writer)

    async def _stream(
        self, asked: _Asked, prompt: Prompt, writer: Writer, judged: Later[Gate | None] | None = None
    ) -> None:
        """Where quotations stand in for a model, the gate that is being judged decides whether they answer."""
        model = asked.lineup.model
        writer.model = model.name
        async with aclosing(model.stream(prompt, asked.ask.sampling)) as pieces:
            async for piece in pieces:
                writer.take(piece)
                if piece.turn and piece.turn.quotes and judged and (gate := await judged.found()) and not gate.passed:
                    writer.finish_reason = NO_ANSWER
                    return
