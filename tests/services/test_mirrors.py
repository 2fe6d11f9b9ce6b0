import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest.documents import VersionKey, new_id
from rag_api.backends.matrix import Matrix, MatrixFolder
from rag_api.core.filters import Filter, parse_filter
from rag_api.core.matrices import VersionVectors
from rag_api.core.ports import EmbedderIdentity
from rag_api.db import collections, generations, scopes
from rag_api.services import mirrors as module
from rag_api.services.mirror import Mirror
from rag_api.services.mirrors import Mirrors
from tests.services.library import DIMENSION, KnownLibrary, vector_of


def wanted(raw: dict[str, object]) -> Filter:
    found = parse_filter(raw)
    assert found
    return found


RECENT = {"year": {"$gte": 2020}}


def open_mirrors(
    known: KnownLibrary, matrices: MatrixFolder, *, documents: int = 1_000, collections: int = 9
) -> Mirrors:
    return Mirrors(known.db, matrices, documents=documents, collections=collections)


async def settle(known: KnownLibrary) -> None:
    identity = EmbedderIdentity("tiny", "print", DIMENSION, 100)
    await known.db.change(generations.settle, known.row.generation_id, identity, "splitter")


async def sources(known: KnownLibrary, mirrors: Mirrors, raw: dict[str, object]) -> set[str]:
    mirror = await mirrors.of(await known.db.ask(scopes.state, "faq"))
    passing = set(mirror.table.passing(wanted(raw)))
    return {source for source, one in known.held.items() if one.document_id in passing}


async def matrix_of(known: KnownLibrary, matrices: MatrixFolder) -> Matrix:
    return await matrices.open(known.row.generation_id, dimension=DIMENSION)


def assert_matrix_is_current(known: KnownLibrary, matrix: Matrix) -> None:
    assert matrix.versions() == {f"{one.document_id}:{one.version}": len(one.texts) for one in known.held.values()}
    for one in known.held.values():
        ids = [f"{one.document_id}:{one.version}:{i}" for i in range(len(one.texts))]
        assert np.array_equal(matrix.vectors(ids), np.stack([vector_of(text) for text in one.texts]))


async def test_a_change_is_seen_by_the_next_filter(known: KnownLibrary, matrices: MatrixFolder) -> None:
    mirrors = open_mirrors(known, matrices)
    assert await sources(known, mirrors, RECENT) == set()
    await known.publish("a", {"year": 2024})
    await known.publish("b", {"year": 2010})
    assert await sources(known, mirrors, RECENT) == {"a"}
    await known.change("b", {"year": 2030}, [])
    assert await sources(known, mirrors, RECENT) == {"a", "b"}
    await known.publish("a", {"year": 1999})
    assert await sources(known, mirrors, RECENT) == {"b"}
    gone = known.held["b"].document_id
    await known.delete("b")
    mirror = await mirrors.of(await known.db.ask(scopes.state, "faq"))
    assert gone not in mirror.table.passing(wanted(RECENT))


async def test_more_documents_than_are_read_at_once(
    known: KnownLibrary, matrices: MatrixFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHANGES_A_STEP", 3)
    for i in range(10):
        await known.publish(f"{i}", {"year": 2015 + i})
    mirrors = open_mirrors(known, matrices)
    assert await sources(known, mirrors, RECENT) == {"5", "6", "7", "8", "9"}
    await known.change("0", {"year": 2030}, [])
    assert await sources(known, mirrors, RECENT) == {"0", "5", "6", "7", "8", "9"}


async def test_the_matrix_follows_what_is_published_replaced_and_deleted(
    known: KnownLibrary, matrices: MatrixFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_api.services.mirror.VERSIONS_A_STEP", 2)
    mirrors = open_mirrors(known, matrices)
    await mirrors.catch_up()
    await settle(known)
    for i in range(5):
        await known.publish(f"{i}", {"year": i}, count=1 + i)
    await mirrors.catch_up()
    matrix = await matrix_of(known, matrices)
    assert_matrix_is_current(known, matrix)
    await known.publish("0", {"year": 9}, count=3)
    await known.delete("1")
    await known.change("2", {"year": 8}, [])
    await known.publish("new", {"year": 7})
    await mirrors.catch_up()
    assert_matrix_is_current(known, matrix)
    mirror = await mirrors.of(await known.db.ask(scopes.state, "faq"))
    mask = mirror.table.passing(wanted({"year": {"$gte": 0}})).mask
    assert np.array_equal(matrix.covered(mask), mask)


async def test_a_deletion_whose_rows_are_gone_before_anybody_looked_is_noticed(
    known: KnownLibrary, matrices: MatrixFolder
) -> None:
    mirrors = open_mirrors(known, matrices)
    await settle(known)
    await known.publish("a", {"year": 2024})
    await known.publish("b", {"year": 2024})
    await mirrors.catch_up()
    await known.delete("a")
    await known.reap()
    await mirrors.catch_up()
    mirror = await mirrors.of(await known.db.ask(scopes.state, "faq"))
    assert set(mirror.table.passing(wanted(RECENT))) == {known.held["b"].document_id}
    assert_matrix_is_current(known, await matrix_of(known, matrices))


async def test_a_table_of_little_else_than_the_past_is_begun_anew(
    known: KnownLibrary, matrices: MatrixFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag_api.core.filter_table.SPARSE", 5)
    mirrors = open_mirrors(known, matrices)
    await settle(known)
    await known.publish("a", {"year": 2024})
    await mirrors.catch_up()
    for i in range(12):
        await known.change("a", {"year": 2025 + i}, [])
        await sources(known, mirrors, RECENT)
    await mirrors.catch_up()
    mirror = await mirrors.of(await known.db.ask(scopes.state, "faq"))
    assert len(mirror.table.ids) == 1
    assert await sources(known, mirrors, {"year": 2036}) == {"a"}
    assert mirror.matrix and mirror.matrix.covered(mirror.table.passing(wanted(RECENT)).mask).all()


async def test_a_restart_finds_the_matrix_and_reads_only_what_came_since(known: KnownLibrary, tmp_path: Path) -> None:
    await settle(known)
    await known.publish("a", {"year": 1})
    await known.publish("b", {"year": 1})
    first = MatrixFolder(tmp_path / "matrix")
    await open_mirrors(known, first).catch_up()
    await first.close()
    await known.publish("b", {"year": 2})
    await known.publish("c", {"year": 1})
    second = MatrixFolder(tmp_path / "matrix")
    assert (await matrix_of(known, second)).versions().keys() >= {f"{known.held['a'].document_id}:1"}
    await open_mirrors(known, second).catch_up()
    assert_matrix_is_current(known, await matrix_of(known, second))
    await second.close()


async def test_a_matrix_of_another_time_begins_anew(known: KnownLibrary, tmp_path: Path) -> None:
    await settle(known)
    await known.publish("a", {"year": 1})
    one = known.held["a"]
    stray = MatrixFolder(tmp_path / "matrix")
    matrix = await matrix_of(known, stray)
    other = np.stack([vector_of("another text") for _ in one.texts])
    await matrix.append([VersionVectors(one.document_id, one.version, other)])
    await stray.close()
    matrices = MatrixFolder(tmp_path / "matrix")
    await open_mirrors(known, matrices).catch_up()
    assert_matrix_is_current(known, await matrix_of(known, matrices))
    await matrices.close()


async def test_another_generation_has_another_matrix_and_the_old_one_goes(
    known: KnownLibrary, matrices: MatrixFolder
) -> None:
    mirrors = open_mirrors(known, matrices)
    await settle(known)
    await known.publish("a", {"year": 1})
    await mirrors.catch_up()
    async with known.db.write() as db:
        generation_id = await generations.create(db, known.row.id)
        await generations.settle(db, generation_id, EmbedderIdentity("tiny", "other", DIMENSION, 100), "splitter")
        assert not await generations.switch(db, known.row.id, generation_id)
        one = known.held["a"]
        await generations.note_indexed(db, {VersionKey(generation_id, one.document_id, one.version): 0})
        assert await generations.switch(db, known.row.id, generation_id)
    await mirrors.catch_up()
    assert await matrices.names() == [generation_id]


async def test_what_belongs_to_no_collection_is_removed(known: KnownLibrary, matrices: MatrixFolder) -> None:
    await matrices.open(new_id("gen"), dimension=DIMENSION)
    mirrors = open_mirrors(known, matrices)
    await settle(known)
    await known.publish("a", {"year": 1})
    await mirrors.catch_up()
    assert await matrices.names() == [known.row.generation_id]
    await known.db.change(collections.delete, "faq")
    await mirrors.catch_up()
    assert await matrices.names() == []


async def test_only_what_was_asked_last_is_kept(known: KnownLibrary, matrices: MatrixFolder) -> None:
    await settle(known)
    await known.publish("a", {"year": 2024})
    for name in ("second", "third"):
        await known.db.change(collections.create, name)
    mirrors = open_mirrors(known, matrices, collections=2)
    await sources(known, mirrors, RECENT)
    kept: dict[str, Mirror] = {}
    for name in ("second", "third"):
        kept[name] = await mirrors.of(await known.db.ask(scopes.state, name))
    await mirrors.catch_up()
    assert await matrices.names() == []  # the first one was let go, and comes back only when it is asked for
    assert await mirrors.of(await known.db.ask(scopes.state, "third")) is kept["third"]
    assert await sources(known, mirrors, RECENT) == {"a"}
    await mirrors.catch_up()
    assert await matrices.names() == [known.row.generation_id]


async def test_a_full_disk_costs_the_matrix_and_not_the_filters(
    known: KnownLibrary, matrices: MatrixFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = open_mirrors(known, matrices)
    await settle(known)
    await known.publish("a", {"year": 2024})

    async def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Matrix, "append", full)
        with pytest.raises(OSError, match="No space"):
            await mirrors.catch_up()
        assert await sources(known, mirrors, RECENT) == {"a"}
    await mirrors.catch_up()
    assert_matrix_is_current(known, await matrix_of(known, matrices))


async def test_the_background_keeps_up_by_itself(
    known: KnownLibrary, matrices: MatrixFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    await settle(known)
    mirrors = open_mirrors(known, matrices)
    async with mirrors.kept():
        await known.publish("a", {"year": 2024})
        one = known.held["a"]
        for _ in range(500):
            found = matrices.vectors(known.row.generation_id, [f"{one.document_id}:{one.version}:0"])
            if found is not None and not np.isnan(found).any():
                break
            await asyncio.sleep(0.01)
        assert found is not None and np.array_equal(found[0], vector_of(one.texts[0]))


async def test_a_matrix_that_is_being_filled_is_handed_over_when_that_is_over(
    known: KnownLibrary, matrices: MatrixFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle(known)
    mirrors = open_mirrors(known, matrices)
    for i in range(4):
        await known.publish(f"{i}", {}, count=2)
    await mirrors.catch_up()
    begun, go_on = asyncio.Event(), asyncio.Event()
    append = Matrix.append

    async def slow(matrix: Matrix, versions: Sequence[VersionVectors]) -> None:
        begun.set()
        await go_on.wait()
        await append(matrix, versions)

    monkeypatch.setattr(Matrix, "append", slow)
    await known.publish("late", {}, count=2)
    state = await known.db.ask(scopes.state, "faq")
    searching = asyncio.create_task(mirrors.caught_up(state, most_chunks=100))
    await asyncio.wait_for(begun.wait(), 5)
    mirrors._mirrors[state.collection_id].has_missed = True  # so that it is begun anew
    catching_up = asyncio.create_task(mirrors.catch_up())
    await asyncio.sleep(0.05)
    go_on.set()
    await asyncio.gather(searching, catching_up)
    mirror = mirrors.whole(state, most_chunks=100)
    assert mirror
    assert mirror.matrix
    assert len((await matrix_of(known, matrices))._state.names) == 5  # none was appended twice
    found = await mirror.matrix.nearest(vector_of("a question"), top_k=100)
    assert len({one.chunk_id for one in found}) == len(found) == 10


async def test_a_document_that_is_changed_while_it_comes_in_is_there_once(
    known: KnownLibrary, matrices: MatrixFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    await settle(known)
    mirrors = open_mirrors(known, matrices)
    await known.publish("first", {}, count=1)
    await mirrors.catch_up()
    append = Matrix.append

    async def changed_meanwhile(matrix: Matrix, versions: Sequence[VersionVectors]) -> None:
        monkeypatch.setattr(Matrix, "append", append)
        await known.change("second", {"kind": "new"}, [])
        await mirrors.of(await known.db.ask(scopes.state, "faq"))
        await append(matrix, versions)

    monkeypatch.setattr(Matrix, "append", changed_meanwhile)
    await known.publish("second", {}, count=2)
    await mirrors.caught_up(await known.db.ask(scopes.state, "faq"), most_chunks=100)
    mirror = await mirrors.caught_up(await known.db.ask(scopes.state, "faq"), most_chunks=100)
    assert mirror
    assert mirror.matrix
    found = await mirror.matrix.nearest(vector_of("a question"), top_k=100)
    assert len(found) == 3
    assert len(await mirror.matrix.nearest(vector_of("a question"), top_k=2)) == 2
