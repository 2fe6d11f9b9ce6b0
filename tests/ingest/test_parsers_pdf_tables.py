"""Tables of PDFs become rows told by their header; what only looks like one stays as it is."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.clean import clean
from ingest.documents import BlockKind, Document, Parsed, Source
from ingest.parsers import parse
from tests.ingest.test_parsers_pages import BODY, pdf

Text = tuple[float, float, int, str]
SIZE = 10
COUNTS = (
    ("Bird", "Count", "Place"),
    ("Duck", "1,200", "reeds"),
    ("Great crested grebe", "14", "open water"),
    ("Coot", "310", "bay"),
)
TOLD = [
    "Bird: Duck; Count: 1,200; Place: reeds",
    "Bird: Great crested grebe; Count: 14; Place: open water",
    "Bird: Coot; Count: 310; Place: bay",
]
LEFT, RIGHT, MIDDLE = 0.0, 1.0, 0.5


def width(text: str) -> float:
    """Of digits, commas and spaces just so; of letters about."""
    return SIZE * sum(0.278 if letter in ",. il" else 0.556 for letter in text)


def grid(
    rows: Sequence[Sequence[str]],
    columns: Sequence[float] = (70, 250, 330),
    *,
    top: float = 600,
    pitch: float = 16,
    anchors: Sequence[float] = (LEFT, LEFT, LEFT),
) -> list[Text]:
    """Row by row. `columns`: where the left end, the right end or the middle of the cells is."""
    return [
        (x - anchor * width(text), top - pitch * at, SIZE, text)
        for at, row in enumerate(rows)
        for x, anchor, text in zip(columns, [*anchors, *[LEFT] * len(row)], row, strict=False)
        if text
    ]


def parsed(folder: Path, *pages: Sequence[Text], bold: Collection[str] = ()) -> Parsed:
    path = folder / "paper.pdf"
    path.write_bytes(pdf(*pages, bold=bold))
    [found] = parse(Source("paper.pdf", "application/pdf", path))
    assert isinstance(found, Parsed)
    return found


def document(folder: Path, *pages: Sequence[Text], bold: Collection[str] = ()) -> Document:
    return clean(parsed(folder, *pages, bold=bold))


def rows_of(found: Parsed) -> list[str]:
    return [block.text for block in found.blocks if block.kind is BlockKind.TABLE]


def test_rows_are_told_by_a_bold_header_which_is_no_heading(tmp_path: Path) -> None:
    heading, after = (70, 630, 14, "Counts"), (70, 530, SIZE, "The counts were made in May.")
    page = [*BODY, heading, *grid(COUNTS), after]
    found = document(tmp_path, page, [(70, 700, SIZE, "Next.")], bold=COUNTS[0])
    assert found.text.split("\n\n")[-4:] == ["Counts", "\n".join(TOLD), "The counts were made in May.", "Next."]
    assert [section.path for section in found.sections] == [("Counts",)]
    assert found.page_at(found.text.index("Duck")) == 1


@pytest.mark.parametrize("anchors", [(LEFT, RIGHT, LEFT), (LEFT, MIDDLE, MIDDLE), (RIGHT, RIGHT, RIGHT)])
def test_columns_may_be_aligned_on_either_side_or_in_the_middle(tmp_path: Path, anchors: Sequence[float]) -> None:
    assert rows_of(parsed(tmp_path, grid(COUNTS, (180, 330, 440), anchors=anchors))) == TOLD


def test_words_over_numbers_are_a_header_without_being_bold(tmp_path: Path) -> None:
    assert rows_of(parsed(tmp_path, grid(COUNTS))) == TOLD


def test_years_are_names_of_columns(tmp_path: Path) -> None:
    rows = [("Route", "2023\\26124", "2025"), ("North", "1,200", "14"), ("South", "310", "7")]
    found = rows_of(parsed(tmp_path, grid(rows), bold=("Route", "2025", "2023\\26124")))
    assert found == ["Route: North; 2023–24: 1,200; 2025: 14", "Route: South; 2023–24: 310; 2025: 7"]


@pytest.mark.parametrize(
    "rows",
    [
        (("Duck", "1,200", "reeds"), ("Swan", "14", "lake"), ("Coot", "310", "bay")),
        (
            ("Widgets Ltd", "Invoice 4711", "Sent"),
            ("4 Mill Lane", "12 May 2025", "by post"),
            ("ME1 2AB", "30 days", "x"),
        ),
        (("Ann", "Ferry", "reeds"), ("Bob", "Quay", "lake"), ("Cy", "Pier", "bay")),
        (("Region", "Sales", ""), ("", "2023", "2024"), ("North", "1", "2"), ("South", "3", "4")),
    ],
)
def test_without_a_header_to_be_seen_no_cell_is_named(tmp_path: Path, rows: Sequence[Sequence[str]]) -> None:
    assert rows_of(parsed(tmp_path, grid(rows))) == [" | ".join(filter(None, row)) for row in rows]


def test_labels_with_colons_stand_before_their_values(tmp_path: Path) -> None:
    rows = [("Name:", "Ann Miller"), ("Street:", "5 Quay Street"), ("Town:", "Merrowby")]
    assert rows_of(parsed(tmp_path, grid(rows))) == ["Name: Ann Miller", "Street: 5 Quay Street", "Town: Merrowby"]


def test_empty_cells_are_left_out(tmp_path: Path) -> None:
    rows = [("Name", "Spring", "Autumn"), ("Ann", "1", ""), ("Bob", "", "2"), ("Cy", "4", "5")]
    assert rows_of(parsed(tmp_path, grid(rows), bold=rows[0])) == [
        "Name: Ann; Spring: 1",
        "Name: Bob; Autumn: 2",
        "Name: Cy; Spring: 4; Autumn: 5",
    ]


def test_cells_of_several_lines_are_whole(tmp_path: Path) -> None:
    """Each is drawn to its end before the next one begins, as programs do."""
    page = [
        *[(70, 600, SIZE, "Term"), (200, 600, SIZE, "Meaning"), (400, 600, SIZE, "Adult"), (400, 588, SIZE, "jackets")],
        *[(70, 566, SIZE, "Wave"), (70, 554, SIZE, "height"), (200, 566, SIZE, "The significant height")],
        *[(200, 554, SIZE, "measured by the buoy"), (400, 566, SIZE, "22")],
        *[(70, 532, SIZE, "Wind"), (200, 532, SIZE, "The mean of ten minutes"), (400, 532, SIZE, "10")],
        *[(70, 510, SIZE, "Fog"), (200, 510, SIZE, "Visibility along"), (200, 498, SIZE, "the quay")],
        (400, 510, SIZE, "7"),
    ]
    assert rows_of(parsed(tmp_path, page, bold=("Term", "Meaning", "Adult", "jackets"))) == [
        "Term: Wave height; Meaning: The significant height measured by the buoy; Adult jackets: 22",
        "Term: Wind; Meaning: The mean of ten minutes; Adult jackets: 10",
        "Term: Fog; Meaning: Visibility along the quay; Adult jackets: 7",
    ]


PROSE = (
    "The ducks of the lake go over to the reeds when the",
    "water is high, and they come back from there in the",
    "evening, which is when most of them are counted by",
    "those who live on the shore. Nobody has seen more of",
    "them than the warden did in the spring of that year,",
    "and he has never told anyone how many of them it was.",
)


def halves(lines: Sequence[str]) -> list[tuple[str, str]]:
    return list(zip(lines, [*lines[3:], *lines[:3]], strict=True))


@pytest.mark.parametrize("by_line", [True, False], ids=["line by line", "column by column"])
def test_prose_in_two_columns_is_no_table(tmp_path: Path, by_line: bool) -> None:
    page = grid(halves(PROSE), (60, 330), pitch=12)
    found = parsed(tmp_path, page if by_line else sorted(page, key=lambda text: text[0]))
    assert rows_of(found) == []
    assert "\n".join(block.text for block in found.blocks).count("counted by") == 2


def test_marks_set_apart_are_a_list_and_no_table(tmp_path: Path) -> None:
    for marks in (("1.", "2.", "3."), ("\\(a\\)", "\\(b\\)", "\\(c\\)"), ("2.1", "2.2", "2.10"), ("\\267",) * 3):
        rows = list(zip(marks, ("Take the rope", "Throw it well", "Pull it in"), strict=True))
        assert rows_of(parsed(tmp_path, grid(rows, (70, 100)))) == []


def test_two_rows_are_no_table_and_neither_are_gaps_without_columns(tmp_path: Path) -> None:
    assert rows_of(parsed(tmp_path, grid(COUNTS[:2]))) == []
    ragged = [(70, 600, "A word", 180, "then"), (70, 584, "Another", 120, "here"), (70, 568, "One", 240, "more")]
    page = [text for x, y, one, at, other in ragged for text in ((x, y, SIZE, one), (at, y, SIZE, other))]
    assert rows_of(parsed(tmp_path, page)) == []


def test_a_line_that_spans_columns_ends_the_table(tmp_path: Path) -> None:
    note = (70, 600 - 4 * 16, SIZE, "Figures are those of the harbour office, counted in May.")
    found = parsed(tmp_path, [*grid(COUNTS), note], bold=COUNTS[0])
    assert rows_of(found) == TOLD
    assert found.blocks[-1].text == note[3]


def test_tables_one_after_the_other_are_two(tmp_path: Path) -> None:
    other = [("Ship", "Crew", "Built"), ("Dunlin", "6", "1998"), ("Petrel", "2", "2011")]
    found = parsed(tmp_path, [*grid(COUNTS), *grid(other, top=500)], bold=(*COUNTS[0], *other[0]))
    assert rows_of(found) == [*TOLD, "Ship: Dunlin; Crew: 6; Built: 1998", "Ship: Petrel; Crew: 2; Built: 2011"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(places=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 12)), min_size=1, max_size=40, unique=True))
def test_no_word_is_lost_or_told_twice_wherever_it_stands(tmp_path: Path, places: list[tuple[int, int]]) -> None:
    """Header names apart, which come again in each row: there are none, as all words have a digit."""
    words = [f"w{column}x{row}" for column, row in places]
    page = [
        (40 + 60.0 * column, 700 - 14.0 * row, SIZE, word) for (column, row), word in zip(places, words, strict=True)
    ]
    text = document(tmp_path, page).text
    assert sorted(text.replace("|", " ").split()) == sorted(words)
