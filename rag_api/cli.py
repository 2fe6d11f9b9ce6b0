"""The commands. Each talks to the server that owns the home, or starts the same service for its own time."""

import asyncio
import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rag_api import telemetry
from rag_api.client import Client, ServerError
from rag_api.errors import RagError
from rag_api.home import is_owned, serving
from rag_api.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
PIPE_WIDTH = 200
out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(highlight=False, soft_wrap=True, stderr=True)
READY_S = 180.0
FILES_A_REQUEST = 20

CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="The collection's name.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines for programs.")]


def main() -> None:
    """Exit status 0: done, 1: failed, 2: wrong use."""
    try:
        app()
    except (RagError, ServerError) as error:
        err.print(f"[red]error:[/red] {error}", markup=True)
        sys.exit(1)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to serve on.")] = "",
    port: Annotated[int | None, typer.Option(help="Port to serve on.")] = None,
    samples: Annotated[Path | None, typer.Option(help="Folder to ingest on the first start.")] = None,
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
    with _server(load_settings()) as client:
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
    with _server(load_settings()) as client:
        options = {} if top_k is None else {"top_k": top_k}
        passages: dict[int, dict[str, Any]] = {}
        cited: dict[int, dict[str, Any]] = {}
        for event in client.ask(question, collection=collection, **options):
            if as_json:
                out.print(json.dumps({"event": event.name, "data": event.data}, ensure_ascii=False), markup=False)
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
            _print_sources(cited, passages)


@app.command()
def search(
    query: str,
    collection: CollectionOption = "default",
    top_k: Annotated[int, typer.Option(help="How many hits.")] = 10,
    mode: Annotated[str, typer.Option(help="hybrid, dense or lexical.")] = "hybrid",
    as_json: JsonOption = False,
) -> None:
    """Show what is found for a query."""
    with _server(load_settings()) as client:
        found = client.search(collection, query, top_k=top_k, mode=mode)
    if as_json:
        out.print(json.dumps(found, ensure_ascii=False), markup=False)
        return
    table = Table("#", "score", "source", "where", "text", box=None)
    for hit in found["hits"]:
        text = " ".join(hit["text"].split())
        table.add_row(str(hit["rank"]), f"{hit['score']:.3f}", hit["source"], _place(hit), text[:160])
    out.print(table)
    if found["degraded"]:
        err.print(f"degraded: {', '.join(found['degraded'])} could not be asked")


@app.command()
def documents(
    collection: CollectionOption = "default",
    status: Annotated[str | None, typer.Option(help="queued, ready or failed.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List a collection's documents."""
    with _server(load_settings()) as client:
        rows = client.documents(collection, status=status)
        if as_json:
            for row in rows:
                out.print(json.dumps(row, ensure_ascii=False), markup=False)
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
    from rag_api.doctor import examine

    findings = examine(load_settings())
    for finding in findings:
        if as_json:
            line = {"check": finding.check, "ok": finding.is_ok, "said": finding.said}
            out.print(json.dumps(line, ensure_ascii=False), markup=False)
        else:
            mark = "[green]ok  [/green]" if finding.is_ok else "[red]FAIL[/red]"
            out.print(f"{mark} {finding.check}: ", end="")
            out.print(finding.said, markup=False)
    if not all(finding.is_ok for finding in findings):
        sys.exit(1)


async def _serve(settings: Settings, samples: Path | None) -> None:
    from rag_api.supervise import running

    telemetry.configure_logging(process="supervisor", level=settings.log_level, as_json=settings.log_json)
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    began = time.monotonic()
    async with running(settings, samples=samples) as service:
        err.print(f"starting at {service.url}; the first answer needs the embedder, which takes some seconds to load")
        told = asyncio.create_task(_tell_when_ready(service.url, began))
        await stopped.wait()
        told.cancel()
        err.print("stopping")


async def _tell_when_ready(url: str, began: float) -> None:
    with Client(url) as client:
        while True:
            with contextlib.suppress(ServerError):
                if (await asyncio.to_thread(client.readiness))["status"] == "ready":
                    break
            await asyncio.sleep(0.1)
    err.print(f"ready after {time.monotonic() - began:.1f} s: {url} (interactive docs at {url}/docs)")


@contextmanager
def _server(settings: Settings) -> Iterator[Client]:
    """A client of the server that owns the home, else of one that lives as long as the block."""
    key = settings.admin_key.get_secret_value()
    if is_owned(settings.home):
        owner = serving(settings.home)
        if owner and owner.url:
            with Client(owner.url, key=key) as client:
                yield client
            return
    telemetry.configure_logging(process="command", level="warning", as_json=False)
    quiet = settings.model_copy(update={"log_level": "warning"})
    with _own_server(quiet) as url, Client(url, key=key, timeout_s=120) as client:
        _await_ready(client)
        yield client


@contextmanager
def _own_server(settings: Settings) -> Iterator[str]:
    """The service in a thread's event loop; the command itself is plain blocking code."""
    from rag_api.supervise import running

    started, finished = threading.Event(), threading.Event()
    state: dict[str, Any] = {}

    async def live() -> None:
        async with running(settings, serves=False) as service:
            state["url"] = service.url
            started.set()
            await asyncio.to_thread(finished.wait)

    def run() -> None:
        try:
            asyncio.run(live())
        except BaseException as error:  # noqa: BLE001 - raised again where the command waits
            state["error"] = error
        started.set()

    thread = threading.Thread(target=run, name="service")
    thread.start()
    try:
        started.wait()
        if "error" in state:
            raise state["error"]
        yield state["url"]
    finally:
        finished.set()
        thread.join()


def _await_ready(client: Client) -> None:
    deadline = time.monotonic() + READY_S
    said = "nothing yet"
    while time.monotonic() < deadline:
        with contextlib.suppress(ServerError):
            found = client.readiness()
            if found["status"] == "ready":
                return
            said = "; ".join(f"{name}: {state}" for name, state in found["checks"].items() if state != "ok")
        time.sleep(0.1)
    raise ServerError(f"the service did not get ready within {READY_S:.0f} s: {said}", code="not_ready", status=0)


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
            _say(row["filename"], row["status"], row.get("error"), as_json=as_json)
    with _progress(enabled=not as_json and err.is_terminal) as progress:
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
                    _say(name, job["state"], job["error"], as_json=as_json, job=job)
            done, total = (sum(column) for column in zip(*counts.values(), strict=True))
            progress.update(chunks_bar, completed=done, total=total or None)
            time.sleep(0.2 if waiting else 0)
    return failed


def _progress(*, enabled: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=err, disable=not enabled)


def _say(
    name: str, state: str, error: dict[str, Any] | None, *, as_json: bool, job: dict[str, Any] | None = None
) -> None:
    if as_json:
        line = {"file": name, "state": state, "error": error, "job": job}
        out.print(json.dumps(line, ensure_ascii=False), markup=False)
        return
    detail = f": {error['message']}" if error else f", {job['chunks_done']} chunks" if job else ""
    out.print(f"{name} {state}{detail}", markup=False)
    for failure in (job or {}).get("failures", ())[:20]:
        out.print(f"  {failure['source']}: {failure['error']['message']}", markup=False)


def _print_sources(cited: dict[int, dict[str, Any]], passages: dict[int, dict[str, Any]]) -> None:
    for n, citation in sorted(cited.items()):
        passage = passages[n]
        out.print(f"\n\\[{n}] [bold]{passage['source']}[/bold] {_place(passage)}  ({citation['verdict']})")
        out.print(f"    “{' '.join(citation['quote'].split())}”", markup=False)


def _place(found: dict[str, Any]) -> str:
    page = f"p. {found['page']}" if found["page"] else ""
    return ", ".join(part for part in (page, found["section"]) if part)
