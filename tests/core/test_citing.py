import re
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag_api.core.citing import SENTENCE_CHARS, CitationFinder, Cited

LONG_LINE = "this line is as long as the margin of the page allows it"
PIECES = st.sampled_from(
    ["[1]", "[2]", "[9]", "[0]", "[1, 2]", "[1;2]", "[ 1 ]", "[12", "[", "]", "[x]", "[1-2]", "[[1]]", "[,]", ". ", ".",
     "! ", "\n", "\n\n", " ", "Boats leave", "e.g. ", "猫です。", "👩‍💻", "- item", "short words", ": ", LONG_LINE, "١",
     "[١]", "[" + "1" * 25 + "]", "[1, 2, 2, 1]"]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=30).map("".join) | st.text("[]0123,; ab.\n", max_size=60)
WRAPPED = f"{LONG_LINE}\nshort words [1] and then: more"


def found_in(pieces: Iterable[str], passages: int = 3) -> tuple[str, list[Cited]]:
    finder = CitationFinder(passages)
    released, cited = "", []
    for piece in pieces:
        text, some = finder.feed(piece)
        released += text
        cited += some
        assert finder.text == released
    text, some = finder.finish()
    return released + text, cited + some


def sentences(text: str, passages: int = 3) -> list[tuple[int, str]]:
    return [(cited.n, cited.answer.of(text)) for cited in found_in([text], passages)[1]]


@settings(max_examples=400)
@given(TEXTS, st.data())
def test_cutting_the_text_anywhere_gives_the_same_text_and_citations(text: str, data: st.DataObject) -> None:
    places = [0, *sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8))), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    whole = found_in([text])
    assert found_in(pieces) == whole
    assert whole[0] == text


@settings(max_examples=400)
@given(TEXTS)
@example(WRAPPED)
def test_one_character_at_a_time_gives_what_the_whole_text_gives(text: str) -> None:
    assert found_in(text) == found_in([text])


@given(TEXTS, st.integers(0, 5))
def test_a_citation_names_a_passage_and_a_stretch_before_its_marker(text: str, passages: int) -> None:
    _, cited = found_in([text], passages)
    for one in cited:
        assert 1 <= one.n <= passages
        assert 0 <= one.answer.start < one.answer.end <= len(text)
        assert one.answer.of(text) == one.answer.of(text).strip()


@given(TEXTS)
@example("It is so [1, 2, 3, 1, 2, 3, 1")
@example("It is so [1, 2, 3, 1, 2, 3, 1, ")
def test_what_may_become_a_marker_is_held_back_and_nothing_else(text: str) -> None:
    finder = CitationFinder(3)
    released = "".join(finder.feed(character)[0] for character in text)
    begun = re.search(r"\[[0-9١,; ]{0,20}\Z", text)
    assert text[len(released) :] == (begun[0] if begun else "")


@pytest.mark.parametrize(
    "text", ["It is so [4].", "It is so [0].", "It is so [99999999999999999999].", "It is so [²]."]
)
def test_a_made_up_citation_stays_plain_text(text: str) -> None:
    assert found_in([text]) == (text, [])


def test_without_passages_nothing_is_a_citation() -> None:
    assert found_in(["It is so [1]."], passages=0) == ("It is so [1].", [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Boats leave at noon [1].", [(1, "Boats leave at noon")]),
        ("Boats leave at noon.[1]", [(1, "Boats leave at noon.")]),
        ("Boats leave at noon. [1]", [(1, "Boats leave at noon.")]),
        ("Boats leave [1]. They return [2].", [(1, "Boats leave"), (2, "They return")]),
        ("Boats leave. [1] They return. [2]", [(1, "Boats leave."), (2, "They return.")]),
        ("Boats leave [1, 2].", [(1, "Boats leave"), (2, "Boats leave")]),
        ("Boats leave [1; 3].", [(1, "Boats leave"), (3, "Boats leave")]),
        ("Boats leave [1][2].", [(1, "Boats leave"), (2, "Boats leave")]),
        ("Boats leave [1] [2].", [(1, "Boats leave"), (2, "Boats leave")]),
        ("Boats leave [1, 9, 1].", [(1, "Boats leave")]),
        ("Boats leave [ 2 ].", [(2, "Boats leave")]),
        ("At noon [1] and at nine [2].", [(1, "At noon"), (2, "At noon [1] and at nine")]),
        ("[1] Boats leave.", []),
        ("[1]", []),
        ("\n [1][2] Boats leave [3].", [(3, "Boats leave")]),
        ("猫です[1]。犬です。[2]", [(1, "猫です"), (2, "犬です。")]),
        ("👩‍💻 wrote it [1].", [(1, "👩‍💻 wrote it")]),
        ("- One item [1]\n- Another [2]", [(1, "- One item"), (2, "- Another")]),
        ("See Dr. Smith [1].", [(1, "See Dr. Smith")]),
    ],
)
def test_a_citation_stands_for_the_sentence_before_its_marker(text: str, expected: list[tuple[int, str]]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize("text", ["[1-3]", "[a1]", "[]", "[1", "1]", "(1)", "[1.5]", "[" + "1" * 30 + "]"])
def test_what_only_looks_like_a_marker_is_plain_text(text: str) -> None:
    assert found_in([f"It is so {text}"]) == (f"It is so {text}", [])


def test_text_is_shown_as_soon_as_it_can_not_become_a_marker() -> None:
    finder = CitationFinder(1)
    assert finder.feed("It is so [")[0] == "It is so "
    assert finder.feed("1")[0] == ""
    text, [cited] = finder.feed("] and")
    assert (text, cited.n, cited.answer.of(finder.text)) == ("[1] and", 1, "It is so")
    assert finder.feed(" [see")[0] == " [see"
    assert finder.feed(" [2")[0] == " "
    assert finder.finish() == ("[2", [])


def test_a_citation_comes_with_the_text_that_completes_it() -> None:
    finder = CitationFinder(2)
    assert finder.feed("One [1")[1] == []
    assert [cited.n for cited in finder.feed("] two [2]")[1]] == [1, 2]
    assert finder.finish()[1] == []


def test_a_sentence_without_end_is_cited_by_its_last_part_only() -> None:
    [(_, sentence)] = sentences("word " * 2_000 + "[1]")
    assert 0 < len(sentence) <= SENTENCE_CHARS
