"""The commands. Each talks to the server that owns the home, or starts the same service for its own time."""

import sys

import typer

from rag_api.client import ServerError
from rag_api.commands.ask import ask
from rag_api.commands.collections import collections
from rag_api.commands.demo import demo
from rag_api.commands.doctor import doctor
from rag_api.commands.documents import documents
from rag_api.commands.eval import evaluate
from rag_api.commands.ingest import ingest
from rag_api.commands.keys import keys
from rag_api.commands.mcp import mcp
from rag_api.commands.prompts import prompts
from rag_api.commands.search import search
from rag_api.commands.serve import serve
from rag_api.commands.upkeep import purge, reindex
from rag_api.errors import RagError
from rag_api.terminal import err

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
app.command()(serve)
app.command()(ingest)
app.command()(ask)
app.command()(search)
app.command()(documents)
app.add_typer(collections, name="collections")
app.add_typer(keys, name="keys")
app.command("eval")(evaluate)
app.add_typer(prompts, name="prompts")
app.command()(reindex)
app.command()(purge)
app.command()(mcp)
app.command()(demo)
app.command()(doctor)


def main() -> None:
    """Exit status 0: done, 1: failed, 2: wrong use."""
    try:
        app()
    except (RagError, ServerError) as error:
        err.print("[red]error:[/red] ", end="")
        err.print(str(error), markup=False)
        sys.exit(1)
