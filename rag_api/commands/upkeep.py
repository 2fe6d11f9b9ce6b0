"""Commands that have the worker put the indexes in order."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from rag_api.attach import server
from rag_api.client import Client
from rag_api.client_values import Job
from rag_api.commands.options import JsonOption
from rag_api.home import is_owned
from rag_api.settings import load_settings
from rag_api.terminal import err, out, print_json, progress_bars

PIECE_BYTES = 1024**2
FINAL_STATES = ("done", "failed", "cancelled")
POLL_S = 0.3
WaitOption = Annotated[bool, typer.Option("--wait", help="Until it has ended; without a server it always waits.")]


def reindex(
    collection: Annotated[str, typer.Argument(help="The collection's name.")] = "default",
    embedder: Annotated[str | None, typer.Option(help="A model; unset: that of the settings.")] = None,
    back: Annotated[bool, typer.Option("--back", help="Return to the previous index instead.")] = False,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build a collection's index anew beside the one that answers, then switch to it."""
    if embedder and back:
        raise typer.BadParameter("--back returns to the previous index and its embedder: leave --embedder out")
    settings = load_settings()
    waits = wait or not is_owned(settings.home)
    with server(settings) as client:
        job = client.reindex(collection, embedder=embedder, back=back)
        _see_through(client, job, f"reindex {collection}", waits=waits, as_json=as_json)


def purge(
    wait: WaitOption = False,
    prove: Annotated[
        str, typer.Option(metavar="PHRASE", help="Afterwards, look for this phrase in every byte of the home.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Take everything that was deleted out of all files; search is lexical while vectors are written anew."""
    settings = load_settings()
    waits = wait or bool(prove) or not is_owned(settings.home)
    with server(settings) as client:
        _see_through(client, client.purge(), "purge", waits=waits, as_json=as_json)
    if prove:
        found = [str(file.relative_to(settings.home)) for file in _files_with(settings.home, prove.encode())]
        for name in found:
            err.print(f"{name} holds the phrase", markup=False)
        if found:
            sys.exit(1)
        out.print("no file of the home holds the phrase")


def _see_through(client: Client, job: Job, what: str, *, waits: bool, as_json: bool) -> None:
    with progress_bars(enabled=waits and not as_json and err.is_terminal) as progress:
        bar = progress.add_task(what, total=None)
        while waits and job["state"] not in FINAL_STATES:
            time.sleep(POLL_S)
            job = client.job(job["job_id"])
            progress.update(bar, completed=job["documents_done"], total=job["documents_total"] or None)
    if as_json:
        print_json(job)
    else:
        why = f": {job['error']['message']}" if job["error"] else ""
        out.print(f"{what}: {job['state']}{why} (job {job['job_id']})", markup=False)
    if job["state"] in ("failed", "cancelled"):
        sys.exit(1)


def _files_with(home: Path, phrase: bytes) -> list[Path]:
    return [file for file in sorted(home.rglob("*")) if file.is_file() and _holds(file, phrase)]


def _holds(file: Path, phrase: bytes) -> bool:
    """Also where two reads meet."""
    tail = b""
    with file.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            if phrase in tail + piece:
                return True
            tail = piece[-len(phrase) :]
    return False
