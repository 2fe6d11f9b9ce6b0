"""The commands. Each talks to the server that owns the home, or starts the same service for its own time."""

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rag_api import telemetry
from rag_api.attach import server, tell_when_ready
from rag_api.client import Client, ServerError
from rag_api.doctor import examine
from rag_api.errors import RagError
from rag_api.settings import Settings, load_settings
from rag_api.supervise import running
from rag_api.terminal import err, out, place, print_json, print_sources, progress_bars, say

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
FILES_A_REQUEST = 20


class Mode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


class Status(StrEnum):
    QUEUED = "queued"
    READY = "ready"
    FAILED = "failed"


CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="The collection's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines for programs.")]


def main() -> None:
    """Exit status 0: done, 1: failed, 2: wrong use."""
    try:
        app()
    except (RagError, ServerError) as error:
        err.print("[red]error:[/red] ", end="")
        err.print(str(error), markup=False)
        sys.exit(1)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "",
    port: Annotated[int | None, typer.Option(help="Port to serve on.", min=0, max=65535)] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Folder to ingest on the first start.", exists=True, file_okay=False)
    ] = None,
) -> None:
    """Serve the HTTP interface until stopped."""
    settings = load_settings()
    changes: dict[str, Any] = ({"host": host} if host else {}) | ({} if port is None else {"port": port})
    asyncio.run(_serve(settings.model_copy(update=changes), samples))


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, and folders with all that is in them.")],
    collection: CollectionOption = "default",
    as_json: JsonOption = False,
) -> None:
    """Put documents into a collection, and wait until they can be found."""
    files = list(_files(paths))
    if not files:
        raise typer.BadParameter(f"there are no files in {', '.join(map(str, paths))}")
    with server(load_settings()) as client:
        rows = _upload(client, collection, files)
        failed = _follow(client, rows, as_json=as_json)
    if failed:
        sys.exit(1)


@app.command()
def ask(
    question: str,
    collection: CollectionOption = "default",
    top_k: Annotated[int | None, typer.Option(help="How many passages to answer from.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a question; the answer streams, its sources follow."""
    with server(load_settings()) as client:
        options = {} if top_k is None else {"top_k": top_k}
        passages: dict[int, dict[str, Any]] = {}
        cited: dict[int, dict[str, Any]] = {}
        for event in client.ask(question, collection=collection, **options):
            if as_json:
                print_json({"event": event.name, "data": event.data})
                continue
            match event.name:
                case "retrieved":
                    passages = {passage["n"]: passage for passage in event.data["passages"]}
                case "text":
                    out.print(event.data["text"], end="", markup=False)
                    out.file.flush()
                case "citation":
                    cited.setdefault(event.data["n"], event.data)
                case "failed":
                    out.print()
                    raise ServerError(event.data["error"]["message"], code=event.data["error"]["code"], status=0)
        if not as_json:
            out.print()
            print_sources(cited, passages)


@app.command()
def search(
    query: str,
    collection: CollectionOption = "default",
    top_k: Annotated[int, typer.Option(help="How many hits.")] = 10,
    mode: Annotated[Mode, typer.Option(help="Which index to ask.")] = Mode.HYBRID,
    as_json: JsonOption = False,
) -> None:
    """Show what is found for a query."""
    with server(load_settings()) as client:
        found = client.search(collection, query, top_k=top_k, mode=mode)
    if as_json:
        print_json(found)
        return
    table = Table("#", "score", "source", "where", "text", box=None)
    for hit in found["hits"]:
        text = " ".join(hit["text"].split())
        table.add_row(str(hit["rank"]), f"{hit['score']:.3f}", hit["source"], place(hit), text[:160])
    out.print(table)
    if found["degraded"]:
        err.print(f"degraded: {', '.join(found['degraded'])} could not be asked")


@app.command()
def documents(
    collection: CollectionOption = "default",
    status: Annotated[Status | None, typer.Option(help="Only those in this state.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List a collection's documents."""
    with server(load_settings()) as client:
        rows = client.documents(collection, status=status)
        if as_json:
            for row in rows:
                print_json(row)
            return
        table = Table("document", "source", "status", "version", "chunks", "bytes", "why", box=None)
        for row in rows:
            why = row["error"]["message"] if row["error"] else ""
            counts = (str(row["version"]), str(row["chunks"]), str(row["bytes"]))
            table.add_row(row["document_id"], row["source"], row["status"], *counts, why)
        out.print(table)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Check this installation, the home and the server, and say what to do."""
    findings = examine(load_settings())
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


async def _serve(settings: Settings, samples: Path | None) -> None:
    telemetry.configure_logging(process="supervisor", level=settings.log_level, as_json=settings.log_json)
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    key, quitting = settings.admin_key.get_secret_value(), threading.Event()
    async with running(settings, samples=samples) as service:
        err.print(f"starting at {service.url}; the first answer needs the embedder, which takes some seconds to load")
        telling = asyncio.create_task(asyncio.to_thread(tell_when_ready, service.url, key, quitting))
        await stopped.wait()
        err.print("stopping")
        quitting.set()
        await telling


def _files(paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """(source, path) of each file; inside a folder the source is the path from that folder on."""
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.is_file())
            yield from (
                (str(file.relative_to(path)), file)
                for file in inside
                if not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
        elif path.is_file():
            yield path.name, path
        else:
            raise typer.BadParameter(f"there is no file or folder {path}")


def _upload(client: Client, collection: str, files: list[tuple[str, Path]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for at in range(0, len(files), FILES_A_REQUEST):
        rows += client.upload(collection, files[at : at + FILES_A_REQUEST])
    return rows


def _follow(client: Client, rows: list[dict[str, Any]], *, as_json: bool) -> int:
    """Waits for the jobs; how many files did not make it."""
    waiting = {row["job_id"]: row["filename"] for row in rows if row["job_id"]}
    failed = 0
    for row in rows:
        if not row["job_id"]:
            failed += row["status"] == "rejected"
            say(row["filename"], row["status"], row.get("error"), as_json=as_json)
    with progress_bars(enabled=not as_json and err.is_terminal) as progress:
        files_bar = progress.add_task("files", total=len(waiting))
        chunks_bar = progress.add_task("chunks", total=None)
        counts: dict[str, tuple[int, int]] = {}
        while waiting:
            for job_id, name in list(waiting.items()):
                job = client.job(job_id)
                counts[job_id] = (job["chunks_done"], job["chunks_total"])
                if job["state"] in ("done", "failed", "cancelled"):
                    del waiting[job_id]
                    progress.advance(files_bar)
                    failed += job["state"] != "done"
                    say(name, job["state"], job["error"], as_json=as_json, job=job)
            done, total = (sum(column) for column in zip(*counts.values(), strict=True))
            progress.update(chunks_bar, completed=done, total=total or None)
            time.sleep(0.2 if waiting else 0)
    return failed
