from enum import StrEnum
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from rag_api.attach import server
from rag_api.commands.options import CollectionOption, JsonOption
from rag_api.settings import load_settings
from rag_api.terminal import out, print_json


class Status(StrEnum):
    QUEUED = "queued"
    READY = "ready"
    FAILED = "failed"


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
            table.add_row(row["document_id"], escape(row["source"]), row["status"], *counts, escape(why))
        out.print(table)
