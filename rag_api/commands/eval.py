import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from rag_api.attach import server
from rag_api.commands.options import CollectionOption
from rag_api.evaluation.gate import UncheckableGate
from rag_api.evaluation.keeping import keep
from rag_api.evaluation.measuring import Drawn, NothingToMeasure, measure
from rag_api.evaluation.page import page
from rag_api.evaluation.planning import STDOUT, Wanted, make_plan
from rag_api.evaluation.report import Report
from rag_api.evaluation.table import print_report
from rag_api.settings import Settings, load_settings
from rag_api.terminal import err, out, progress_bars
from rag_api.wiring_reports import report_files

LINES = 10  # of progress where there is no terminal

Questions = Annotated[
    Path | None,
    typer.Argument(help="JSONL or CSV, as docs/evaluation.md says; without it, questions are drawn from the text."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="How to ask, such as mode=dense or top_k=20. Repeatable."),
]
Against = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE|FILE", help="Compare with other settings, or an earlier report. Repeatable."),
]
Base = Annotated[str, typer.Option(metavar="URL", help="Ask this server instead of the home's.")]
AgainstBase = Annotated[str, typer.Option(metavar="URL", help="Compare with this server.")]
Answers = Annotated[bool, typer.Option("--answers", help="Ask for answers, too.")]
Draw = Annotated[int, typer.Option(help="Questions to draw when none are given.", min=1, max=10_000)]
Seed = Annotated[int, typer.Option(help="Of drawing and of resampling.", min=0)]
Save = Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the questions that were drawn, as JSONL.")]
Concurrency = Annotated[int, typer.Option(help="Questions that are asked at a time.", min=1, max=64)]
JsonFile = Annotated[str, typer.Option("--json", metavar="FILE|-", help="The report for programs; -: on stdout.")]
HtmlFile = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="The report as one page with plots.")]
Gate = Annotated[
    str,
    typer.Option(metavar="BOUNDS|FILE", help='Fail below bounds ("ndcg@10>=.9,recall@5>=.95") or an earlier report.'),
]
Tolerance = Annotated[
    float | None, typer.Option(help="With an earlier report: the loss to bear, as .02; unset: the interval.", min=0)
]


def evaluate(  # noqa: PLR0917 - the command line's own
    questions: Questions = None,
    collection: CollectionOption = "default",
    settings: Set = None,
    against: Against = None,
    base: Base = "",
    against_base: AgainstBase = "",
    answers: Answers = False,
    draw: Draw = 100,
    seed: Seed = 0,
    save_questions: Save = None,
    concurrency: Concurrency = 4,
    json_file: JsonFile = "",
    html_file: HtmlFile = None,
    gate: Gate = "",
    tolerance: Tolerance = None,
) -> None:
    """Measure how well questions are answered, and compare."""
    wanted = Wanted(
        questions=questions,
        collection=collection,
        settings=settings or [],
        against=against or [],
        base=base,
        against_base=against_base,
        with_answers=answers,
        draw=draw,
        seed=seed,
        concurrency=concurrency,
        gate=gate,
        tolerance=tolerance,
    )
    for file in (save_questions, html_file, Path(json_file)):
        if file and ((file.is_dir() and file != Path()) or not file.absolute().parent.is_dir()):
            raise typer.BadParameter(f"{file} can't be written: it is a folder, or its folder is not there")
    loaded = load_settings()
    report, drawn = _measured(wanted, loaded)
    if save_questions:
        lines = [json.dumps(question.as_json(), ensure_ascii=False) for question in drawn.questions]
        save_questions.write_text("\n".join(lines) + "\n", "utf-8")
    _write(report, json_file, html_file)
    _keep(report, loaded)
    _exit(report, says=json_file == STDOUT)


def _measured(wanted: Wanted, loaded: Settings) -> tuple[Report, Drawn]:
    try:
        plan = make_plan(wanted)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from error
    try:
        with _progress() as tell:
            return measure(plan, wanted, loaded, home=lambda: server(loaded), tell=tell)
    except UncheckableGate as error:
        raise typer.BadParameter(str(error)) from error
    except NothingToMeasure as error:
        err.print(f"error: {error}", markup=False)
        sys.exit(1)


def _write(report: Report, json_file: str, html_file: Path | None) -> None:
    if html_file:
        html_file.write_text(page(report), "utf-8")
    text = json.dumps(report.as_json(), ensure_ascii=False) if json_file else ""
    if json_file == STDOUT:
        out.out(text, highlight=False)
        return
    if json_file:
        Path(json_file).write_text(text + "\n", "utf-8")
    print_report(report, out)


def _keep(report: Report, loaded: Settings) -> None:
    """In the home, where there is one."""
    if not loaded.home.is_dir():
        return
    try:
        err.print(f"kept as {keep(report, report_files(loaded))}; the admin page shows it", markup=False)
    except OSError as error:
        err.print(f"not kept in {loaded.home}: {error.strerror or error}", markup=False)


def _exit(report: Report, *, says: bool) -> None:
    """`says`: the table, which has the same, was not printed."""
    for finding in report.fallen if says else ():
        err.print(f"FAIL {finding.said}", markup=False)
    if report.failures:
        err.print(f"{report.failures} requests failed and are in no figure", markup=False)
    if report.failures or report.fallen:
        sys.exit(1)


@contextmanager
def _progress() -> Iterator[Any]:
    """Bars on a terminal, elsewhere a line now and then."""
    bars: Progress = progress_bars(enabled=err.is_terminal)
    tasks: dict[str, TaskID] = {}
    said: dict[str, int] = {}

    def tell(what: str, done: int, total: int) -> None:
        if err.is_terminal:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)
        elif done == total or done * LINES // total > said.get(what, 0):
            said[what] = done * LINES // total
            err.print(f"{what} {done} of {total} questions", markup=False)

    with bars:
        yield tell
