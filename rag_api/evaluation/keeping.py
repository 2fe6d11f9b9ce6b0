"""What is kept of a report in the home: its figures, and apart from them what also shows texts."""

import json
from typing import Any

from rag_api.backends.reports import ReportFiles
from rag_api.evaluation.outcomes import Run
from rag_api.evaluation.page import page
from rag_api.evaluation.report import Measured, Report


def keep(report: Report, files: ReportFiles) -> str:
    """The name it is kept by."""
    whole = json.dumps(report.as_json(), ensure_ascii=False)
    return files.keep(figures_of(report), {"report.json": whole, "report.html": page(report)})


def figures_of(report: Report) -> dict[str, Any]:
    raw = report.as_json()
    runs = [report.ours.run, *([report.theirs.run] if report.theirs else [])]
    shown = {document_id for run in runs for document_id in shown_in(run)}
    return _measured(report.ours) | {
        **{name: raw[name] for name in ("origin", "seed", "notes", "differences", "gate")},
        "against": _measured(report.theirs) if report.theirs else None,
        "documents": sorted(shown & report.documents),  # with one of them, the texts go
    }


def shown_in(run: Run) -> set[str]:
    """The documents whose texts a run shows."""
    hits = {hit.document_id for outcome in run.outcomes for hit in outcome.hits}
    said = [outcome.answer for outcome in run.outcomes if outcome.answer]
    return hits | {cited.document_id for answer in said for cited in answer.citations}


def _measured(one: Measured) -> dict[str, Any]:
    run = {name: value for name, value in one.run.as_json().items() if name != "outcomes"}
    return run | {"figures": [figure.as_json() for figure in one.figures], "counts": one.counts.as_json()}
