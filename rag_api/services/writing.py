"""Turns the pieces that a language model gives into the events of a run."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from ingest.documents import Span
from rag_api.core.citing import CitationFinder, Cited
from rag_api.core.events import Citation, Done, Event, Outcome, Reasoned, Reset, TextAppended, grounding
from rag_api.core.gating import Gate
from rag_api.core.hits import Passage
from rag_api.core.ports import Piece, Quote, Turn, Usage
from rag_api.core.prompts import Prompts
from rag_api.core.spending import total
from rag_api.core.verifying import Evidence, Said, support, uncited
from rag_api.services.judging import Judging, Verdicts
from rag_api.services.runs import Run
from rag_api.telemetry import FIRST_TEXT_S

NO_ANSWER: Literal["no_answer"] = "no_answer"  # the finish reason of a model that finds nothing to say


class Writer:
    """Turns pieces into the events of one run."""

    def __init__(
        self,
        run: Run,
        passages: Sequence[Passage],
        began: float,
        *,
        shows_reasoning: bool,
        judging: Judging | None = None,
    ) -> None:
        self._run = run
        self._verdicts = Verdicts(self._tell, judging)
        self._shows_reasoning = shows_reasoning
        self._passages = passages
        self._began = began
        self._finder = CitationFinder(len(passages))
        self._evidence: dict[int, Evidence] = {}
        self._citations: list[Citation] = []
        self._length = 0
        self._has_reasoned = False
        self._meter: Callable[[], Usage] | None = None
        self.model: str | None = None
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.gate: Gate | None = None
        self.timings_ms: dict[str, float] = {}
        run.spent = self.spent

    def spent(self) -> Usage | None:
        """What the answer has taken so far."""
        return total(self.usage, self._meter()) if self._meter else self.usage

    def elapsed_ms(self) -> float:
        return round(1000 * (time.perf_counter() - self._began), 1)

    def take(self, piece: Piece) -> None:
        if piece.turn:
            self._start_over(piece.turn)
        self._meter = piece.meter or self._meter
        if piece.usage:
            self.usage, self._meter = total(self.usage, piece.usage), None
        self.finish_reason = piece.finish_reason or self.finish_reason
        if piece.reasoning and self._shows_reasoning:
            self._has_reasoned = True
            self._run.append(Reasoned(piece.reasoning))
        if piece.text:
            self._append(*self._finder.feed(piece.text), piece.quotes)

    async def end(self, prompts: Prompts, question: str) -> None:
        if self.finish_reason == NO_ANSWER:
            self.refuse(prompts.refusal(question, self._passages))
        else:
            self._append(*self._finder.finish())
            await self._verdicts.settle()
            self.finish("answered")

    def leave(self) -> None:
        """Whatever happens: citations that are not judged yet are told as they are."""
        if self._run.is_redacted:
            self._verdicts.drop()
        else:
            self._verdicts.close()

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
        self._verdicts.drop()
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
                sentence = one.answer.of(self._finder.text)
                self._verdicts.add(self._citation(one, quote), sentence, self._passages[one.n - 1])

    def _tell(self, citation: Citation) -> None:
        self._citations.append(citation)
        self._run.append(citation)

    def _done(self, outcome: Outcome, text: str) -> None:
        self._verdicts.close()
        self.timings_ms["total"] = self.elapsed_ms()
        self._run.append(
            Done(
                outcome,
                self.finish_reason,
                text,
                self.usage,
                self.timings_ms,
                self._grounding(outcome),
                self.gate,
                self.model,
            )
        )

    def _grounding(self, outcome: Outcome) -> Mapping[str, int]:
        """Of the citations, and of what is stated without one, which any passage may support."""
        counts = grounding(self._citations)
        if outcome == "answered" and self._passages:
            text = self._finder.text
            for span in uncited(text, (Span(one.answer_start, one.answer_end) for one in self._citations)):
                said = Said(span.of(text))
                found = (self._read(n).support(said) for n in range(1, len(self._passages) + 1))
                counts[max(found, key=lambda one: one.score).verdict] += 1
        return counts

    def _read(self, n: int) -> Evidence:
        if n not in self._evidence:
            chunk = self._passages[n - 1].chunk
            self._evidence[n] = Evidence(chunk.text, f"{chunk.title} {chunk.section}")
        return self._evidence[n]

    def _citation(self, cited: Cited, quote: Quote | None) -> Citation:
        """`quote`: what the model itself says it rests on; else it is the sentence that comes closest."""
        chunk, claim = self._passages[cited.n - 1].chunk, cited.answer.of(self._finder.text)
        if quote:
            span = Span(quote.start, quote.end)
            found = replace(support(claim, span.of(chunk.text), f"{chunk.title} {chunk.section}"), span=span)
        else:
            found = self._read(cited.n).support(Said(claim))
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


def repeat(run: Run, events: Sequence[Event], began: float) -> None:
    """What was answered before, as if it were answered now."""
    for event in events:
        took_ms = round(1000 * (time.perf_counter() - began), 1)
        took = {"first_text": took_ms, "total": took_ms}
        run.append(replace(event, timings_ms=took) if isinstance(event, Done) else event)
