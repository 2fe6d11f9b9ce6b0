"""What the commands print: for people on a terminal, as plain lines elsewhere, as JSON lines for programs."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from rag_api.client_values import Job, Problem

PIPE_WIDTH = 200
out = Console(highlight=False, emoji=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(highlight=False, emoji=False, soft_wrap=True, stderr=True)


def progress_bars(*, enabled: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, disable=not enabled)


def print_json(value: Any) -> None:
    out.print(json.dumps(value, ensure_ascii=False), markup=False)


def say(name: str, state: str, error: Problem | None, *, as_json: bool, job: Job | None = None) -> None:
    if as_json:
        line = {"file": name, "state": state, "error": error, "job": job}
        print_json(line)
        return
    detail = f": {error['message']}" if error else f", {job['chunks_done']} chunks" if job else ""
    out.print(f"{name} {state}{detail}", markup=False)
    for failure in (job["failures"] if job else [])[:20]:
        out.print(f"  {failure['source']}: {failure['error']['message']}", markup=False)


def print_sources(cited: dict[int, dict[str, Any]], passages: dict[int, dict[str, Any]]) -> None:
    for n, citation in sorted(cited.items()):
        passage = passages[n]
        where = f"[bold]{escape(passage['source'])}[/bold] {escape(place(passage))}"
        out.print(f"\n\\[{n}] {where}  ({citation['verdict']})")
        out.print(f"    “{' '.join(citation['quote'].split())}”", markup=False)


def place(found: Mapping[str, Any]) -> str:
    page = f"p. {found['page']}" if found["page"] else ""
    return ", ".join(part for part in (page, found["section"]) if part)
