"""The report as one page that loads nothing: figures, plots, and the questions that went wrong."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from rag_api.evaluation.comparing import Difference
from rag_api.evaluation.figures import WAITS, Figure, shown
from rag_api.evaluation.outcomes import Outcome, Run
from rag_api.evaluation.plots import Row, bars, curves, dots
from rag_api.evaluation.report import Report, went_wrong

FAILED_SHOWN = 200
QUESTIONS_SHOWN = 1_000
HIT_CHARS = 300
MAIN_SCORES = ("ndcg@10", "ndcg", "phrase", "answer_phrase", "refused_rightly")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FOLDER = Path(__file__).parent
_WAIT_TITLES: Mapping[str, str] = {
    "search": "Searches, from question to hits",
    "first_text": "Answers, from question to first text",
    "answer": "Answers, from question to end",
}


@dataclass(frozen=True, slots=True)
class Failed:
    """A question that went wrong, with what the other side found for it."""

    ours: Outcome
    theirs: Outcome | None
    why: list[str]


@dataclass(frozen=True, slots=True)
class Plot:
    caption: str
    svg: str


def page(report: Report) -> str:
    """Well-formed as XML, too."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"shown": shown, "cut": _cut, "signed": _signed}
    template = environment.from_string((_FOLDER / "page.html").read_text("utf-8"))
    failed = _failed(report)
    rendered = template.render(
        report=report,
        style=(_FOLDER / "page.css").read_text("utf-8"),
        plots=_plots(report),
        paired={difference.name: difference for difference in report.differences},
        theirs={figure.name: figure for figure in report.theirs.figures} if report.theirs else {},
        failed=failed[:FAILED_SHOWN],
        failed_more=max(0, len(failed) - FAILED_SHOWN),
        outcomes=report.ours.run.outcomes[:QUESTIONS_SHOWN],
        outcomes_more=max(0, len(report.ours.run.outcomes) - QUESTIONS_SHOWN),
        main=_main_score(report.ours.run),
        seen_title=_seen_title,
    )
    return _NOT_IN_XML.sub("\ufffd", rendered)


def _failed(report: Report) -> list[Failed]:
    theirs = {one.question.text: one for one in report.theirs.run.outcomes} if report.theirs else {}
    return [
        Failed(outcome, theirs.get(outcome.question.text), why)
        for outcome in report.ours.run.outcomes
        if (why := went_wrong(outcome))
    ]


def _plots(report: Report) -> list[Plot]:
    plots: list[Plot] = []
    shares = [figure for figure in report.ours.figures if figure.measure.unit == "share"]
    if shares:
        rows = [_row(figure, report) for figure in shares]
        title = "Figures with their 95 % intervals"
        svg = dots(rows, title=title, says=_in_words(shares), low=0, high=1, unit="share")
        plots.append(Plot(title, svg))
    if decided := [one for one in report.differences if one.measure.unit == "share"]:
        plots.append(_difference_plot(decided))
    if scores := _scores_plot(report):
        plots.append(scores)
    return plots + _latency_plots(report)


def _row(figure: Figure, report: Report) -> Row:
    theirs = [one for one in report.theirs.figures if one.name == figure.name] if report.theirs else []
    points = [(figure.value, figure.interval), *((one.value, one.interval) for one in theirs)]
    return Row(figure.name, tuple(points) if theirs or not report.theirs else (*points, None))


def _difference_plot(found: Sequence[Difference]) -> Plot:
    most = max(max(abs(one.interval.low), abs(one.interval.high)) for one in found) or 0.01
    rows = [Row(one.name, ((one.value, one.interval),)) for one in found]
    title = "Differences, with their 95 % intervals: decided where the whisker leaves zero out"
    says = "; ".join(f"{one.name} {_signed(one.value)}, {one.mark}" for one in found)
    return Plot(title, dots(rows, title=title, says=says, low=-most, high=most, unit="share"))


def _main_score(run: Run) -> str:
    """The one score that says most of a question; empty when there is none."""
    names = list(dict.fromkeys(name for outcome in run.outcomes for name in outcome.scores))
    for wanted in MAIN_SCORES:
        if matching := [name for name in names if name == wanted or name.partition("@")[0] == wanted]:
            return matching[-1]
    return ""


def _scores_plot(report: Report) -> Plot | None:
    name = _main_score(report.ours.run)
    ours = {one.question.text: one.scores[name] for one in report.ours.run.outcomes if name in one.scores}
    if not report.theirs:
        title = f"Each question's {name}"
        values, low = list(ours.values()), 0.0
        says = f"{sum(value == 1 for value in values)} of {len(values)} at 100 %, {values.count(0)} at 0 %"
    else:
        theirs = {one.question.text: one.scores[name] for one in report.theirs.run.outcomes if name in one.scores}
        values, low = [ours[question] - theirs[question] for question in ours if question in theirs], -1.0
        title = f"Each question's {name}, {report.ours.run.name} less {report.theirs.run.name}"
        up, down = sum(value > 0 for value in values), sum(value < 0 for value in values)
        says = f"{up} questions higher, {down} lower, {len(values) - up - down} the same"
    if not values:
        return None
    return Plot(f"{title}: {says}", bars(values, title=title, says=says, low=low, high=1))


def _latency_plots(report: Report) -> list[Plot]:
    runs = [report.ours.run, *([report.theirs.run] if report.theirs else [])]
    plots: list[Plot] = []
    for wait in WAITS:
        series = [[one.times_ms[wait] for one in run.outcomes if wait in one.times_ms] for run in runs]
        if not any(series):
            continue
        title = f"{_WAIT_TITLES[wait]}: which share took at most so long"
        names = {f"{wait}_p50_ms", f"{wait}_p95_ms", f"{wait}_p99_ms"}
        says = _in_words([figure for figure in report.ours.figures if figure.name in names])
        plots.append(Plot(title, curves(series, title=title, says=says)))
    return plots


def _in_words(figures: Sequence[Figure]) -> str:
    return "; ".join(f"{figure.name} {shown(figure.value, figure.measure.unit)}" for figure in figures)


def _seen_title(hit: Any) -> str:
    where = f" ({hit.place})" if hit.place else ""
    return f"{hit.source}{where}"


def _signed(value: float, unit: str = "share") -> str:
    return shown(value, unit, signed=True)


def _cut(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= HIT_CHARS else words[: HIT_CHARS - 1] + "…"
