"""What the gate knows of a generation, and when it looks again."""

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from ingest.ports import Vectors
from rag_api.core.calibrating import FEWEST_DRAWN, UNRELATED_QUESTIONS, draw_words
from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.core.gating import CAUTIOUS_THRESHOLD
from rag_api.core.ports import EmbedderIdentity
from rag_api.db import collections, gates, generations, reaping
from rag_api.db.gates import Measured
from rag_api.db.rows import CollectionRow
from rag_api.errors import EmbedderUnavailable
from rag_api.services import gatekeeper as gatekeeper_module
from rag_api.services.comparing import Comparer
from rag_api.services.gatekeeper import Gatekeeper, GateMode
from tests.core.values import passage
from tests.services.library import DIMENSION, KnownLibrary, vector_of

IDENTITY = EmbedderIdentity(DEFAULT_MODEL, "f", DIMENSION, 256)
QUESTION = "When does the ferry leave?"


@dataclass
class CountingEmbedders:
    """An embedder for every model, which counts what it is asked."""

    queries: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    is_away: bool = False

    def of(self, model: str | None) -> "CountingEmbedders":
        return self

    async def identity(self) -> EmbedderIdentity:
        return IDENTITY

    async def embed_query(self, text: str) -> Vectors:
        if self.is_away:
            raise EmbedderUnavailable("away")
        self.queries.append(text)
        return vector_of(text)

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        self.documents += texts
        return np.stack([vector_of(text) for text in texts])

    async def tokenizer(self) -> None:
        return None


@pytest.fixture
def embedders() -> CountingEmbedders:
    return CountingEmbedders()


def keeper(known: KnownLibrary, embedders: CountingEmbedders, mode: GateMode = "auto") -> Gatekeeper:
    return Gatekeeper(known.db, embedders, known.store, mode=mode, threshold=0.4)


async def settled(known: KnownLibrary, identity: EmbedderIdentity = IDENTITY) -> CollectionRow:
    await known.db.change(generations.settle, known.row.generation_id, identity, "s")
    return await known.db.ask(collections.get, known.row.name)


async def test_unrelated_questions_are_measured_once_and_kept_for_the_next_process(
    known: KnownLibrary, embedders: CountingEmbedders
) -> None:
    await known.publish("a", {}, count=5)
    row = await settled(known)
    gatekeeper = keeper(known, embedders)
    gates_seen = await asyncio.gather(*(gatekeeper.judge(row, QUESTION, [passage("x")]) for _ in range(3)))
    assert len({gate.score for gate in gates_seen if gate}) == 1
    assert sorted(embedders.queries) == sorted(UNRELATED_QUESTIONS)
    state = await gatekeeper.state(row)
    assert state.measured is not None
    nearest = [max(float(vector_of(q) @ vector_of(t)) for t in known.held["a"].texts) for q in UNRELATED_QUESTIONS]
    assert state.measured.unrelated == pytest.approx(max(0.0, float(np.median(nearest))), abs=1e-3)
    assert state.measured.chunks == 5
    again = await keeper(known, embedders).judge(row, QUESTION, [passage("x")])
    assert again == gates_seen[0]
    assert len(embedders.queries) == len(UNRELATED_QUESTIONS)


async def test_a_collection_that_has_grown_is_measured_anew(known: KnownLibrary, embedders: CountingEmbedders) -> None:
    await known.publish("a", {}, count=10)
    gatekeeper = keeper(known, embedders)
    await gatekeeper.judge(await settled(known), QUESTION, [passage("x")])
    for name, count, expected in (("b", 1, 10), ("c", 10, 21)):  # the first grows it by so little
        await known.publish(name, {}, count=count)
        row = await settled(known)
        await gatekeeper.judge(row, QUESTION, [passage("x")])
        measured = (await gatekeeper.state(row)).measured
        assert measured is not None
        assert measured.chunks == expected
    assert len(embedders.queries) == len(UNRELATED_QUESTIONS)  # their vectors stay the same


async def test_an_answer_waits_briefly_for_what_is_measured_anew(
    known: KnownLibrary, embedders: CountingEmbedders, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known.publish("a", {}, count=10)
    gatekeeper = keeper(known, embedders)
    before = await gatekeeper.judge(await settled(known), QUESTION, [passage("x")])
    await known.publish("b", {}, count=10)
    row = await settled(known)
    nearest, may_go_on = known.store.nearest, asyncio.Event()

    async def held(generation_id: str, vectors: Vectors) -> list[float]:
        await may_go_on.wait()
        return await nearest(generation_id, vectors)

    monkeypatch.setattr(known.store, "nearest", held)
    monkeypatch.setattr(gatekeeper_module, "PATIENCE_S", 0.01)
    assert await gatekeeper.judge(row, QUESTION, [passage("x")]) == before
    may_go_on.set()
    monkeypatch.setattr(gatekeeper_module, "PATIENCE_S", 60)
    await gatekeeper.judge(row, QUESTION, [passage("x")])
    measured = (await gatekeeper.state(row)).measured
    assert measured is not None
    assert measured.chunks == 20


@pytest.mark.parametrize(("step_s", "rest_s"), [(0.1, 0.3), (5.0, 1.0)])
async def test_counting_a_large_collection_anew_rests_between_its_steps(
    known: KnownLibrary, embedders: CountingEmbedders, monkeypatch: pytest.MonkeyPatch, step_s: float, rest_s: float
) -> None:
    """Three times as long as a step took, a second at most; the first look, for which somebody waits, does not."""
    for name, value in (("SMALL_CHUNKS", 8), ("CHUNKS_A_STEP", 4), ("LOOKS_EVERY_S", 0.0)):
        monkeypatch.setattr(gatekeeper_module, name, value)
    clock = itertools.count(step=step_s)
    monkeypatch.setattr(gatekeeper_module, "_now_s", lambda: next(clock))
    sleep, rests = asyncio.sleep, []

    async def rested(seconds: float) -> None:
        rests.append(seconds)
        await sleep(0)

    monkeypatch.setattr(gatekeeper_module.asyncio, "sleep", rested)
    await known.publish("a", {}, count=10)
    gatekeeper = keeper(known, embedders)
    await gatekeeper.judge(await settled(known), QUESTION, [passage("x")])
    assert rests == [0, 0, 0]
    await known.publish("b", {}, count=10)
    await gatekeeper.judge(await settled(known), QUESTION, [passage("x")])
    await asyncio.gather(*(look.task for look in gatekeeper._looks.values()))
    assert rests[3:] == pytest.approx([rest_s] * 5)


async def test_words_of_the_collection_s_own_chunks_say_what_is_rare(
    known: KnownLibrary, embedders: CountingEmbedders
) -> None:
    await known.publish("a", {}, count=300)
    row = await settled(known)
    gate = await keeper(known, embedders).judge(row, "ferry zebra", [passage("A ferry.", title="")])
    assert gate is not None
    held, missing = gate.evidence["held"], gate.evidence["missing"]
    assert held is not None
    assert missing is not None
    assert held < 0.1 < 0.4 < missing


async def test_a_collection_has_a_threshold_of_its_own_until_it_is_taken_back(
    known: KnownLibrary, embedders: CountingEmbedders
) -> None:
    await known.publish("a", {})
    gatekeeper, other = keeper(known, embedders), keeper(known, embedders)
    seen = []
    for value in (0.9, 0.0, None):
        await gatekeeper.set_threshold(await settled(known), value)
        row = await settled(known)
        for one in (gatekeeper, other):
            gate = await one.judge(row, QUESTION, [passage("x")])
            assert gate is not None
            seen.append((gate.threshold, gate.passed))
        assert (await gatekeeper.state(row)).is_own == (value is not None)
    assert seen[:4] == [(0.9, False), (0.9, False), (0.0, True), (0.0, True)]
    assert [threshold for threshold, _ in seen[4:]] == [0.4, 0.4]


@dataclass
class KnowingEmbedders(CountingEmbedders):
    """Words that were drawn from a text are to it as the text itself."""

    texts: dict[str, str] = field(default_factory=dict)

    async def embed_query(self, text: str) -> Vectors:
        self.queries.append(text)
        return vector_of(self.texts.get(text, text))


@pytest.mark.parametrize(
    ("count", "knows", "is_trusted"),
    [(FEWEST_DRAWN, True, True), (FEWEST_DRAWN - 1, True, False), (FEWEST_DRAWN, False, False)],
)
async def test_another_embedder_is_trusted_when_enough_sentences_of_the_collection_stand_out(
    known: KnownLibrary, count: int, knows: bool, is_trusted: bool
) -> None:
    await known.publish("a", {}, count=count)
    texts = known.held["a"].texts
    embedders = KnowingEmbedders(texts=dict(zip(draw_words(texts), texts, strict=True)) if knows else {})
    row = await settled(known, replace(IDENTITY, model="another"))
    gatekeeper = keeper(known, embedders)
    shown = [replace(passage("x", similarity=0.99), lexical=0.05)]
    gate = await gatekeeper.judge(row, QUESTION, shown)
    measured = (await gatekeeper.state(row)).measured
    assert gate is not None
    assert measured is not None
    assert measured.separation is not None
    assert (measured.separation == pytest.approx(1, abs=1e-3)) == knows
    assert (measured.drawn, measured.is_trusted) == (count, is_trusted)
    assert (gate.threshold, gate.caution) == (0.4, None if is_trusted else "embedder")
    assert gate.passed == is_trusted  # cosines say that it is near, words that it is not
    assert await keeper(known, embedders).judge(row, QUESTION, shown) == gate
    assert len(embedders.queries) == len(UNRELATED_QUESTIONS) + count
    without_words = await gatekeeper.judge(row, QUESTION, [passage("x", similarity=0.99)])
    assert (without_words is None) == (not is_trusted)


async def test_another_embedder_that_was_measured_without_its_sentences_is_measured_anew(
    known: KnownLibrary, embedders: CountingEmbedders
) -> None:
    await known.publish("a", {}, count=FEWEST_DRAWN)
    row = await settled(known, replace(IDENTITY, model="another"))
    before = Measured(0.2, FEWEST_DRAWN, "2026-01-01T00:00:00Z")
    await known.db.change(gates.keep_measured, row.generation_id, before)
    gatekeeper = keeper(known, embedders)
    await gatekeeper.judge(row, QUESTION, [passage("x")])
    measured = (await gatekeeper.state(row)).measured
    assert measured is not None
    assert measured.drawn == FEWEST_DRAWN


async def test_a_question_that_is_not_english_is_seldom_refused(
    known: KnownLibrary, embedders: CountingEmbedders
) -> None:
    await known.publish("a", {})
    row = await settled(known)
    gatekeeper = keeper(known, embedders)
    gate = await gatekeeper.judge(row, "Wann legt die Fähre ab?", [passage("x")])
    assert gate is not None
    assert (gate.threshold, gate.caution) == (CAUTIOUS_THRESHOLD, "language")
    await gatekeeper.set_threshold(row, 0.9)
    own = await gatekeeper.judge(await settled(known), "Wann legt die Fähre ab?", [passage("x")])
    assert own is not None
    assert (own.threshold, own.caution) == (0.9, None)


async def test_nothing_is_said_while_the_gate_is_off_or_vectors_are_away(
    known: KnownLibrary, embedders: CountingEmbedders
) -> None:
    await known.publish("a", {})
    row = await settled(known)
    assert await keeper(known, embedders, "off").judge(row, QUESTION, [passage("x")]) is None
    assert await keeper(known, embedders).judge(row, QUESTION, [passage("x", similarity=None)]) is None
    await known.db.change(gates.forget, [row.generation_id])
    embedders.is_away = True
    gatekeeper = keeper(known, embedders)
    assert await gatekeeper.judge(row, QUESTION, [passage("x")]) is None
    embedders.is_away = False
    assert await gatekeeper.judge(row, QUESTION, [passage("x")]) is not None


async def test_nothing_is_kept_of_a_collection_that_is_no_more(
    known: KnownLibrary, embedders: CountingEmbedders
) -> None:
    await known.publish("a", {})
    row = await settled(known)
    gatekeeper = keeper(known, embedders)
    await gatekeeper.judge(row, QUESTION, [passage("x")])
    await gatekeeper.set_threshold(row, 0.7)
    await known.delete("a")
    await known.reap()
    await known.db.change(reaping.forget_collection, row.id)
    assert await known.db.ask(gates.measured, row.generation_id) is None
    assert await known.db.ask(gates.threshold, row.id) is None


@pytest.mark.parametrize("count", [1, 3, 7, 100])
async def test_a_sample_is_spread_over_all_documents(known: KnownLibrary, count: int) -> None:
    for source, chunks in (("a", 3), ("b", 1), ("c", 6)):
        await known.publish(source, {}, count=chunks)
    ids = await known.db.ask(gates.spread, known.row.generation_id, count=count)
    every = {f"{one.document_id}:{one.version}:{i}" for one in known.held.values() for i in range(len(one.texts))}
    assert len(ids) == len(set(ids)) == min(count, 10)
    assert set(ids) <= every
    if count == 7:  # one in two or more of each document's chunks
        assert {known.held[source].document_id for source in "ac"} <= {chunk_id.split(":")[0] for chunk_id in ids}


async def test_a_sentence_is_embedded_once_for_all_questions(embedders: CountingEmbedders) -> None:
    comparer = Comparer(embedders, kept=100)
    passages = [passage("Boats leave at noon. Dogs travel free.", title="Fares")]
    first = await comparer.compare(None, QUESTION, passages)
    again = await comparer.compare(None, QUESTION, passages)
    assert first == again
    assert sorted(embedders.documents) == ["Fares", "Fares: Boats leave at noon.", "Fares: Dogs travel free."]
    texts = ("Fares: Boats leave at noon.", "Fares: Dogs travel free.")
    assert first.similarities == pytest.approx([vector_of(QUESTION) @ vector_of(text) for text in texts])


async def test_no_more_vectors_are_kept_than_allowed(embedders: CountingEmbedders) -> None:
    comparer = Comparer(embedders, kept=1)
    for _ in range(2):
        await comparer.compare(None, QUESTION, [passage("Boats leave at noon.", title="")])
        await comparer.compare(None, QUESTION, [passage("Dogs travel free.", title="")])
    assert len(embedders.documents) == 4
