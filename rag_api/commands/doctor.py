import sys
from typing import Annotated

import typer

from rag_api.commands.options import JsonOption
from rag_api.doctor import examine, examine_server
from rag_api.settings import load_settings
from rag_api.terminal import out, print_json


def doctor(
    url: Annotated[str, typer.Option(help="Check that server, and the way there, instead of this machine.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Check this installation, the home and the server, and say what to do."""
    settings = load_settings()
    findings = examine_server(settings, url.rstrip("/")) if url else examine(settings)
    for finding in findings:
        if as_json:
            line = {"check": finding.check, "ok": finding.is_ok, "said": finding.said}
            print_json(line)
        else:
            mark = "[green]ok  [/green]" if finding.is_ok else "[red]FAIL[/red]"
            out.print(f"{mark} {finding.check}: ", end="")
            out.print(finding.said, markup=False)
    if not all(finding.is_ok for finding in findings):
        sys.exit(1)
