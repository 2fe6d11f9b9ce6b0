from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from rag_api.attach import server
from rag_api.commands.options import CollectionOption, JsonOption
from rag_api.settings import load_settings
from rag_api.terminal import err, out, place, print_json


class Mode(StrEnum):
    HYBRID = "hybrid"
    DENSE = "dense"
    LEXICAL = "lexical"


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
