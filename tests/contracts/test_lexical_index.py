"""What every LexicalIndex does."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk
from rag_api.backends.lexical import TantivyIndex
from rag_api.core.hits import Scored
from rag_api.core.ports import LexicalIndex
from tests.fakes import MemoryLexicalIndex

INDEX = "gen_1"


@pytest.fixture(params=["memory", "tantivy"])
async def lexical(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LexicalIndex]:
    if request.param == "memory":
        yield MemoryLexicalIndex()
        return
    index = TantivyIndex(tmp_path / "lexical")
    yield index
    await index.close()


def chunk(text: str, document: str = "doc", index: int = 0, *, title: str = "", section: str = "") -> EmbeddedChunk:
    piece = Chunk(index, text, Span(0, len(text)), section, None, 1)
    return EmbeddedChunk(VersionKey(INDEX, document, 1), title, piece, np.zeros(1, dtype=np.float32))


async def write(lexical: LexicalIndex, *chunks: EmbeddedChunk, index: str = INDEX) -> None:
    await lexical.write(index, chunks)
    await lexical.commit(index)


def ids(found: Sequence[Scored]) -> list[str]:
    return [scored.chunk_id for scored in found]


async def search(lexical: LexicalIndex, text: str, **options: object) -> list[str]:
    return ids(await lexical.search(INDEX, text, **{"top_k": 10, **options}))  # type: ignore[arg-type]


async def test_what_is_written_is_found_after_the_commit_and_not_before(lexical: LexicalIndex) -> None:
    await lexical.write(INDEX, [chunk("The ferry leaves at noon.")])
    assert await search(lexical, "ferry") == []
    await lexical.commit(INDEX)
    assert await search(lexical, "ferry") == ["doc:1:0"]
    assert await search(lexical, "bicycle") == []


async def test_more_of_the_querys_words_come_first(lexical: LexicalIndex) -> None:
    await write(
        lexical,
        chunk("Ferry tickets are sold here.", index=0),
        chunk("Dogs on the ferry need tickets.", index=1),
        chunk("Dogs are barking at gulls.", index=2),
        chunk("Nothing of it.", index=3),
    )
    found = await lexical.search(INDEX, "Do dogs need ferry tickets?", top_k=10)
    assert ids(found)[0] == "doc:1:1"
    assert set(ids(found)) == {"doc:1:0", "doc:1:1", "doc:1:2"}
    scores = [scored.score for scored in found]
    assert scores == sorted(scores, reverse=True) and scores[-1] > 0


async def test_no_more_than_top_k_are_found(lexical: LexicalIndex) -> None:
    await write(lexical, *(chunk(f"Ferry {i}", index=i) for i in range(20)))
    assert len(await search(lexical, "ferry", top_k=7)) == 7


async def test_title_and_section_count_as_words_of_the_chunk(lexical: LexicalIndex) -> None:
    await write(lexical, chunk("It is free.", title="Dogs", section="Fares > Pets"))
    assert await search(lexical, "dogs") == await search(lexical, "pets") == ["doc:1:0"]


async def test_capitals_and_plurals_make_no_difference(lexical: LexicalIndex) -> None:
    await write(lexical, chunk("Ferries LEAVE the pier."))
    for query in ("ferry", "FERRIES", "piers", "Leaves"):
        assert await search(lexical, query) == ["doc:1:0"], query


async def test_the_same_chunk_again_replaces_itself(lexical: LexicalIndex) -> None:
    await write(lexical, chunk("The ferry."), chunk("The gull.", index=1))
    await write(lexical, chunk("The bicycle."))
    assert await search(lexical, "ferry") == []
    assert await search(lexical, "bicycle") == ["doc:1:0"]
    assert await search(lexical, "gull") == ["doc:1:1"]


async def test_the_same_chunk_twice_in_one_commit_is_there_once(lexical: LexicalIndex) -> None:
    await lexical.write(INDEX, [chunk("The ferry.")])
    await lexical.write(INDEX, [chunk("The ferry again.")])
    await lexical.commit(INDEX)
    assert await search(lexical, "ferry") == ["doc:1:0"]


async def test_what_is_deleted_is_not_found(lexical: LexicalIndex) -> None:
    await write(lexical, *(chunk("The ferry.", index=i) for i in range(3)))
    await lexical.delete(INDEX, ["doc:1:0", "doc:1:2", "never there"])
    assert await search(lexical, "ferry") == ["doc:1:1"]


async def test_which_of_some_ids_are_there_can_be_asked(lexical: LexicalIndex) -> None:
    assert await lexical.present(INDEX, ["doc:1:0"]) == set()
    await write(lexical, *(chunk("The ferry.", index=i) for i in range(3)))
    await lexical.delete(INDEX, ["doc:1:1"])
    asked = ["doc:1:0", "doc:1:1", "doc:1:2", "doc:1:3", "never there"]
    assert await lexical.present(INDEX, asked) == {"doc:1:0", "doc:1:2"}
    assert await lexical.present(INDEX, []) == set()


async def test_only_chunks_of_the_documents_that_were_named_are_found(lexical: LexicalIndex) -> None:
    await write(lexical, *(chunk("The ferry.", document) for document in ("a", "b", "c")))
    assert sorted(await search(lexical, "ferry", documents=["a", "c", "x"])) == ["a:1:0", "c:1:0"]
    assert await search(lexical, "ferry", documents={"b": 1}) == ["b:1:0"]
    assert await search(lexical, "ferry", documents=[]) == []
    assert await search(lexical, "gull", documents=["a"]) == []


async def test_naming_documents_changes_no_score(lexical: LexicalIndex) -> None:
    await write(lexical, chunk("The ferry leaves.", "a"), chunk("A gull.", "b"))
    assert await lexical.search(INDEX, "ferry", top_k=5, documents=["a"]) == await lexical.search(
        INDEX, "ferry", top_k=5
    )


async def test_an_index_that_is_not_there_holds_nothing(lexical: LexicalIndex) -> None:
    assert await search(lexical, "ferry") == []
    await lexical.delete(INDEX, ["doc:1:0"])
    await lexical.drop(INDEX)
    await lexical.commit(INDEX)
    assert await search(lexical, "ferry") == []


async def test_a_dropped_index_is_empty_and_can_be_written_anew(lexical: LexicalIndex) -> None:
    await write(lexical, chunk("The ferry."))
    assert await search(lexical, "ferry") == ["doc:1:0"]
    await lexical.drop(INDEX)
    assert await search(lexical, "ferry") == []
    await write(lexical, chunk("The ferry.", "new"))
    assert await search(lexical, "ferry") == ["new:1:0"]


async def test_indexes_are_apart(lexical: LexicalIndex) -> None:
    await write(lexical, chunk("The ferry.", "a"))
    await write(lexical, chunk("The ferry.", "b"), index="gen_2")
    await lexical.drop("gen_2")
    assert await search(lexical, "ferry") == ["a:1:0"]


@pytest.mark.parametrize("query", ["", " \n", "?!", "👩‍💻", '"', "AND OR NOT", "title:ferry^9 ~ *", "(", "x" * 5_000])
async def test_any_text_of_a_user_is_a_query(lexical: LexicalIndex, query: str) -> None:
    await write(lexical, chunk("Nothing that was asked for."))
    assert await search(lexical, query) == []
