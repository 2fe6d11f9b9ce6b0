"""What the tantivy index does beyond its contract (tests/contracts/test_lexical_index.py)."""

import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tantivy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.documents import Chunk, Span, VersionKey
from ingest.ports import EmbeddedChunk
from rag_api.backends import lexical_reading
from rag_api.backends.lexical import TantivyIndex
from rag_api.backends.lexical_words import COMMON_FROM, COMMON_SHARE, MAX_QUERY_WORDS, query_terms
from rag_api.core.words import STOP_WORDS
from rag_api.errors import LexicalIndexUnavailable

INDEX = "gen_1"


@pytest.fixture
async def lexical(tmp_path: Path) -> AsyncIterator[TantivyIndex]:
    index = TantivyIndex(tmp_path / "lexical")
    yield index
    await index.close()


def chunk(text: str, index: int = 0, *, title: str = "", document: str = "doc") -> EmbeddedChunk:
    piece = Chunk(index, text, Span(0, len(text)), "", None, 1)
    return EmbeddedChunk(VersionKey(INDEX, document, 1), title, piece, np.zeros(1, dtype=np.float32))


async def write(lexical: TantivyIndex, *texts: str) -> None:
    await lexical.write(INDEX, [chunk(text, i) for i, text in enumerate(texts)])
    await lexical.commit(INDEX)


async def search(lexical: TantivyIndex, text: str) -> list[int]:
    """Which of the chunks are found, best first."""
    return [int(scored.chunk_id.rsplit(":")[-1]) for scored in await lexical.search(INDEX, text, top_k=10)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=100)
    | st.lists(st.sampled_from(["ferry", "AND", "OR", "NOT", '"', "(", ")", "text:", "*", "~2", "^", "\\", "+", "-",
                                "[a TO b]", "猫", "👩‍💻", "\0", "the", "é"])).map(" ".join)
)  # fmt: skip
async def test_any_text_is_a_query_and_any_text_can_be_indexed(lexical: TantivyIndex, text: str) -> None:
    await lexical.write(INDEX, [chunk("The ferry leaves.", 0), chunk(text, 1, title=text)])
    await lexical.commit(INDEX)
    found = await search(lexical, f"{text} ferry")
    assert 0 in found
    assert (1 in found) is bool(set(query_terms(text)) & set(query_terms(f"{text} ferry")))


async def test_half_a_surrogate_pair_is_a_query(lexical: TantivyIndex) -> None:
    await write(lexical, "The ferry leaves.")
    assert await search(lexical, "ferry \ud83d") == [0]


@pytest.mark.parametrize(
    "query", ['"ferry"', "ferry AND", "+ferry -gull", "text:ferry", "(ferry", "ferry*", "ferry~1", "ferry?", "FERRY!"]
)
async def test_operators_are_plain_words_of_the_user(lexical: TantivyIndex, query: str) -> None:
    await write(lexical, "The ferry meets a gull.")
    assert await search(lexical, query) == [0]


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("He was running late.", "run"),
        ("Cancellations are refunded.", "cancel refund"),
        ("The café in Zürich", "cafe zurich"),
        ("The cafe in Zurich", "café Zürich"),
        ("猫が好きです", "猫"),
        ("我们的渡轮中午出发", "渡轮"),
        ("เรือออกตอนเที่ยง", "เที่ยง"),
        ("Это паром", "ПАРОМ"),
        ("Error E-4711 in step 3", "e-4711"),
    ],
)
async def test_words_meet_in_other_forms_and_scripts(lexical: TantivyIndex, text: str, query: str) -> None:
    await write(lexical, text, "unrelated")
    assert await search(lexical, query) == [0]


async def test_the_chunk_with_more_of_the_characters_of_a_chinese_word_comes_first(lexical: TantivyIndex) -> None:
    await write(lexical, "轮子", "渡轮", "中午")
    assert await search(lexical, "渡轮") == [1, 0]


async def test_a_query_of_stop_words_only_looks_for_these(lexical: TantivyIndex) -> None:
    await write(lexical, "To be or not to be", "Ferries leave")
    assert await search(lexical, "to be or not to be") == [0]


async def test_stop_words_do_not_count_beside_others(lexical: TantivyIndex) -> None:
    await write(lexical, "What is the when of the what", "A ferry")
    assert await search(lexical, "What is the ferry") == [1]


async def test_a_query_of_five_thousand_words_finds_those_that_are_there(lexical: TantivyIndex) -> None:
    await write(lexical, "word7 is here", "word4999 is here")
    assert sorted(await search(lexical, " ".join(f"word{i}" for i in range(5_000)))) == [0, 1]


async def test_of_too_many_words_the_rarest_are_looked_for(lexical: TantivyIndex) -> None:
    usual = " ".join(f"usual{i}" for i in range(MAX_QUERY_WORDS))
    await write(lexical, usual, usual, "ferry")
    assert sorted(await search(lexical, f"{usual} ferry")) == [0, 1, 2]
    assert sorted(await search(lexical, f"{usual} {usual.upper()} gull ferry")) == [0, 1, 2]


async def test_a_word_of_a_third_of_many_chunks_is_looked_for_only_when_there_is_no_other(
    lexical: TantivyIndex,
) -> None:
    few = int(COMMON_FROM * COMMON_SHARE)
    await write(lexical, *["die Insel"] * (few + 1), "die Fähre", *["Wind"] * (COMMON_FROM - few))
    assert await search(lexical, "die Fähre") == [few + 1]
    assert len(await search(lexical, "die")) == 10


def test_a_query_has_each_word_once() -> None:
    assert query_terms("ferry ferries FERRY") == query_terms("ferry")
    assert query_terms("") == query_terms("?!") == []
    assert all(query_terms(word) for word in STOP_WORDS)


async def test_a_score_is_the_share_of_what_the_words_can_attain(lexical: TantivyIndex) -> None:
    await write(lexical, "ferry " * 200, "ferry", "gull", "gull island")
    repeated, once = await lexical.search(INDEX, "ferry", top_k=10)
    assert 0.9 < repeated.score < 1 and 0.3 < once.score < repeated.score
    missed = (await lexical.search(INDEX, "ferry zeppelin", top_k=10))[0].score
    assert missed == pytest.approx(repeated.score * math.log(1 + 2.5 / 2.5) / (math.log(2) + math.log(1 + 4.5 / 0.5)))


async def test_a_word_in_the_title_and_in_the_text_counts_more(lexical: TantivyIndex) -> None:
    await lexical.write(INDEX, [chunk("It is free.", 0, title="Dogs"), chunk("Dogs are free.", 1, title="Dogs")])
    await lexical.commit(INDEX)
    assert await search(lexical, "dogs") == [1, 0]


async def test_one_word_in_a_short_title_is_not_worth_more_than_all_of_them_in_a_text(lexical: TantivyIndex) -> None:
    named = chunk("It may refer to one of these.", 0, title="King of my heart")
    told = chunk("The tin woodman wants a heart from the wizard in the land of Oz.", 1, title="Woodman")
    await lexical.write(INDEX, [named, told])
    await lexical.commit(INDEX)
    assert await search(lexical, "who wants a heart in the wizard of oz") == [1, 0]


async def test_an_index_of_another_form_is_removed_and_built_anew(lexical: TantivyIndex, tmp_path: Path) -> None:
    folder = tmp_path / "lexical" / INDEX
    folder.mkdir(parents=True)
    tantivy.Index(tantivy.SchemaBuilder().add_text_field("title").build(), path=str(folder))
    with pytest.raises(LexicalIndexUnavailable):
        await search(lexical, "ferry")
    assert await lexical.ids(INDEX) == set()
    await write(lexical, "The ferry.")
    assert await search(lexical, "ferry") == [0]


async def test_a_very_long_text_without_spaces_is_indexed(lexical: TantivyIndex) -> None:
    await write(lexical, "x" * 300_000 + " ferry", "猫" * 50_000)
    assert await search(lexical, "ferry") == [0]
    assert await search(lexical, "猫") == [1]


async def test_another_reader_sees_each_commit_at_once(lexical: TantivyIndex, tmp_path: Path) -> None:
    reader = TantivyIndex(tmp_path / "lexical")
    assert await search(reader, "ferry") == []
    for i in range(20):
        await lexical.write(INDEX, [chunk("ferry", i)])
        await lexical.commit(INDEX)
        assert await reader.count(INDEX) == i + 1
    await lexical.write(INDEX, [chunk("gull", 99)])
    assert await search(reader, "gull") == []
    await lexical.delete(INDEX, [f"doc:1:{i}" for i in range(19)])
    assert await search(reader, "ferry") == [19]
    await lexical.drop(INDEX)
    assert await search(reader, "ferry") == []
    await write(lexical, "ferry")
    assert await search(reader, "ferry") == [0]
    await reader.close()


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    before = TantivyIndex(tmp_path)
    await before.write(INDEX, [chunk("The ferry.")])
    await before.close()
    after = TantivyIndex(tmp_path)
    assert await search(after, "ferry") == [0]
    assert await after.count(INDEX) == 1
    await write(after, "The gull.")
    assert await search(after, "ferry") == []
    await after.close()


async def test_a_dropped_index_leaves_no_files(lexical: TantivyIndex, tmp_path: Path) -> None:
    await write(lexical, "The ferry.")
    assert (tmp_path / "lexical" / INDEX).is_dir()
    await lexical.drop(INDEX)
    assert list((tmp_path / "lexical").iterdir()) == []
    assert await lexical.count(INDEX) == 0


async def test_a_small_index_that_is_open_is_searched_without_the_thread(
    lexical: TantivyIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_thread: list[str] = []
    ask = lexical._searches.ask

    async def noted(asked: Any) -> Any:
        by_thread.append(asked[1])
        return await ask(asked)

    monkeypatch.setattr(lexical._searches, "ask", noted)
    await write(lexical, "The ferry leaves.")
    assert await search(lexical, "ferry") == await search(lexical, "leaves") == [0]
    assert by_thread == ["ferry"]
    await write(lexical, "The ferry leaves.", "A gull.")  # what has been committed since is opened by the thread
    assert await search(lexical, "gull") == [1]
    monkeypatch.setattr(lexical_reading, "LONG_S", -1.0)
    assert await search(lexical, "gull") == [1]  # at once, and it took too long
    assert await search(lexical, "leaves") == [0]
    assert by_thread == ["ferry", "gull", "leaves"]
