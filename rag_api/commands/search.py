from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.markup import escape
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
    *,
    collection: CollectionOption = "default",
    top_k: Annotated[int, typer.Option(help="How many hits.")] = 10,
    mode: Annotated[Mode, typer.Option(help="Which index to ask.")] = Mode.HYBRID,
    explain: Annotated[bool, typer.Option("--explain", help="Tell of every candidate why it is shown or not.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what is found for a query."""
    with server(load_settings()) as client:
        found = client.search(collection, query, top_k=top_k, mode=mode, **({"explain": True} if explain else {}))
    if as_json:
        print_json(found)
        return
    table = Table("#", "score", "source", "where", "text", box=None)
    for hit in found["hits"]:
        text = " ".join(hit["text"].split())
        cells = (hit["source"], place(hit), text[:160])
        table.add_row(str(hit["rank"]), f"{hit['score']:.3f}", *map(escape, cells))
    out.print(table)
    if explain:
        out.print(_explained(found["explain"]))
        timings = found["explain"]["timings_ms"]
        out.print(", ".join(f"{stage} {spent:.1f} ms" for stage, spent in timings.items()))
    if found["degraded"]:
        err.print(f"degraded: {', '.join(found['degraded'])} could not be asked")


def _explained(told: dict[str, Any]) -> Table:
    stages = ("dense", "lexical", "fused", "rerank")
    table = Table("candidate", *stages, "fate", box=None)
    for one in told["candidates"]:
        places = [
            "" if one["ranks"][stage] is None else f"{one['scores'][stage]:.3f} (#{one['ranks'][stage]})"
            for stage in stages
        ]
        table.add_row(one["chunk_id"], *places, one["fate"].replace("_", " "))
    return table
