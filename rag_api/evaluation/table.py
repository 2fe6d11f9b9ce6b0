"""The report on a terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rag_api.evaluation.comparing import Difference
from rag_api.evaluation.figures import Figure, shown
from rag_api.evaluation.report import Measured, Report, went_wrong

COLOURS = {"better": "green", "worse": "red", "undecided": "dim"}
FAILED_SHOWN = 10


def print_report(report: Report, out: Console) -> None:
    out.print(_head(report), markup=False)
    out.print(_compared(report) if report.theirs else _figures(report.ours))
    out.print("Intervals hold 95 % of what resampling the questions gives.", style="dim")
    for measured in (report.ours, report.theirs):
        if measured and measured.run.with_answers:
            out.print(_grounding(measured), markup=False)
    _print_failed(report, out)
    for note in report.notes:
        out.print(f"note: {note}", markup=False)
    for finding in report.gate:
        mark = "[green]ok  [/green]" if finding.is_ok else "[red]FAIL[/red]"
        out.print(f"{mark} {escape(finding.said)}")


def _head(report: Report) -> str:
    counts = report.ours.counts
    some = f"{counts.questions} questions ({report.origin}), {counts.answerable} of them answerable"
    return f"{some}; {report.ours.run.concurrency} at a time"


def _figures(measured: Measured) -> Table:
    table = Table("figure", "value", "95 %", "n", "what", box=None)
    for figure in measured.figures:
        unit, found = figure.measure.unit, figure.interval
        between = f"{shown(found.low, unit)} to {shown(found.high, unit)}"
        table.add_row(figure.name, shown(figure.value, unit), between, str(figure.questions), figure.measure.label)
    return table


def _compared(report: Report) -> Table:
    assert report.theirs
    names = (escape(report.ours.run.name), escape(report.theirs.run.name))
    table = Table("figure", *names, "difference", "95 %", "n", "", box=None)
    theirs = {figure.name: figure for figure in report.theirs.figures}
    paired = {difference.name: difference for difference in report.differences}
    for figure in report.ours.figures:
        table.add_row(*_row(figure, theirs, paired.get(figure.name)))
    ours = {figure.name for figure in report.ours.figures}
    for name, figure in theirs.items():
        if name not in ours:
            table.add_row(name, "", shown(figure.value, figure.measure.unit), "", "", "", "")
    return table


def _row(figure: Figure, theirs: Mapping[str, Figure], difference: Difference | None) -> tuple[str, ...]:
    unit = figure.measure.unit
    if not difference:
        other = theirs.get(figure.name)
        return (figure.name, shown(figure.value, unit), shown(other.value, unit) if other else "", "", "", "", "")
    low, high = difference.interval.low, difference.interval.high
    colour = COLOURS[difference.mark]
    return (
        figure.name,
        shown(difference.ours, unit),
        shown(difference.theirs, unit),
        shown(difference.value, unit, signed=True),
        f"{shown(low, unit, signed=True)} to {shown(high, unit, signed=True)}",
        str(difference.pairs),
        f"[{colour}]{difference.mark}[/{colour}]",
    )


def _grounding(measured: Measured) -> str:
    counts = measured.counts
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(counts.grounding.items())) or "none"
    exact = f"{counts.exact} of {counts.citations - counts.unchecked} quotes equal the document's characters"
    return f"{measured.run.name}: {counts.citations} citations ({verdicts}); {exact}"


def _print_failed(report: Report, out: Console) -> None:
    failed = [(outcome, why) for outcome in report.ours.run.outcomes if (why := went_wrong(outcome))]
    if not failed:
        return
    out.print(f"{len(failed)} questions did not go as they were to:", markup=False)
    for outcome, why in failed[:FAILED_SHOWN]:
        out.print(f"  {outcome.question.text[:100]}: {'; '.join(why)}", markup=False)
    if len(failed) > FAILED_SHOWN:
        out.print(f"  … and {len(failed) - FAILED_SHOWN} more; --html and --json have all", markup=False)
