import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from rag_api.attach import server
from rag_api.client import Client
from rag_api.commands.options import CollectionOption, JsonOption
from rag_api.settings import load_settings
from rag_api.terminal import err, progress_bars, say

FILES_A_REQUEST = 20


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
