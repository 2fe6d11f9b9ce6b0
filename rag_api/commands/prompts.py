from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from rag_api.attach import server
from rag_api.client_values import Hit
from rag_api.commands.options import CollectionOption, JsonOption
from rag_api.core.hits import IndexedChunk, Passage
from rag_api.core.packing import fit, fitting
from rag_api.core.prompts import ALL_TEMPLATES, Message
from rag_api.settings import Settings, load_settings
from rag_api.terminal import out, print_json
from rag_api.wiring_prompts import language_window, load_prompts

prompts = typer.Typer(no_args_is_help=True, help="List, show, check and render the prompt templates.")
OfCollection = Annotated[str | None, typer.Option("--collection", "-c", help="With this collection's own templates.")]
Instructions = Annotated[str | None, typer.Option(help="What a request adds to the system prompt.")]


@prompts.command("list")
def list_prompts(collection: OfCollection = None, as_json: JsonOption = False) -> None:
    """The templates, each with its version and variables; an answer tells the version of all together."""
    settings = load_settings()
    own = _own(settings, collection)
    loaded = load_prompts(settings).of(own)
    rows: list[dict[str, Any]] = [
        {"template": name, "version": loaded.versions[name], "variables": sorted(variables), "is_own": name in own}
        for name, variables in ALL_TEMPLATES.items()
        if name in loaded.versions
    ]
    if as_json:
        for row in [*rows, {"template": None, "version": loaded.version, "variables": [], "is_own": bool(own)}]:
            print_json(row)
        return
    table = Table("template", "version", "of", "variables", box=None)
    for row in rows:
        of = "the collection" if row["is_own"] else "the service"
        table.add_row(str(row["template"]), str(row["version"]), of, ", ".join(row["variables"]))
    table.add_row("all together", loaded.version)
    out.print(table)


@prompts.command()
def show(
    template: Annotated[str, typer.Argument(help="Its name, such as answer.system.md.")],
    collection: OfCollection = None,
) -> None:
    """Print a template as it is."""
    settings = load_settings()
    templates = load_prompts(settings).of(_own(settings, collection)).sources
    if template not in templates:
        raise typer.BadParameter(f"there is no template {template!r}; there are {', '.join(templates)}")
    out.print(templates[template], markup=False, end="", soft_wrap=True)


@prompts.command()
def check(
    folder: Annotated[Path | None, typer.Argument(help="Unset: the folder in use.")] = None,
    collection: OfCollection = None,
) -> None:
    """Whether each template is there, can be read and rendered, and uses exactly its variables."""
    settings = load_settings()
    own = _own(settings, collection)
    loaded = load_prompts(settings.model_copy(update={"prompts_dir": folder}) if folder else settings).of(own)
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
        own = client.collection(collection)["prompts"]
    passages = fitting([_passage(hit) for hit in hits], budget_chars=settings.answers.budget_chars)
    prompts_used, window = load_prompts(settings).of(own), language_window(settings)
    prompt = fit(
        lambda some, _: prompts_used.answer(question, some, instructions=instructions), passages, (), window=window
    )
    for message in prompt.messages:
        if as_json:
            print_json({"role": message.role, "content": message.text})
        else:
            _print(message)


def _own(settings: Settings, collection: str | None) -> dict[str, str]:
    """The templates of the collection."""
    if collection is None:
        return {}
    with server(settings) as client:
        return client.collection(collection)["prompts"]


def _print(message: Message) -> None:
    out.print(f"[bold]{message.role}[/bold]")
    out.print(message.text, markup=False, soft_wrap=True)
    out.print()


def _passage(hit: Hit) -> Passage:
    index = int(hit["chunk_id"].rpartition(":")[2])
    names = set(IndexedChunk.__dataclass_fields__) - {"index"}
    chunk: dict[str, Any] = {name: value for name, value in hit.items() if name in names}
    return Passage(hit["rank"], IndexedChunk(index=index, **chunk), hit["score"], None)
