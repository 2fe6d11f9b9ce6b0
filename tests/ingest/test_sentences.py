import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingest.documents import Span
from ingest.sentences import sentence_spans

LONG_LINE = "this line is as long as the margin allows it to be, so"
PIECES = st.sampled_from(
    ["A word", " lower", ". ", "! ", "? ", ".", "\n", "\n\n", " \n \n", "e.g. ", "Dr. ", "[1] ", '" ', "。", "猫",
     "- item", "3. ", "Name: ", "👩‍💻", LONG_LINE, "\t", "\u2028", "…"]
)  # fmt: skip
TEXTS = st.text(max_size=120) | st.lists(PIECES, max_size=25).map("".join)


def sentences(text: str) -> list[str]:
    return [span.of(text) for span in sentence_spans(text)]


@settings(max_examples=300)
@given(TEXTS, st.data())
def test_sentences_hold_every_character_that_is_not_space_once_and_in_order(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    spans = list(sentence_spans(text, start, end))
    assert "".join("".join(span.of(text).split()) for span in spans) == "".join(text[start:end].split())
    edges = [start, *(edge for span in spans for edge in (span.start, span.end)), end]
    assert edges == sorted(edges)
    assert all(span.of(text) == span.of(text).strip() != "" for span in spans)


@settings(max_examples=300)
@given(TEXTS, TEXTS)
@example(f"{LONG_LINE}\nshort words", " and then: more")
def test_what_follows_the_end_that_was_asked_for_changes_nothing(text: str, following: str) -> None:
    assert list(sentence_spans(text + following, 0, len(text))) == list(sentence_spans(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ('He said "Go." Then left.', ['He said "Go."', "Then left."]),
        ("See Dr. Smith. He is in.", ["See Dr. Smith.", "He is in."]),
        ("Use tools, e.g. Hammers. Or not.", ["Use tools, e.g. Hammers.", "Or not."]),
        ("J. R. R. Tolkien wrote. Twice.", ["J. R. R. Tolkien wrote.", "Twice."]),
        ("It costs 3.50 today. Not more.", ["It costs 3.50 today.", "Not more."]),
        ("Das ist z.B. Holz. Ende.", ["Das ist z.B. Holz.", "Ende."]),
        ("It ended... and began. So.", ["It ended... and began.", "So."]),
        ("猫です。犬です！", ["猫です。", "犬です！"]),
        ("Это раз. Это два.", ["Это раз.", "Это два."]),
        ("A heading\nSome text.", ["A heading", "Some text."]),
        ("One\n\nTwo", ["One", "Two"]),
        ("", []),
        (" \n\t ", []),
        ("...", ["..."]),
    ],
)
def test_a_sentence_ends_where_a_reader_says(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_a_line_that_was_wrapped_at_the_margin_goes_on() -> None:
    assert sentences(f"{LONG_LINE}\nit goes on here.") == [f"{LONG_LINE}\nit goes on here."]


@pytest.mark.parametrize("item", ["- one", "* one", "• one", "3. one", "2) one", "| a | b |", "Address: Pier 3"])
def test_a_list_item_or_field_begins_a_sentence_even_after_a_full_line(item: str) -> None:
    assert sentences(f"{LONG_LINE}\n{item}") == [LONG_LINE, item]


def test_only_the_part_that_was_asked_for_is_looked_at() -> None:
    text = "Yes. Then no. Three."
    assert list(sentence_spans(text, 1, 13)) == [Span(1, 4), Span(5, 13)]
    assert list(sentence_spans(text, 5, 9)) == [Span(5, 9)]


@pytest.mark.timeout(5)
@pytest.mark.parametrize("text", ["." * 100_000, "\n" * 100_000, "[(" * 50_000, "a. " * 30_000, "x" * 100_000])
def test_no_text_makes_the_search_quadratic(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())
