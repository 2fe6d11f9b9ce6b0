from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rag_api.attach import server
from rag_api.commands.options import CollectionOption, JsonOption
from rag_api.core.hits import IndexedChunk, Passage
from rag_api.core.packing import fitting
from rag_api.core.prompts import TEMPLATES, Message
from rag_api.settings import load_settings
from rag_api.terminal import out, print_json
from rag_api.wiring import load_prompts, read_templates

prompts = typer.Typer(no_args_is_help=True, help="List, show, check and render the prompt templates.")
Instructions = Annotated[str | None, typer.Option(help="What a request adds to the system prompt.")]


@prompts.command("list")
def list_prompts(as_json: JsonOption = False) -> None:
    """The templates, each with its version and variables; an answer tells the version of all together."""
    loaded = load_prompts(load_settings())
    rows = [
        {"template": name, "version": loaded.versions[name], "variables": sorted(variables)}
        for name, variables in TEMPLATES.items()
    ]
    if as_json:
        for row in [*rows, {"template": None, "version": loaded.version, "variables": []}]:
            print_json(row)
        return
    table = Table("template", "version", "variables", box=None)
    for row in rows:
        table.add_row(str(row["template"]), str(row["version"]), ", ".join(row["variables"]))
    table.add_row("all together", loaded.version, "")
    out.print(table)


@prompts.command()
def show(template: Annotated[str, typer.Argument(help="Its name, such as answer.system.md.")]) -> None:
    """Print a template as it is."""
    templates = read_templates(load_settings())
    if template not in templates:
        raise typer.BadParameter(f"there is no template {template!r}; there are {', '.join(TEMPLATES)}")
    out.print(templates[template], markup=False, end="", soft_wrap=True)


@prompts.command()
def check(folder: Annotated[Path | None, typer.Argument(help="Unset: the folder in use.")] = None) -> None:
    """Whether each template is there, can be read, and uses exactly its variables."""
    settings = load_settings()
    loaded = load_prompts(settings.model_copy(update={"prompts_dir": folder}) if folder else settings)
    out.print(f"{len(loaded.versions)} templates, version {loaded.version}: all as they must be", markup=False)


@prompts.command()
def render(
    question: str,
    collection: CollectionOption = "default",
    instructions: Instructions = None,
    as_json: JsonOption = False,
) -> None:
    """What a language model would get for a question, with the passages that are found for it now."""
    settings = load_settings()
    with server(settings) as client:
        hits = client.search(collection, question, top_k=settings.answers.passages)["hits"]
    passages = fitting([_passage(hit) for hit in hits], budget_chars=settings.answers.budget_chars)
    prompt = load_prompts(settings).answer(question, passages, instructions=instructions)
    for message in prompt.messages:
        if as_json:
            print_json({"role": message.role, "content": message.text})
        else:
            _print(message)


def _print(message: Message) -> None:
    out.print(f"[bold]{message.role}[/bold]")
    out.print(message.text, markup=False, soft_wrap=True)
    out.print()


def _passage(hit: dict[str, Any]) -> Passage:
    index = int(hit["chunk_id"].rpartition(":")[2])
    names = [name for name in IndexedChunk.__dataclass_fields__ if name != "index"]
    return Passage(hit["rank"], IndexedChunk(index=index, **{name: hit[name] for name in names}), hit["score"], None)
