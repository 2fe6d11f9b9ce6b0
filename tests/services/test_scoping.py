import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.ports import Vectors
from rag_api.backends.matrix import Matrix, MatrixFolder
from rag_api.core.filters import Filter, parse_filter
from rag_api.core.hits import Scored
from rag_api.core.ports import EmbedderIdentity
from rag_api.db import generations
from rag_api.db.database import Database
from rag_api.errors import CollectionNotFound, InvalidFilter, VectorStoreUnavailable
from rag_api.services import mirrors as mirrors_module
from rag_api.services import scoping as module
from rag_api.services.mirrors import Mirrors
from rag_api.services.scoping import Scoping
from tests.core.test_filters import FILTERS, RECORDS
from tests.db.catalogue import new_collection
from tests.fakes import MemoryVectorStore
from tests.services.library import DIMENSION, KnownLibrary, vector_of

SOURCES = st.sampled_from(["a", "b", "c", "d", "e"])
GROUPS = st.lists(st.sampled_from(["staff", "board", "crew"]), max_size=2)
READERS = st.none() | st.frozensets(st.sampled_from(["staff", "board"]), max_size=2)
STEPS = st.lists(
    st.tuples(st.sampled_from(["publish", "publish", "change"]), SOURCES, RECORDS, GROUPS, st.integers(1, 3))
    | st.tuples(st.sampled_from(["delete", "reap", "catch up"]), SOURCES)
    | st.tuples(st.just("ask"), FILTERS, READERS),
    min_size=4,
    max_size=20,
)


class CountingStore(MemoryVectorStore):
    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    async def query(self, index: str, vector: Vectors, *, top_k: int) -> list[Scored]:
        self.asked.append(top_k)
        return await super().query(index, vector, top_k=top_k)


async def step(known: KnownLibrary, mirrors: Mirrors, action: str, source: str, rest: list[Any]) -> None:
    match action:
        case "publish":
            await known.publish(source, rest[0], rest[1], count=rest[2])
        case "change" if source in known.held:
            await known.change(source, rest[0], rest[1])
        case "delete" if source in known.held:
            await known.delete(source)
        case "reap":
            await known.reap()
        case "catch up":
            await mirrors.catch_up()


async def assert_right(known: KnownLibrary, scoping: Scoping, wanted: Filter | None, groups: Any) -> None:
    """Who passes and which chunks are nearest, against a look at every document."""
    scope = await scoping.scope("faq", wanted, groups)
    passing = known.passing(wanted, groups)
    if scope.among is not None:
        stale = set(scope.among) - {one.document_id for one in passing}
        assert not stale & {one.document_id for one in known.held.values()}
        assert {one.document_id for one in passing} <= set(scope.among)
        if not stale:
            assert scope.among.chunks == sum(len(one.texts) for one in passing)
    vector = vector_of("a question")
    expected = known.nearest(vector, passing, 1_000)
    current = {f"{one.document_id}:{one.version}" for one in known.held.values()}
    for top_k in (2, 50):
        found = await scoping.nearest(scope, vector, top_k=1_000 if scope.among is None else top_k)
        ids = [one.chunk_id for one in found if one.chunk_id.rpartition(":")[0] in current]
        assert ids == expected[: len(ids)]
        if len(found) < top_k:
            assert ids == expected  # and there are no more


@asynccontextmanager
async def opened(
    folder: Path,
    catalogue: Path,
    *,
    exact_below: int,
    exact_above: int | None = None,
    store: CountingStore | None = None,
) -> AsyncIterator[tuple[KnownLibrary, Mirrors, Scoping]]:
    await asyncio.to_thread(shutil.copy, catalogue, folder / "known.db")
    db = Database(f"sqlite:///{folder / 'known.db'}")
    store, matrices = store or CountingStore(), MatrixFolder(folder / "matrix")
    known = KnownLibrary(db, await new_collection(db), store)
    identity = EmbedderIdentity("tiny", "print", DIMENSION, 100)
    await db.change(generations.settle, known.row.generation_id, identity, "splitter")
    mirrors = Mirrors(db, matrices, documents=1_000, collections=9)
    yield known, mirrors, Scoping(db, mirrors, store, exact_below=exact_below, exact_above=exact_above)
    await matrices.close()
    await db.close()


@pytest.mark.parametrize(("exact_below", "exact_above"), [(0, None), (4, None), (1_000, None), (0, 0), (2, 6)])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(STEPS, FILTERS, READERS)
async def test_whatever_comes_and_goes_a_scope_is_what_passes_now(
    tmp_path_factory: pytest.TempPathFactory,
    empty_catalogue: Path,
    exact_below: int,
    exact_above: int | None,
    steps: Any,
    raw: Any,
    groups: Any,
) -> None:
    folder = tmp_path_factory.mktemp("scoping")
    opening = opened(folder, empty_catalogue, exact_below=exact_below, exact_above=exact_above)
    async with opening as (known, mirrors, scoping):
        for action, first, *rest in [*steps, ("ask", raw, groups), ("ask", raw, None), ("ask", None, None)]:
            if action == "ask":
                await assert_right(known, scoping, parse_filter(first), rest[0])
            else:
                await step(known, mirrors, action, first, rest)


QUESTION = vector_of("a question")


async def asked(
    known: KnownLibrary, scoping: Scoping, raw: dict[str, Any] | None, *, top_k: int, groups: Any = None
) -> list[str]:
    """The sources of the nearest chunks, best first."""
    scope = await scoping.scope("faq", parse_filter(raw), groups)
    of = {one.document_id: source for source, one in known.held.items()}
    found = await scoping.nearest(scope, QUESTION, top_k=top_k)
    return [of[one.chunk_id.partition(":")[0]] for one in found]


class AwayStore(CountingStore):
    async def query(self, index: str, vector: Vectors, *, top_k: int) -> list[Scored]:
        raise VectorStoreUnavailable("Chroma can't be reached; it may be starting: try again in a moment")


@pytest.mark.parametrize("raw", [None, {"even": {"$in": [True, False]}}, {"even": True}])
@pytest.mark.parametrize("is_mirrored", [True, False])
async def test_while_the_vector_index_is_away_what_can_be_scored_without_it_is(
    tmp_path: Path,
    empty_catalogue: Path,
    monkeypatch: pytest.MonkeyPatch,
    raw: dict[str, Any] | None,
    is_mirrored: bool,
) -> None:
    monkeypatch.setattr(module, "READ_CHUNKS", 21)
    async with opened(tmp_path, empty_catalogue, exact_below=0, store=AwayStore()) as (known, mirrors, scoping):
        for i in range(20):
            await known.publish(f"{i}", {"even": i % 2 == 0}, count=1)
        if is_mirrored:
            await mirrors.catch_up()
        wanted = parse_filter(raw)
        expected = known.nearest(QUESTION, known.passing(wanted, None), 8)
        scope = await scoping.scope("faq", wanted, None)
        assert [one.chunk_id for one in await scoping.nearest(scope, QUESTION, top_k=8)] == expected
        for i in range(44):
            await known.publish(f"new {i}", {"even": i % 2 == 0}, count=1)
        with pytest.raises(VectorStoreUnavailable, match="Chroma can't be reached"):
            await asked(known, scoping, raw, top_k=8)


class PartlyBlindStore(CountingStore):
    """A graph without a way to some vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.unseen: set[str] = set()

    async def query(self, index: str, vector: Vectors, *, top_k: int) -> list[Scored]:
        found = await super().query(index, vector, top_k=top_k + len(self.unseen))
        return [one for one in found if one.chunk_id not in self.unseen][:top_k]


@pytest.mark.parametrize("again", [0, 6])
async def test_chunks_that_the_vector_index_does_not_find_are_among_those_of_a_filter(
    tmp_path: Path, empty_catalogue: Path, again: int
) -> None:
    """Also where it still has chunks of a version before in their place."""
    store = PartlyBlindStore()
    async with opened(tmp_path, empty_catalogue, exact_below=0, store=store) as (known, mirrors, scoping):
        for i in [*range(20), *range(again)]:
            await known.publish(f"{i}", {"even": i % 2 == 0}, count=1)
        wanted = parse_filter({"even": True})
        expected = known.nearest(QUESTION, known.passing(wanted, None), 50)
        store.unseen = set(expected[1:3])
        for is_mirrored in (False, True):
            if is_mirrored:
                await mirrors.catch_up()
            scope = await scoping.scope("faq", wanted, None)
            assert [one.chunk_id for one in await scoping.nearest(scope, QUESTION, top_k=50)] == expected
        assert len(store.asked) == 2


@pytest.mark.parametrize("raw", [None, {"even": {"$in": [True, False]}}])
async def test_more_chunks_than_the_vector_index_has_in_memory_are_scored_without_it(
    tmp_path: Path, empty_catalogue: Path, raw: dict[str, Any] | None
) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=2, exact_above=20) as (known, mirrors, scoping):
        assert isinstance(known.store, CountingStore)
        for i in range(20):
            await known.publish(f"{i}", {"even": i % 2 == 0}, count=1)
        await mirrors.catch_up()
        assert len(await asked(known, scoping, raw, top_k=8)) == 8 and len(known.store.asked) == 1
        await known.publish("one more", {"even": False}, count=1)
        await mirrors.catch_up()
        expected = known.nearest(QUESTION, known.passing(None, None), 8)
        scope = await scoping.scope("faq", parse_filter(raw), None)
        assert [one.chunk_id for one in await scoping.nearest(scope, QUESTION, top_k=8)] == expected
        assert len(known.store.asked) == 1


async def test_few_chunks_are_scored_without_the_vector_index(tmp_path: Path, empty_catalogue: Path) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=10) as (known, mirrors, scoping):
        for i in range(20):
            await known.publish(f"{i}", {"even": i % 2 == 0}, count=1)
        for is_mirrored in (False, True):
            if is_mirrored:
                await mirrors.catch_up()
            found = await asked(known, scoping, {"even": True}, top_k=50)
            assert sorted(map(int, found)) == list(range(0, 20, 2))
        assert isinstance(known.store, CountingStore) and known.store.asked == []


async def test_all_of_a_small_collection_are_scored_without_the_vector_index(
    tmp_path: Path, empty_catalogue: Path
) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=10) as (known, mirrors, scoping):
        assert isinstance(known.store, CountingStore)
        for i in range(9):
            await known.publish(f"{i}", {}, count=1)
        everything = await asked(known, scoping, None, top_k=50)
        assert known.store.asked == [50]  # there is no matrix yet
        await mirrors.catch_up()
        assert await asked(known, scoping, None, top_k=50) == everything
        await known.publish("another", {}, count=1)
        assert "another" in await asked(known, scoping, None, top_k=50)
        assert known.store.asked == [50]  # the matrix has got it first
        await known.delete("another")
        await mirrors.catch_up()
        assert await asked(known, scoping, None, top_k=50) == everything
        await known.reap()
        await known.publish("one too many", {}, count=2)
        assert len(await asked(known, scoping, None, top_k=50)) == 11
        await mirrors.catch_up()
        assert len(await asked(known, scoping, None, top_k=50)) == 11
        assert known.store.asked == [50, 50, 50]


async def test_the_vector_index_is_asked_where_the_matrix_would_have_to_get_much_or_can_not(
    tmp_path: Path, empty_catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=1_000) as (known, mirrors, scoping):
        assert isinstance(known.store, CountingStore)
        await known.publish("first", {}, count=1)
        await mirrors.catch_up()
        monkeypatch.setattr(mirrors_module, "LACKING_CHUNKS", 5)
        await known.publish("large", {}, count=6)
        assert "large" in await asked(known, scoping, None, top_k=50)
        assert known.store.asked == [50]
        await mirrors.catch_up()
        assert "large" in await asked(known, scoping, None, top_k=50)
        assert known.store.asked == [50]
        await known.publish("small", {}, count=2)
        with monkeypatch.context() as broken:
            broken.setattr(Matrix, "append", _full)
            assert "small" in await asked(known, scoping, None, top_k=50)
        assert known.store.asked == [50, 50]
        assert "small" in await asked(known, scoping, None, top_k=50)
        assert known.store.asked == [50, 50, 50]  # it is not tried again for a while
        await mirrors.catch_up()
        assert "small" in await asked(known, scoping, None, top_k=50)
        assert known.store.asked == [50, 50, 50]


async def _full(*_: Any) -> None:
    raise OSError("No space left on device")


async def test_vectors_of_chunks_are_had_without_a_look_into_the_catalogue(
    tmp_path: Path, empty_catalogue: Path
) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=10) as (known, mirrors, scoping):
        await known.publish("a", {}, count=3)
        scope = await scoping.scope("faq", None, None)
        one = known.held["a"]
        ids = [f"{one.document_id}:1:2", f"{one.document_id}:1:0", "nobody:1:0"]
        assert scoping.vectors(scope, ids) is None
        await mirrors.catch_up()
        found = scoping.vectors(scope, ids)
        assert found is not None
        assert np.array_equal(found[:2], np.stack([vector_of(one.texts[2]), vector_of(one.texts[0])]))
        assert np.isnan(found[2]).all()


async def test_many_are_asked_for_in_the_index_with_as_many_more_as_do_not_pass(
    tmp_path: Path, empty_catalogue: Path
) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=10) as (known, mirrors, scoping):
        for i in range(60):
            await known.publish(f"{i}", {"even": i % 2 == 0}, count=1)
        await mirrors.catch_up()
        found = await asked(known, scoping, {"even": True}, top_k=4)
        assert len(found) == 4 and all(int(source) % 2 == 0 for source in found)
        assert isinstance(known.store, CountingStore) and known.store.asked == [10]  # 4, doubled, and a quarter more


async def test_when_the_nearest_do_not_pass_those_that_do_are_scored_exactly(
    tmp_path: Path, empty_catalogue: Path
) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=10) as (known, mirrors, scoping):
        for i in range(60):
            await known.publish(f"{i}", {"near": False}, count=1)
        everything = await asked(known, scoping, None, top_k=60)
        for source in everything[30:]:
            await known.change(source, {"near": True}, [])
        await mirrors.catch_up()
        assert isinstance(known.store, CountingStore)
        known.store.asked.clear()
        assert await asked(known, scoping, {"near": True}, top_k=4) == everything[30:34]
        assert known.store.asked == [10]


async def test_while_there_is_no_matrix_the_index_is_asked_for_more_and_more(
    tmp_path: Path, empty_catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_CHUNKS", 5)
    async with opened(tmp_path, empty_catalogue, exact_below=100) as (known, _, scoping):
        for i in range(60):
            await known.publish(f"{i}", {"near": False}, count=1)
        everything = await asked(known, scoping, None, top_k=60)
        for source in everything[30:]:
            await known.change(source, {"near": True}, [])
        assert isinstance(known.store, CountingStore)
        known.store.asked.clear()
        assert await asked(known, scoping, {"near": True}, top_k=4) == everything[30:34]
        assert known.store.asked == [10, 40]
        monkeypatch.setattr(module, "MOST_NEIGHBOURS", 20)
        assert await asked(known, scoping, {"near": True}, top_k=4) == []


async def test_a_change_between_the_filter_and_the_vectors_leaves_out_nobody(
    tmp_path: Path, empty_catalogue: Path
) -> None:
    async with opened(tmp_path, empty_catalogue, exact_below=100) as (known, mirrors, scoping):
        for i in range(4):
            await known.publish(f"{i}", {"year": 2024}, count=1)
        await mirrors.catch_up()
        scope = await scoping.scope("faq", parse_filter({"year": 2024}), None)
        await known.change("1", {"year": 2024, "more": True}, [])
        await scoping.scope("faq", parse_filter({"year": 2024}), None)
        assert len(await scoping.nearest(scope, QUESTION, top_k=9)) == 4


async def test_a_reader_sees_what_names_one_of_its_groups_or_none(known_scoping: Any) -> None:
    known, scoping = known_scoping
    await known.publish("all", {"year": 1})
    await known.publish("staff", {"year": 1}, ["staff"])
    await known.publish("both", {"year": 2}, ["staff", "board"])
    for groups, expected in (
        (None, {"all", "staff", "both"}),
        (frozenset(), {"all"}),
        (frozenset({"staff"}), {"all", "staff", "both"}),
        (frozenset({"board"}), {"all", "both"}),
        (frozenset({"others", "Staff", "sta"}), {"all"}),
    ):
        assert set(await asked(known, scoping, None, top_k=50, groups=groups)) == expected
        assert set(await asked(known, scoping, {"year": 1}, top_k=50, groups=groups)) == expected - {"both"}
        assert set(await asked(known, scoping, {"year": {"$ne": 1}}, top_k=50, groups=groups)) == expected - {
            "all",
            "staff",
        }


async def test_no_metadata_and_no_filter_opens_what_is_closed(known_scoping: Any) -> None:
    known, scoping = known_scoping
    await known.publish("secret", {"$acl": ["guests", True], "acl": []}, ["staff"])
    guests = frozenset({"guests"})
    for raw in (None, {"acl": {"$nin": []}}, {"$or": [{"acl": {"$ne": 1}}, {"source": "secret"}]}):
        assert await asked(known, scoping, raw, top_k=50, groups=guests) == []
    with pytest.raises(InvalidFilter, match=r"filter\.\$acl"):
        parse_filter({"$acl": "guests"})


async def test_an_acl_that_changes_counts_at_once(known_scoping: Any) -> None:
    known, scoping = known_scoping
    guests = frozenset({"guests"})
    await known.publish("a", {})
    assert await asked(known, scoping, None, top_k=1, groups=guests) == ["a"]
    await known.change("a", {}, ["staff"])
    assert await asked(known, scoping, None, top_k=1, groups=guests) == []
    await known.change("a", {}, ["guests"])
    assert await asked(known, scoping, None, top_k=1, groups=guests) == ["a"]


async def test_there_is_no_scope_in_a_collection_that_is_not_there(known_scoping: Any) -> None:
    _, scoping = known_scoping
    with pytest.raises(CollectionNotFound):
        await scoping.scope("nowhere", None, None)


@pytest.fixture
async def known_scoping(tmp_path: Path, empty_catalogue: Path) -> AsyncIterator[tuple[KnownLibrary, Scoping]]:
    async with opened(tmp_path, empty_catalogue, exact_below=10) as (known, _, scoping):
        yield known, scoping
