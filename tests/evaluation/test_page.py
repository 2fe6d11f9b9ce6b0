"""The HTML report: well-formed, alone in the world, and with nothing of the texts taken for markup."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_api.evaluation.gate import Finding
from rag_api.evaluation.intervals import Interval
from rag_api.evaluation.page import FAILED_SHOWN, page
from rag_api.evaluation.plots import Row, bars, curves, dots
from rag_api.evaluation.report import Report, make_report
from tests.evaluation.values import full_outcome, outcome, run

VOID = {"meta"}
LOADS = {"src", "href", "xlink:href", "srcset", "poster", "data", "action", "formaction", "background"}


class Reader(HTMLParser):
    """Fails where a tag is not closed in its turn; gathers what would be loaded, and the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in LOADS]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in LOADS]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(*, compared: bool = True, many: int = 0) -> Report:
    outcomes = [full_outcome(), outcome("fine", recall_at_10=1.0, ndcg_at_10=1.0)]
    outcomes += [outcome(f"bad {number}", recall_at_10=0.0, ndcg_at_10=0.0) for number in range(many)]
    ours = run(outcomes, name="mode=<hybrid>", with_answers=True)
    theirs = run([full_outcome(), outcome("fine", ndcg_at_10=0.5)], name="mode=dense", with_answers=True)
    gate = [Finding("ndcg@10", False, "ndcg@10 is 50.0 %, wanted >= 90.0 %")]
    return make_report(ours, theirs if compared else None, origin="<q>.jsonl", notes=("a & b",), seed=3, gate=gate)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


@pytest.mark.parametrize("compared", [False, True])
def test_the_page_is_well_formed_and_loads_nothing(compared: bool) -> None:
    text = page(report(compared=compared))
    ElementTree.fromstring(text)
    reader = read(text)
    assert reader.loads == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    assert not re.search(r"url\(|@import|javascript:", text)
    assert "default-src 'none'" in text
    assert {"svg", "details", "table", "h1", "main"} <= set(reader.tags)


def test_both_colour_schemes_are_served() -> None:
    text = page(report())
    assert "prefers-color-scheme: dark" in text
    assert "color-scheme: light dark" in text


def luminance(colour: str) -> float:
    """Of #rrggbb, as WCAG 2.2 defines relative luminance."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_colours_of_text_and_marks_stand_out_from_the_paper() -> None:
    schemes = re.findall(r":root \{([^}]*)\}", page(report()))
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for paper in (colours["paper"], colours["shade"]):
            for name in ("ink", "soft", "ours", "theirs", "good", "bad"):
                light, dark = sorted((luminance(colours[name]), luminance(paper)), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, paper)


def test_every_plot_says_what_it_shows_to_those_who_do_not_see_it() -> None:
    root = ElementTree.fromstring(page(report()))
    plots = list(root.iter("svg"))
    assert len(plots) == 6  # figures, differences, questions, three waits
    for plot in plots:
        assert plot.get("role") == "img"
        assert plot.findtext("title")
        assert plot.findtext("desc")


def test_texts_are_shown_and_never_taken_for_markup() -> None:
    reader = read(page(report()))
    for said in ("Where is the <well> & how", 'Deep & <b>"dark"</b>', "mode=<hybrid>", "<q>.jsonl", "a & b",
                 "the answer holds no expected phrase", "ndcg@10 is 50.0 %", "deep <i>"):  # fmt: skip
        assert said in reader.text, said
    assert "b" not in reader.tags
    assert "\x0c" not in reader.text


def test_what_is_left_out_is_counted() -> None:
    text = read(page(report(many=FAILED_SHOWN + 5))).text
    assert "… and 6 more" in text


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=40).filter(lambda text: text.isprintable() or "\x00" in text or "]]>" in text))
def test_any_question_gives_a_well_formed_page(text: str) -> None:
    if any("\ud800" <= char <= "\udfff" for char in text):
        return
    one = make_report(run([full_outcome(text + "?")]), None, origin=text, notes=(text,), seed=0)
    ElementTree.fromstring(page(one))


def test_dots_stand_where_their_values_are() -> None:
    svg = dots(
        [Row("a", ((0.0, Interval(0, 0.5)), (1.0, Interval(0.5, 1))))], title="t", says="s", low=0, high=1, unit="share"
    )
    root = ElementTree.fromstring(svg)
    circle, polygon = root.find("circle"), root.find("polygon")
    assert circle is not None
    assert polygon is not None
    left = float(circle.get("cx", "nan"))
    right = float(polygon.get("points", "").split(",")[0])
    grid = [float(line.get("x1", "nan")) for line in root.iter("line") if line.get("class") == "grid"]
    assert (left, right) == (min(grid), max(grid))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_bars_fall_from_left_to_right(values: list[float]) -> None:
    root = ElementTree.fromstring(bars(values, title="t", says="s", low=0, high=1))
    path = root.find("path")
    assert path is not None
    heights = [float(height) for height in re.findall(r"V([\d.]+)", path.get("d", ""))[:-1]]
    assert len(heights) == len(values)
    assert heights == sorted(heights)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=50), st.lists(st.floats(0, 1e7), max_size=50))
def test_curves_stay_in_their_frame_and_rise(ours: list[float], theirs: list[float]) -> None:
    root = ElementTree.fromstring(curves([ours, theirs], title="t", says="s"))
    for line in root.iter("polyline"):
        points = [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
        assert all(0 <= x <= 760 and 0 <= y <= 220 for x, y in points)
        assert points == sorted(points, key=lambda point: (point[0], -point[1]))
