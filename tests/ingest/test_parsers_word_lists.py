"""What stands before the items of Word's lists."""

from pathlib import Path

import pytest

from ingest.documents import Document
from tests.ingest.test_parsers_pages import document_of, run, word_with


def level(depth: int, format: str, text: str, more: str = "", start: int = 1) -> str:
    return (
        f'<w:lvl w:ilvl="{depth}"><w:start w:val="{start}"/><w:numFmt w:val="{format}"/>{more}'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


def definition(key: int, *levels: str) -> str:
    return f'<w:abstractNum w:abstractNumId="{key}">{"".join(levels)}</w:abstractNum>'


def number(key: int, of: int, overrides: str = "") -> str:
    return f'<w:num w:numId="{key}"><w:abstractNumId w:val="{of}"/>{overrides}</w:num>'


def anew(depth: int, start: int) -> str:
    return f'<w:lvlOverride w:ilvl="{depth}"><w:startOverride w:val="{start}"/></w:lvlOverride>'


def item(text: str, of: int = 1, depth: int | None = 0, style: str = "", end: str = "") -> str:
    at = "" if depth is None else f'<w:ilvl w:val="{depth}"/>'
    listed = f'<w:numPr>{at}<w:numId w:val="{of}"/></w:numPr>' if of >= 0 else ""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{listed}<w:rPr>{end}</w:rPr></w:pPr>{run(text) if text else ''}</w:p>"


def document(tmp_path: Path, numbering: str, *items: str, **parts: str) -> Document:
    return document_of(word_with(tmp_path / "a.docx", "".join(items), numbering=numbering, **parts))


def lines(tmp_path: Path, numbering: str, *items: str, **parts: str) -> list[str]:
    return document(tmp_path, numbering, *items, **parts).text.split("\n")


NESTED = definition(0, level(0, "decimal", "%1."), level(1, "lowerLetter", "%2)"), level(2, "lowerRoman", "(%3)"))


def test_items_have_their_numbers_and_those_below_begin_anew(tmp_path: Path) -> None:
    items = [item("one"), item("first", depth=1), item("second", depth=1), item("deep", depth=2), item("two")]
    found = lines(tmp_path, NESTED + number(1, 0), *items, item("again", depth=1), item("again", depth=2))
    assert found == ["1. one", "  a) first", "  b) second", "    (i) deep", "2. two", "  a) again", "    (i) again"]


def test_a_mark_may_name_the_levels_above(tmp_path: Path) -> None:
    of_law = definition(
        0,
        level(0, "upperRoman", "Article %1."),
        level(1, "decimalZero", "%1.%2"),
        level(2, "lowerLetter", "%1.%2.%3", "<w:isLgl/>"),
    )
    items = [item("A", depth=0), item("B", depth=1), item("C", depth=2), item("D", depth=2)]
    assert lines(tmp_path, of_law + number(1, 0), *items) == ["Article I. A", "  I.01 B", "    1.1.1 C", "    1.1.2 D"]


def test_a_level_that_was_passed_over_counts_as_begun(tmp_path: Path) -> None:
    two = definition(0, level(0, "decimal", "%1", start=4), level(1, "decimal", "%1.%2"))
    assert lines(tmp_path, two + number(1, 0), item("x", depth=1), item("y")) == ["  4.1 x", "4 y"]


def test_lists_go_on_counting_unless_they_say_where_they_begin(tmp_path: Path) -> None:
    numbering = NESTED + number(1, 0) + number(2, 0) + number(3, 0, anew(0, 7))
    items = [item("a", of=1), item("b", of=2), item("c", of=3), item("d", of=3), item("e", of=1)]
    assert lines(tmp_path, numbering, *items) == ["1. a", "2. b", "7. c", "8. d", "9. e"]


def test_a_level_may_go_on_counting_below_the_next_item_above(tmp_path: Path) -> None:
    on = definition(0, level(0, "decimal", "%1."), level(1, "decimal", "Q%2", '<w:lvlRestart w:val="0"/>'))
    items = [item("a"), item("b", depth=1), item("c"), item("d", depth=1)]
    assert lines(tmp_path, on + number(1, 0), *items) == ["1. a", "  Q1 b", "2. c", "  Q2 d"]


def test_bullets_are_dashes_and_unmarked_items_stay_so(tmp_path: Path) -> None:
    mixed = definition(0, level(0, "bullet", "\uf0b7"), level(1, "none", ""), level(2, "decimal", "%3."))
    items = [item("a"), item("b", depth=1), item("c", depth=2), item("d", of=77)]
    assert lines(tmp_path, mixed + number(1, 0), *items) == ["- a", "  b", "    1. c", "- d"]


@pytest.mark.parametrize(
    ("format", "start", "mark"),
    [
        ("lowerLetter", 28, "bb"),
        ("upperRoman", 1994, "MCMXCIV"),
        ("ordinal", 12, "12th"),
        ("ordinal", 23, "23rd"),
        ("cardinalText", 3, "3"),
        ("lowerRoman", 999_999_999, "999999999"),
        ("upperLetter", 999_999_999, "999999999"),
    ],
)
def test_numbers_are_printed_as_word_does(tmp_path: Path, format: str, start: int, mark: str) -> None:
    one = definition(0, level(0, format, "%1:", start=start))
    assert lines(tmp_path, one + number(1, 0), item("x")) == [f"{mark}: x"]


def test_an_empty_item_counts_and_a_deleted_one_does_not(tmp_path: Path) -> None:
    items = [item("a"), item(""), item("", end="<w:del/>"), item("b")]
    assert lines(tmp_path, NESTED + number(1, 0), *items) == ["1. a", "3. b"]


def test_headings_show_their_numbers_and_are_named_without(tmp_path: Path) -> None:
    chapters = definition(
        0,
        level(0, "decimal", "%1", '<w:pStyle w:val="Heading1"/>'),
        level(1, "decimal", "%1.%2", '<w:pStyle w:val="Heading2"/>'),
    )
    base = '<w:style w:type="paragraph" w:styleId="{0}"><w:name w:val="{1}"/>{2}</w:style>'
    listed = '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr>'
    styles = (
        base.format("Heading1", "heading 1", listed)
        + base.format("Heading2", "heading 2", listed)
        + base.format("Own", "Own", '<w:basedOn w:val="Heading2"/>')
    )
    items = [item("Fares", -1, style="Heading1"), item("Cats", -1, style="Heading2"), item("Dogs", -1, style="Own")]
    found = document(tmp_path, chapters + number(1, 0), *items, item("Bare", 0, style="Heading1"), styles=styles)
    assert found.text == "1 Fares\n\n1.1 Cats\n\n1.2 Dogs\n\nBare"
    assert [section.path for section in found.sections] == [
        ("Fares",),
        ("Fares", "Cats"),
        ("Fares", "Dogs"),
        ("Bare",),
    ]
    assert found.title == "Fares"


def test_a_list_may_be_defined_by_a_style(tmp_path: Path) -> None:
    linked = '<w:abstractNum w:abstractNumId="5"><w:numStyleLink w:val="Steps"/></w:abstractNum>'
    steps = (
        '<w:style w:type="numbering" w:styleId="Steps"><w:name w:val="Steps"/>'
        '<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
    )
    numbering = NESTED + linked + number(1, 0) + number(2, 5)
    assert lines(tmp_path, numbering, item("a", of=2), item("b", of=2, depth=1), styles=steps) == ["1. a", "  a) b"]


def test_a_definition_that_refers_to_itself_ends(tmp_path: Path) -> None:
    linked = '<w:abstractNum w:abstractNumId="5"><w:numStyleLink w:val="Loop"/></w:abstractNum>'
    loop = '<w:style w:styleId="Loop"><w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr></w:style>'
    assert lines(tmp_path, linked + number(2, 5), item("a", of=2), styles=loop) == ["- a"]
