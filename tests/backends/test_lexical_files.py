"""Files of a tantivy index that are not what was written to them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk
from rag_api.backends.lexical import TantivyIndex
from rag_api.backends.lexical_files import damaged
from rag_api.errors import LexicalIndexUnavailable

INDEX = "gen_1"
EXTENSIONS = ("idx", "pos", "term", "store", "fast", "fieldnorm")


def chunk(number: int) -> EmbeddedChunk:
    words = f"the ferry number {number} leaves at {number * 7 % 13} from pier w{number}"
    piece = Chunk(0, words, Span(0, len(words)), "", None, 1)
    return EmbeddedChunk(VersionKey(INDEX, f"doc{number}", 1), "", piece, np.zeros(1, dtype=np.float32))


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Of an index with two segments, of which one has deletions."""
    index = TantivyIndex(tmp_path / "lexical")
    for start in (0, 500):
        await index.write(INDEX, [chunk(start + number) for number in range(500)])
        await index.commit(INDEX)
    await index.delete(INDEX, [f"doc{number}:1:0" for number in range(20)])
    await index.close()
    return tmp_path / "lexical" / INDEX


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(path: Path) -> None:
    data = bytearray(path.read_bytes())
    at = len(data) // 4
    data[at : at + 8] = bytes(byte ^ 0xFF for byte in data[at : at + 8])
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def damage(folder: Path, name: str, how: Callable[[Path], None]) -> list[str]:
    """The names of the files that it was done to."""
    paths = sorted(folder.glob(name))
    assert paths
    for path in paths:
        how(path)
    return [path.name for path in paths]


@pytest.mark.parametrize("how", [cut_off, change, empty])
@pytest.mark.parametrize("extension", [*EXTENSIONS, "del"])
async def test_a_damaged_file_is_named(folder: Path, extension: str, how: Callable[[Path], None]) -> None:
    assert damaged(folder) is None
    assert damage(folder, f"*.{extension}", how).count(damaged(folder) or "") == 1


@pytest.mark.parametrize("how", [cut_off, change, Path.unlink])
@pytest.mark.parametrize("name", [*(f"*.{extension}" for extension in EXTENSIONS), "meta.json", ".managed.json"])
async def test_a_damaged_index_lists_nothing_and_can_be_filled_again(
    folder: Path, name: str, how: Callable[[Path], None]
) -> None:
    damage(folder, name, how)
    index = TantivyIndex(folder.parent)
    try:
        found = await index.ids(INDEX)
        assert found == set() or name == ".managed.json"  # a list for tidying up, which loses no word
        await index.write(INDEX, [chunk(7)])
        await index.commit(INDEX)
        assert "doc7:1:0" in [hit.chunk_id for hit in await index.search(INDEX, "w7", top_k=5)]
    finally:
        await index.close()


@pytest.mark.parametrize("extension", ["store", "term"])
async def test_a_reader_of_a_damaged_file_is_told_and_survives(folder: Path, extension: str) -> None:
    damage(folder, f"*.{extension}", cut_off)
    index = TantivyIndex(folder.parent)
    with pytest.raises(LexicalIndexUnavailable):
        await index.search(INDEX, "ferry", top_k=5)
    await index.close()


async def test_a_panic_over_a_damaged_file_is_an_error_like_others(folder: Path) -> None:
    damage(folder, "*.store", change)
    index = TantivyIndex(folder.parent)
    with pytest.raises(LexicalIndexUnavailable):
        await index.search(INDEX, "ferry", top_k=1000)
    await index.close()


async def test_two_can_write_in_turn(folder: Path) -> None:
    one, other = TantivyIndex(folder.parent), TantivyIndex(folder.parent)
    await one.write(INDEX, [chunk(2_001)])
    with pytest.raises(LexicalIndexUnavailable):
        await other.write(INDEX, [chunk(2_002)])
    await one.commit(INDEX)
    await other.write(INDEX, [chunk(2_002)])
    await other.commit(INDEX)
    assert {"doc2001:1:0", "doc2002:1:0"} <= await one.ids(INDEX)
    await one.close()
    await other.close()
