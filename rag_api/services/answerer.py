"""From a question to a run whose log holds the answer: retrieve → pack → prompt → stream → cite."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from ingest.documents import Span, new_id
from rag_api.core.citing import CitationFinder, Cited
from rag_api.core.events import Citation, Done, Outcome, Reasoned, Reset, Retrieved, Started, TextAppended, grounding
from rag_api.core.filters import Filter
from rag_api.core.gating import Gate
from rag_api.core.hits import Passage
from rag_api.core.packing import pack
from rag_api.core.ports import LanguageModel, Piece, Quote, Sampling, Turn, Usage
from rag_api.core.prompts import Prompt, Prompts
from rag_api.core.spending import total
from rag_api.core.verifying import support
from rag_api.db.rows import CollectionRow
from rag_api.services.comparing import Comparer
from rag_api.services.gatekeeper import Gatekeeper
from rag_api.services.library import Library
from rag_api.services.retriever import Retriever, Search
from rag_api.services.runs import Run, Runs
from rag_api.telemetry import FIRST_TEXT_S

DEFAULT_SAMPLING = Sampling()
NO_ANSWER: Literal["no_answer"] = "no_answer"  # the finish reason of a model that finds nothing to say


@dataclass(frozen=True, slots=True)
class Ask:
    question: str
    collection: str
    top_k: int | None = None
    filter: Filter | None = None
    instructions: str | None = None
    sampling: Sampling = DEFAULT_SAMPLING
    reasoning: bool = False


@dataclass(frozen=True, slots=True)
class AnswererOptions:
    """`quotes`: the model quotes sentences, so the gate alone decides whether it speaks."""

    passages: int
    budget_chars: int
    quotes: bool


class Answerer:
    def __init__(
        self,
        library: Library,
        retriever: Retriever,
        model: LanguageModel,
        prompts: Prompts,
        *,
        gatekeeper: Gatekeeper,
        comparer: Comparer,
        runs: Runs,
        options: AnswererOptions,
    ) -> None:
        self._library = library
        self._retriever = retriever
        self._model = model
        self._prompts = prompts
        self._gatekeeper = gatekeeper
        self._comparer = comparer
        self._runs = runs
        self._options = options

    async def answer(self, ask: Ask) -> Run:
        """A run that has begun. Raises what is wrong with the question itself, such as CollectionNotFound."""
        row = await self._library.collection(ask.collection)
        answer_id = new_id("ans")
        began = time.perf_counter()

        async def work(run: Run) -> None:
            await self._work(run, row, ask, began)

        return self._runs.start(answer_id, work, Started(answer_id, None, ask.collection, self._model.name))

    async def _work(self, run: Run, row: CollectionRow, ask: Ask, began: float) -> None:
        options = self._options
        search = Search(
            ask.question, ask.top_k or options.passages, filter=ask.filter, same_text=1, joined=not options.quotes
        )
        found = await self._retriever.search(ask.collection, search)
        shown = [hit for hit in found.hits if not self._runs.is_deleted(hit.chunk.document_id)]
        passages = pack(shown, budget_chars=self._options.budget_chars)
        run.append(Retrieved(tuple(passages)))
        writer = _Writer(run, passages, began, shows_reasoning=ask.reasoning)
        writer.timings_ms["retrieve"] = writer.elapsed_ms()
        if not passages:
            writer.refuse(self._prompts.refusal())
            return
        prompt = self._prompts.answer(ask.question, passages, instructions=ask.instructions)
        if self._options.quotes or self._gatekeeper.mode == "strict":
            await self._decide(row, prompt, ask.sampling, writer)
            return
        judging = asyncio.create_task(self._gatekeeper.judge(row, ask.question, passages))  # delays no text
        try:
            await self._stream(prompt, ask.sampling, writer)
            writer.gate = await judging
        finally:
            judging.cancel()
        writer.end(self._prompts)

    async def _decide(self, row: CollectionRow, prompt: Prompt, sampling: Sampling, writer: "_Writer") -> None:
        """The gate comes first; the model is asked only when it lets the question pass."""
        comparison = await self._comparer.compare(row.embedder, prompt.question, prompt.passages)
        writer.gate = await self._gatekeeper.judge(row, prompt.question, prompt.passages, comparison)
        writer.timings_ms["compare"] = writer.elapsed_ms()
        if writer.gate and not writer.gate.passed:
            writer.finish_reason = NO_ANSWER
        else:
            await self._stream(replace(prompt, comparison=comparison), sampling, writer)
        writer.end(self._prompts)

    async def _stream(self, prompt: Prompt, sampling: Sampling, writer: "_Writer") -> None:
        async with aclosing(self._model.stream(prompt, sampling)) as pieces:
            async for piece in pieces:
                writer.take(piece)


class _Writer:
    """Turns pieces into the events of one run."""

    def __init__(self, run: Run, passages: Sequence[Passage], began: float, *, shows_reasoning: bool) -> None:
        self._run = run
        self._shows_reasoning = shows_reasoning
        self._passages = passages
        self._began = began
        self._finder = CitationFinder(len(passages))
        self._citations: list[Citation] = []
        self._length = 0
        self._has_reasoned = False
        self.model: str | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.gate: Gate | None = None
        self.timings_ms: dict[str, float] = {}

    def elapsed_ms(self) -> float:
        return round(1000 * (time.perf_counter() - self._began), 1)

    def take(self, piece: Piece) -> None:
        if piece.turn:
            self._start_over(piece.turn)
        if piece.usage:
            self.usage = total(self.usage, piece.usage)
        self.finish_reason = piece.finish_reason or self.finish_reason
        if piece.reasoning and self._shows_reasoning:
            self._has_reasoned = True
            self._run.append(Reasoned(piece.reasoning))
        if piece.text:
            self._append(*self._finder.feed(piece.text), piece.quotes)

    def end(self, prompts: Prompts) -> None:
        if self.finish_reason == NO_ANSWER:
            self.refuse(prompts.refusal(self._passages))
        else:
            self.finish("answered")

    def refuse(self, text: str) -> None:
        self._append(text, [])
        self._done(NO_ANSWER, text)

    def finish(self, outcome: Outcome) -> None:
        self._append(*self._finder.finish())
        self._done(outcome, self._finder.text)

    def _start_over(self, turn: Turn) -> None:
        """Another model goes on, from the beginning."""
        self.model = turn.model
        if self._length or self._has_reasoned:
            self._run.append(Reset(0, f"{turn.reason}; {turn.model} answers instead"))
        self._finder = CitationFinder(len(self._passages))
        self._citations.clear()
        self._length = 0

    def _append(self, text: str, cited: Sequence[Cited], quotes: Sequence[Quote] = ()) -> None:
        if text:
            if "first_text" not in self.timings_ms:
                self.timings_ms["first_text"] = self.elapsed_ms()
                FIRST_TEXT_S.observe(self.timings_ms["first_text"] / 1000)
            self._run.append(TextAppended(self._length, text))
            self._length += len(text)
        for one in cited:
            named: list[Quote | None] = [quote for quote in quotes if quote.n == one.n]
            for quote in named or [None]:
                citation = _citation(one, self._finder.text, self._passages[one.n - 1], quote)
                self._citations.append(citation)
                self._run.append(citation)

    def _done(self, outcome: Outcome, text: str) -> None:
        self.timings_ms["total"] = self.elapsed_ms()
        self._run.append(
            Done(
                outcome,
                self.finish_reason,
                text,
                self.usage,
                self.timings_ms,
                grounding(self._citations),
                self.gate,
                self.model,
            )
        )


def _citation(cited: Cited, answer: str, passage: Passage, quote: Quote | None) -> Citation:
    """`quote`: what the model itself says it rests on; else it is the sentence that comes closest."""
    chunk, claim = passage.chunk, cited.answer.of(answer)
    if quote:
        span = Span(quote.start, quote.end)
        found = replace(support(claim, span.of(chunk.text)), span=span)
    else:
        found = support(claim, chunk.text)
    return Citation(
        n=cited.n,
        answer_start=cited.answer.start,
        answer_end=cited.answer.end,
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        version=chunk.version,
        start=chunk.start + found.span.start,
        end=chunk.start + found.span.end,
        page=chunk.page,
        quote=found.span.of(chunk.text),
        verdict=found.verdict,
        score=round(found.score, 3),
    )
