import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.words import content_words, inverse_document_frequencies, numbers, stem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("When do the ferries leave?", ["ferry", "leave"]),
        ("FERRIES, ferry; Ferry's", ["ferry", "ferry", "ferry"]),
        ("It costs 1,000.50 or 3.", ["cost", "1,000.50", "3"]),
        ("snake_case and kebab-case", ["snake", "case", "kebab", "case"]),
        ("Straße café", ["strasse", "café"]),
        ("the of and", []),
        ("", []),
        ("👩‍💻 !?", []),
    ],
)
def test_content_words_are_stems_without_stop_words(text: str, words: list[str]) -> None:
    assert content_words(text) == words


@pytest.mark.parametrize(
    ("word", "expected"),
    [("boats", "boat"), ("ferries", "ferry"), ("gas", "gas"), ("bus", "bus"), ("virus", "virus"), ("glass", "glass"),
     ("ties", "ty"), ("boat", "boat"), ("s", "s"), ("", "")],
)  # fmt: skip
def test_only_plurals_are_stemmed(word: str, expected: str) -> None:
    assert stem(word) == expected


@given(st.text("aeiouys", max_size=8))
def test_stemming_again_changes_nothing(word: str) -> None:
    assert stem(stem(word)) == stem(word)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("about 1,000 boats", {"1000"}),
        ("3.50 is 3.5", {"3.5"}),
        ("10.0 and 10", {"10"}),
        ("100 stays 100", {"100"}),
        ("It ended at 9.", {"9"}),
        ("0.0", {"0"}),
        ("from 9,12 to 2024-05", {"912", "2024", "05"}),
        ("none", set()),
    ],
)
def test_numbers_are_equal_however_they_are_written(text: str, found: set[str]) -> None:
    assert numbers(text) == found


@given(st.text(max_size=80))
def test_stop_words_change_nothing_after_any_text(text: str) -> None:
    assert content_words(f"{text} The of AND") == content_words(text)
    assert all(content_words(text))
    assert numbers(f"{text} the") == numbers(text)


def test_rare_words_weigh_more() -> None:
    rarity = inverse_document_frequencies([["boat", "boat", "gull"], ["boat"], ["boat", "pier"]])
    assert rarity == {"boat": math.log(2), "gull": math.log(4), "pier": math.log(4)}
    assert inverse_document_frequencies([]) == {}
