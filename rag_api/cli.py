"""The commands. Each talks to the server that owns the home, or starts the same service for its own time."""

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

import typer

from rag_api.client import ServerError
from rag_api.errors import RagError
from rag_api.terminal import err

COMMANDS = {
    "serve": "serve:serve",
    "ingest": "ingest:ingest",
    "ask": "ask:ask",
    "search": "search:search",
    "documents": "documents:documents",
    "collections": "collections:collections",
    "keys": "keys:keys",
    "eval": "eval:evaluate",
    "prompts": "prompts:prompts",
    "reindex": "upkeep:reindex",
    "purge": "upkeep:purge",
    "mcp": "mcp:mcp",
    "demo": "demo:demo",
    "doctor": "doctor:doctor",
}


def main() -> None:
    """Exit status 0: done, 1: failed, 2: wrong use."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        _app({wanted} if wanted in COMMANDS else COMMANDS)()
    except (RagError, ServerError) as error:
        err.print("[red]error:[/red] ", end="")
        err.print(str(error), markup=False)
        sys.exit(1)


def _app(names: Collection[str]) -> typer.Typer:
    """With these commands; those that are not wanted need not be imported."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
    app.callback()(_whole)
    for name in names:
        file, _, function = COMMANDS[name].partition(":")
        command: Callable[..., Any] | typer.Typer = getattr(import_module(f"rag_api.commands.{file}"), function)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _whole() -> None:
    """A command is always named, also where it is the only one that was imported."""
