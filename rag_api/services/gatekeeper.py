"""Whether passages can hold an answer, by what is known of the generation that they come from."""

import asyncio
import statistics
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from ingest.ports import Vectors
from rag_api.core.calibrating import (
    UNRELATED_QUESTIONS,
    Background,
    count_words,
    draw_words,
    is_trusted,
    relative,
    stretch,
)
from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.core.extracting import Comparison
from rag_api.core.gating import Gate, doubt, judge, weigh
from rag_api.core.hits import Passage
from rag_api.core.ports import Embedder, Embedders, VectorStore
from rag_api.db import chunks, gates, generations
from rag_api.db.database import Database, now
from rag_api.db.gates import Measured
from rag_api.db.rows import CollectionRow
from rag_api.errors import Unavailable
from rag_api.telemetry import log

GateMode: TypeAlias = Literal["auto", "strict", "off"]
SAMPLED_CHUNKS = 4_096  # in which words are counted
DRAWN_FROM = 512  # of them, questions are drawn from
CHUNKS_A_STEP = 64  # between which others go on
REST, MOST_REST_S = 3.0, 1.0  # times as long as a step of a large generation took
PATIENCE_S = 0.5  # of answers with a look that has begun, where something is known from before
QUESTIONS_AT_ONCE = 4  # are embedded, as somebody's own waits for them
GENERATIONS_KEPT = 16  # some 3 MB each
GROWN_BY = 1.2  # a generation that has grown or shrunk by this is measured anew
LOOKS_EVERY_S = 30.0  # how often it is looked whether a large generation has
SMALL_CHUNKS = 2_000  # a smaller one is looked at whenever it has changed


@dataclass(frozen=True, slots=True)
class _Known:
    background: Background
    chunks: int
    changed: int
    threshold: float
    is_own: bool
    looked_at: float


@dataclass(frozen=True, slots=True)
class _Look:
    task: "asyncio.Task[_Known | None]"
    began_s: float


@dataclass(frozen=True, slots=True)
class GateState:
    """`threshold` is the collection's own or the setting; `measured` is of its generation, None before a question."""

    threshold: float
    is_own: bool
    measured: Measured | None


class Gatekeeper:
    def __init__(
        self, db: Database, embedders: Embedders, store: VectorStore, *, mode: GateMode, threshold: float
    ) -> None:
        self.mode = mode
        self._db = db
        self._embedders = embedders
        self._store = store
        self._threshold = threshold
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._looks: dict[str, _Look] = {}
        self._unrelated: dict[str, Vectors] = {}  # by the fingerprint of what embedded them

    async def judge(
        self, row: CollectionRow, question: str, passages: Sequence[Passage], comparison: Comparison | None = None
    ) -> Gate | None:
        """None where nothing can be said: the gate is off, or vectors are away."""
        if self.mode == "off":
            return None
        known = await self._of(row)
        evidence = weigh(question, passages, known.background, comparison) if known else None
        if known is None or evidence is None:
            return None
        caution = doubt(question, known.background)
        if caution == "embedder" and evidence.words is None:  # the lexical index is away, too
            return None
        if known.is_own and caution == "language":  # who set a threshold has seen what it does
            caution = None
        return judge(evidence, threshold=known.threshold, caution=caution)

    async def state(self, row: CollectionRow) -> GateState:
        own = await self._db.ask(gates.threshold, row.id)
        found = await self._db.ask(gates.measured, row.generation_id)
        return GateState(self._threshold if own is None else own, own is not None, found)

    async def set_threshold(self, row: CollectionRow, value: float | None) -> None:
        """None: that of the settings. Other processes follow within half a minute."""
        await self._db.change(gates.set_threshold, row.id, value)
        if known := self._known.get(row.generation_id):
            self._known[row.generation_id] = replace(
                known, threshold=self._threshold if value is None else value, is_own=value is not None
            )

    async def close(self) -> None:
        tasks = [look.task for look in self._looks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _of(self, row: CollectionRow) -> _Known | None:
        known = self._known.get(row.generation_id)
        if known and known.changed == row.changed:
            return known
        if known and known.chunks >= SMALL_CHUNKS:
            if _now_s() - known.looked_at > LOOKS_EVERY_S:
                self._look(row)  # and answer by what is known meanwhile
            return known
        look = self._look(row)
        left_s = max(0.0, look.began_s + PATIENCE_S - _now_s())
        await asyncio.wait([look.task], timeout=left_s if known else None)
        if not look.task.done() or (known and not look.task.cancelled() and look.task.exception()):
            return known
        return look.task.result() or known

    def _look(self, row: CollectionRow) -> _Look:
        """One look at a time at each generation."""
        look = self._looks.get(row.generation_id)
        if look is None:
            look = self._looks[row.generation_id] = _Look(asyncio.create_task(self._measure(row)), _now_s())
            look.task.add_done_callback(partial(self._ended, row.generation_id))
        return look

    def _ended(self, generation_id: str, task: "asyncio.Task[_Known | None]") -> None:
        self._looks.pop(generation_id, None)
        if not task.cancelled() and (error := task.exception()):  # nobody may have waited for it
            log(__name__).error("the gate's look at a generation failed", error=repr(error))

    async def _measure(self, row: CollectionRow) -> _Known | None:
        try:
            known = await self._measured(row)
        except Unavailable as error:
            log(__name__).warning("the gate before answers has nothing to judge by", reason=str(error))
            return None
        if known:
            self._known[row.generation_id] = known
            self._known.move_to_end(row.generation_id)
            while len(self._known) > GENERATIONS_KEPT:
                self._known.popitem(last=False)
        return known

    async def _measured(self, row: CollectionRow) -> _Known | None:
        count = await self._db.ask(gates.size, row.generation_id)
        before = self._known.get(row.generation_id)
        if before and _is_about(before.chunks, count):
            own = await self._db.ask(gates.threshold, row.id)
            threshold = self._threshold if own is None else own
            return replace(before, changed=row.changed, threshold=threshold, is_own=own is not None, looked_at=_now_s())
        ids = await self._db.ask(gates.spread, row.generation_id, count=SAMPLED_CHUNKS)
        some = await self._db.ask(chunks.published, row.generation_id, ids[:: len(ids) // DRAWN_FROM + 1])
        found = await self._calibrated(row, count, [chunk.text for chunk in some.values()])
        if found is None:
            return None
        rest = REST if before and count >= SMALL_CHUNKS else 0.0
        sampled, frequencies = await self._counted(row.generation_id, ids, rest=rest)
        background = Background(found.unrelated, sampled, frequencies, found.stretch, found.is_trusted)
        own = await self._db.ask(gates.threshold, row.id)  # somebody may have set one meanwhile
        threshold = self._threshold if own is None else own
        return _Known(background, count, row.changed, threshold, own is not None, _now_s())

    async def _counted(self, generation_id: str, ids: Sequence[str], *, rest: float) -> tuple[int, Counter[str]]:
        """How many of these chunks there are, and in how many each word is."""
        frequencies: Counter[str] = Counter()
        sampled = 0
        for at in range(0, len(ids), CHUNKS_A_STEP):
            began = _now_s()
            page = await self._db.ask(chunks.published, generation_id, ids[at : at + CHUNKS_A_STEP])
            texts = [f"{chunk.title} {chunk.section} {chunk.text}" for chunk in page.values()]
            frequencies.update(await asyncio.to_thread(count_words, texts))
            sampled += len(texts)
            await asyncio.sleep(min(rest * (_now_s() - began), MOST_REST_S))
        return sampled, frequencies

    async def _calibrated(self, row: CollectionRow, count: int, texts: Sequence[str]) -> Measured | None:
        """From the catalogue, if the generation is about as large as it was then, else measured. None: not now."""
        found = await self._db.ask(gates.measured, row.generation_id)
        generation = await self._db.ask(generations.get, row.generation_id)
        is_known = generation.model == DEFAULT_MODEL  # the weights were fitted with that one
        if found and _is_about(found.chunks, count) and (is_known or found.separation is not None):
            return found
        if not generation.is_whole or generation.fingerprint is None:
            return found
        embedder = self._embedders.of(generation.model)

        async def reach(vectors: Vectors) -> float:
            return statistics.median(await self._store.nearest(generation.id, vectors))

        if (await embedder.identity()).fingerprint != generation.fingerprint:
            return found  # another model answers in its place
        if generation.fingerprint not in self._unrelated:
            self._unrelated[generation.fingerprint] = await _embedded(embedder, UNRELATED_QUESTIONS)
        unrelated = round(max(0.0, await reach(self._unrelated[generation.fingerprint])), 4)
        fresh = Measured(unrelated, count, now())
        if not is_known:
            drawn = draw_words(texts)
            reached = await reach(await _embedded(embedder, drawn)) if drawn else unrelated
            separation = round(relative(reached, unrelated), 4)
            fresh = replace(
                fresh,
                separation=separation,
                drawn=len(drawn),
                stretch=round(stretch(separation), 4),
                is_trusted=is_trusted(separation, drawn=len(drawn)),
            )
        await self._db.change(gates.keep_measured, generation.id, fresh)
        return fresh


async def _embedded(embedder: Embedder, questions: Sequence[str]) -> Vectors:
    vectors: list[Vectors] = []
    for at in range(0, len(questions), QUESTIONS_AT_ONCE):
        some = questions[at : at + QUESTIONS_AT_ONCE]
        vectors += await asyncio.gather(*(embedder.embed_query(question) for question in some))
    return np.stack(vectors)


def _is_about(before: int, now: int) -> bool:
    low, high = sorted((before, now))
    return high <= low * GROWN_BY


def _now_s() -> float:
    return time.monotonic()
