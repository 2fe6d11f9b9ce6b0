import json
import sys
from collections import Counter
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from rag_api.attach import server
from rag_api.client import Client
from rag_api.commands.options import JsonOption
from rag_api.settings import load_settings
from rag_api.terminal import out, print_json

collections = typer.Typer(no_args_is_help=True, help="List, create, show and delete collections.")
Name = Annotated[str, typer.Argument(help="The collection's name.")]
Description = Annotated[str, typer.Option(help="What is in it, for people.")]
Embedder = Annotated[str | None, typer.Option(help="A model; unset: that of the settings.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")]


@collections.command("list")
def list_collections(as_json: JsonOption = False) -> None:
    """List the collections."""
    with server(load_settings()) as client:
        rows = list(client.collections())
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table("collection", "embedder", "created", "description", box=None)
    for row in rows:
        table.add_row(*(_plain(row[name]) for name in ("name", "embedder", "created_at", "description")))
    out.print(table)


@collections.command()
def create(name: Name, description: Description = "", embedder: Embedder = None, as_json: JsonOption = False) -> None:
    """Create a collection."""
    with server(load_settings()) as client:
        row = client.create_collection(name, description, embedder=embedder)
    if as_json:
        print_json(row)
    else:
        out.print(f"created {row['name']}", markup=False)


@collections.command()
def show(name: Name, as_json: JsonOption = False) -> None:
    """Show a collection, and how many documents it has in which state."""
    with server(load_settings()) as client:
        row = {**client.collection(name), "documents": _documents(client, name)}
    if as_json:
        print_json(row)
        return
    table = Table(box=None, show_header=False)
    for field, value in row.items():
        table.add_row(field, _plain(value))
    out.print(table)


@collections.command()
def delete(name: Name, yes: Yes = False, as_json: JsonOption = False) -> None:
    """Delete a collection with all its documents; it can't be undone."""
    with server(load_settings()) as client:
        client.collection(name)
        if not yes:
            _confirm(client, name)
        receipt = client.delete_collection(name)
    if as_json:
        print_json(receipt)
    else:
        out.print(f"deleted {receipt['name']}", markup=False)


def _confirm(client: Client, name: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"deleting {name!r} wants a yes, and there is no terminal to ask at; say --yes")
    documents = sum(_documents(client, name).values())
    typer.confirm(f"Delete the collection {name!r} with its {documents:,} documents?", abort=True, err=True)


def _documents(client: Client, name: str) -> dict[str, int]:
    """How many there are in each state."""
    return dict(Counter(row["status"] for row in client.documents(name)))


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items())
    return "" if value is None else escape(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
