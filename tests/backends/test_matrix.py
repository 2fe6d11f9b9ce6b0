# ruff: noqa: ASYNC240
import asyncio
import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.ports import Vectors
from rag_api.backends import matrix as module
from rag_api.backends.matrix import Matrix, MatrixFolder
from rag_api.backends.matrix_file import HEAD, VectorFile
from rag_api.core.matrices import VersionVectors
from tests.processes import ROOT

DIMENSION = 8
RECORD_BYTES = HEAD.itemsize + 4 * DIMENSION


def version(document: str, number: int = 1, chunks: int = 3) -> VersionVectors:
    """Vectors that follow from the name, so that a right one can be told from a wrong one."""
    seed = int.from_bytes(hashlib.blake2b(f"{document}:{number}".encode(), digest_size=8).digest(), "little")
    vectors = np.random.default_rng(seed).standard_normal((chunks, DIMENSION)).astype(np.float32)
    return VersionVectors(document, number, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def name(one: VersionVectors) -> str:
    return f"{one.document_id}:{one.version}"


def ids(one: VersionVectors) -> list[str]:
    return [f"{name(one)}:{i}" for i in range(len(one.vectors))]


def assert_holds(matrix: Matrix, *versions: VersionVectors) -> None:
    """Just these, each with its own vectors."""
    assert matrix.versions() == {name(one): len(one.vectors) for one in versions}
    assert matrix.chunks == sum(len(one.vectors) for one in versions)
    for one in versions:
        assert np.array_equal(matrix.vectors(ids(one)), one.vectors)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "matrix" / "gen.vectors"


@pytest.fixture
async def matrix(path: Path) -> AsyncIterator[Matrix]:
    opened = await Matrix.open(path, dimension=DIMENSION)
    yield opened
    await opened.close()


async def reopened(matrix: Matrix, path: Path) -> Matrix:
    await matrix.close()
    return await Matrix.open(path, dimension=DIMENSION)


async def test_what_is_appended_is_there_and_is_there_again_when_it_is_opened_again(matrix: Matrix, path: Path) -> None:
    some = [version("a"), version("b", 2, chunks=1), version("c", chunks=5)]
    await matrix.append(some[:1])
    await matrix.append(some[1:])
    assert_holds(matrix, *some)
    again = await reopened(matrix, path)
    assert_holds(again, *some)
    await again.append([version("d")])
    assert_holds(again, *some, version("d"))
    await again.close()


async def test_the_vectors_of_what_is_not_there_are_no_numbers(matrix: Matrix) -> None:
    one = version("a")
    assert np.isnan(matrix.vectors(["a:1:0"])).all()
    await matrix.append([one])
    found = matrix.vectors(["a:1:1", "a:2:0", "b:1:0", "a:1:3", "a:1:0"])
    assert np.array_equal(found[[0, 4]], one.vectors[[1, 0]])
    assert np.isnan(found[1:4]).all()
    assert matrix.vectors([]).shape == (0, DIMENSION)


async def test_a_version_without_chunks_and_no_version_at_all_change_nothing(matrix: Matrix) -> None:
    await matrix.append([])
    await matrix.append([VersionVectors("a", 1, np.zeros((0, DIMENSION), dtype=np.float32))])
    await matrix.remove([])
    assert_holds(matrix)


async def test_what_is_removed_is_in_no_byte_of_the_file(matrix: Matrix, path: Path) -> None:
    one, two = version("secret"), version("b")
    await matrix.append([one, two])
    assert one.vectors[1].tobytes() in path.read_bytes()
    await matrix.remove(["secret:1", "never there:1"])
    assert_holds(matrix, two)
    assert one.vectors[1].tobytes() not in path.read_bytes()
    assert b"secret" not in path.read_bytes()
    again = await reopened(matrix, path)
    assert_holds(again, two)
    await again.append([one])
    assert_holds(again, one, two)
    await again.close()


async def test_the_best_are_the_best_of_those_that_the_mask_lets_pass(matrix: Matrix) -> None:
    some = [version(f"d{i}", chunks=1 + i % 4) for i in range(60)]
    await matrix.append(some)
    matrix.own({name(one): i for i, one in enumerate(some)})
    query = version("query", chunks=1).vectors[0]
    for share in (0.0, 0.05, 0.3, 0.9, 1.0):
        mask = np.random.default_rng(1).random(60) < share
        expected = sorted(
            (
                (-float(vector @ query), id_)
                for i, one in enumerate(some)
                if mask[i]
                for id_, vector in zip(ids(one), one.vectors, strict=True)
            ),
        )
        for top_k in (1, 7, 1_000):
            found = await matrix.best(query, mask, top_k=top_k)
            assert [scored.chunk_id for scored in found] == [id_ for _, id_ in expected[:top_k]]
            assert np.allclose([scored.score for scored in found], [-score for score, _ in expected[:top_k]], atol=1e-6)


@pytest.mark.parametrize("at_once", [0, 8_192])
async def test_the_nearest_are_the_best_of_all_that_have_a_number_also_for_many_who_ask_together(
    matrix: Matrix, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", at_once)
    query = version("query", chunks=1).vectors[0]
    assert await matrix.nearest(query, top_k=3) == []
    some = [version(f"d{i}", chunks=1 + i % 4) for i in range(40)]
    await matrix.append([*some, version("nobody's")])
    matrix.own({name(one): i for i, one in enumerate(some)})
    queries = np.stack([query, *(one.vectors[0] for one in some)])
    mask = np.ones(40, dtype=np.bool_)
    found = await asyncio.gather(*(matrix.nearest(one, top_k=1 + i) for i, one in enumerate(queries)))
    for i, (one, hits) in enumerate(zip(queries, found, strict=True)):
        expected = await matrix.best(one, mask, top_k=1 + i)
        assert [hit.chunk_id for hit in hits] == [hit.chunk_id for hit in expected]
        assert np.allclose([hit.score for hit in hits], [hit.score for hit in expected], atol=1e-6)


async def test_a_version_counts_only_under_the_number_that_it_was_given_last(matrix: Matrix) -> None:
    await matrix.append([version("a"), version("b"), version("c")])
    query = version("query", chunks=1).vectors[0]
    assert matrix.own({"a:1": 0, "b:1": 1, "nobody:1": 2}) == {"nobody:1"}
    everybody = np.ones(3, dtype=np.bool_)
    assert matrix.covered(everybody).tolist() == [True, True, False]
    assert matrix.covered(np.array([False, True, True])).tolist() == [False, True, False]
    matrix.own({"a:1": 2})
    assert matrix.covered(everybody).tolist() == [False, True, True]
    await matrix.remove(["b:1"])
    assert matrix.covered(everybody).tolist() == [False, False, True]
    assert {one.chunk_id[0] for one in await matrix.best(query, everybody, top_k=9)} == {"a"}
    assert await matrix.best(query, np.ones(2, dtype=np.bool_), top_k=9) == []  # a mask of before the number was given
    await matrix.remove(["a:1"])
    assert await matrix.best(query, everybody, top_k=9) == []


@pytest.mark.parametrize("lost", [1, 4, RECORD_BYTES - 1, RECORD_BYTES, RECORD_BYTES + 1, 2 * RECORD_BYTES + 30])
@pytest.mark.parametrize("how", ["zeros", "cut off", "garbage"])
async def test_a_version_whose_last_bytes_were_not_written_is_not_there(
    matrix: Matrix, path: Path, lost: int, how: str
) -> None:
    first, torn = version("a"), version("b")
    await matrix.append([first, torn])
    await matrix.close()
    end = 6 * RECORD_BYTES
    with path.open("r+b") as file:
        if how == "cut off":
            file.truncate(end - lost)
        else:
            file.seek(end - lost)
            file.write((b"\0" if how == "zeros" else b"x") * lost)
    again = await Matrix.open(path, dimension=DIMENSION)
    assert_holds(again, first)
    await again.append([torn])
    assert_holds(again, first, torn)
    again = await reopened(again, path)
    assert_holds(again, first, torn)
    await again.close()


async def test_a_version_that_is_there_twice_is_there_once(matrix: Matrix, path: Path) -> None:
    await matrix.append([version("a")])
    await matrix.append([version("b")])
    await matrix.close()
    records = path.read_bytes()[: 6 * RECORD_BYTES]
    path.write_bytes(records + records)
    again = await Matrix.open(path, dimension=DIMENSION)
    assert_holds(again, version("a"), version("b"))
    await again.close()


@pytest.mark.parametrize("content", [b"", b"x", b"no such file " * 1_000, os.urandom(5_000)])
async def test_a_file_of_anything_else_is_an_empty_matrix(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    matrix = await Matrix.open(path, dimension=DIMENSION)
    assert_holds(matrix)
    await matrix.append([version("a")])
    again = await reopened(matrix, path)
    assert_holds(again, version("a"))
    await again.close()


async def test_vectors_of_another_dimension_are_not_taken_for_ones(matrix: Matrix, path: Path) -> None:
    await matrix.append([version(f"d{i}") for i in range(50)])
    await matrix.close()
    other = await Matrix.open(path, dimension=DIMENSION + 4)
    assert_holds(other)
    await other.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from rag_api.backends.matrix import Matrix
from tests.backends.test_matrix import DIMENSION, version

async def main():
    matrix = await Matrix.open(Path(sys.argv[1]), dimension=DIMENSION)
    print(len(matrix.versions()), flush=True)
    for i in range(10**9):
        some = [version(f"{sys.argv[2]}-{i}-{j}", chunks=1 + (i + j) % 5) for j in range(7)]
        await matrix.append(some)
        await matrix.remove([f"{sys.argv[2]}-{i}-{j}:1" for j in range(3)])

asyncio.run(main())
"""


def test_a_writer_that_is_killed_leaves_whole_versions(path: Path) -> None:
    seen = 0
    for turn in range(3):
        command = [sys.executable, "-c", WRITER, str(path), f"turn{turn}"]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) >= seen
            started = path.stat().st_mtime_ns
            while path.stat().st_mtime_ns == started:
                time.sleep(0.005)
            time.sleep(0.05 * (turn + 1))
            process.send_signal(signal.SIGKILL)
        file, runs = VectorFile.open(path, DIMENSION)
        matrix = Matrix(file, runs)
        held = matrix.versions()
        for one, count in held.items():
            document, _, number = one.rpartition(":")
            assert np.array_equal(
                matrix.vectors([f"{one}:{i}" for i in range(count)]), version(document, int(number), count).vectors
            )
        assert len(held) > seen
        seen = len(held)
        file.close()


@contextmanager
def files_no_longer_than(length: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_when_there_is_no_room_nothing_is_appended_and_the_rest_stays(matrix: Matrix, path: Path) -> None:
    first = version("a", chunks=40)
    await matrix.append([first])
    big = version("b", chunks=9_000)
    with files_no_longer_than(path.stat().st_size + RECORD_BYTES), pytest.raises(OSError):
        await matrix.append([big])
    assert_holds(matrix, first)
    await matrix.append([big])
    assert_holds(matrix, first, big)
    again = await reopened(matrix, path)
    assert_holds(again, first, big)
    await again.close()


async def test_a_file_that_is_mostly_blank_is_left_for_a_smaller_one(matrix: Matrix, path: Path) -> None:
    many = [version(f"d{i}", chunks=20) for i in range(500)]
    await matrix.append(many)
    matrix.own({name(one): i for i, one in enumerate(many)})
    size = path.stat().st_size
    await matrix.remove([name(one) for one in many[50:]])
    assert path.stat().st_size < size / 2
    assert_holds(matrix, *many[:50])
    mask = np.zeros(500, dtype=np.bool_)
    mask[7] = mask[77] = True
    found = await matrix.best(version("query", chunks=1).vectors[0], mask, top_k=99)
    assert {one.chunk_id.partition(":")[0] for one in found} == {"d7"}
    await matrix.append([version("new")])
    again = await reopened(matrix, path)
    assert_holds(again, *many[:50], version("new"))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    await again.close()


async def test_a_second_process_has_a_matrix_of_its_own(matrix: Matrix, path: Path) -> None:
    await matrix.append([version("a")])
    other = await Matrix.open(path, dimension=DIMENSION)
    assert_holds(other)
    await other.append([version("b", chunks=2)])
    assert_holds(other, version("b", chunks=2))
    await other.close()
    assert_holds(matrix, version("a"))
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    again = await reopened(matrix, path)
    assert_holds(again, version("a"))
    await again.close()


async def test_what_was_read_before_a_change_stays_what_it_was(matrix: Matrix) -> None:
    one = version("a")
    await matrix.append([one])
    before: Vectors = matrix.vectors(ids(one))
    await matrix.remove(["a:1"])
    assert np.array_equal(before, one.vectors)


CHANGES = st.lists(
    st.tuples(st.sampled_from(["append", "remove", "reopen"]), st.integers(0, 6), st.integers(1, 4)), max_size=25
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(CHANGES)
async def test_whatever_comes_and_goes_what_is_there_is_right(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, int, int]]
) -> None:
    path = tmp_path_factory.mktemp("matrix") / "gen.vectors"
    matrix = await Matrix.open(path, dimension=DIMENSION)
    held: dict[str, VersionVectors] = {}
    for action, which, chunks in changes:
        one = version(f"d{which}", chunks=chunks)
        if action == "append" and name(one) not in held:
            await matrix.append([one])
            held[name(one)] = one
        elif action == "remove":
            await matrix.remove([name(one)])
            held.pop(name(one), None)
        elif action == "reopen":
            matrix = await reopened(matrix, path)
        assert_holds(matrix, *held.values())
    await matrix.close()


async def test_a_folder_keeps_a_matrix_for_each_index(tmp_path: Path) -> None:
    folder = MatrixFolder(tmp_path / "matrix")
    assert await folder.names() == []
    assert folder.vectors("gen_1", ["a:1:0"]) is None
    one = await folder.open("gen_1", dimension=DIMENSION)
    assert await folder.open("gen_1", dimension=DIMENSION) is one
    await one.append([version("a")])
    await folder.open("gen_2", dimension=DIMENSION)
    found = folder.vectors("gen_1", ["a:1:0"])
    assert found is not None and np.array_equal(found, version("a").vectors[:1])
    assert await folder.names() == ["gen_1", "gen_2"]
    await folder.drop("gen_2")
    await folder.close()
    later = MatrixFolder(tmp_path / "matrix")
    assert await later.names() == ["gen_1"]
    assert_holds(await later.open("gen_1", dimension=DIMENSION), version("a"))
    await later.drop("gen_1")
    assert await later.names() == [] and list((tmp_path / "matrix").iterdir()) == []
