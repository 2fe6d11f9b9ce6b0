from typing import Annotated, Any

import typer

from rag_api.attach import server
from rag_api.client import ServerError
from rag_api.commands.options import CollectionOption, JsonOption
from rag_api.settings import load_settings
from rag_api.terminal import out, print_json, print_sources


def ask(
    question: str,
    collection: CollectionOption = "default",
    top_k: Annotated[int | None, typer.Option(help="How many passages to answer from.")] = None,
    model: Annotated[str, typer.Option(help="Who is to answer, of the models that the server has.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Ask a question; the answer streams, its sources follow."""
    with server(load_settings()) as client:
        options: dict[str, Any] = {} if top_k is None else {"top_k": top_k}
        options |= {"model": model} if model else {}
        passages: dict[int, dict[str, Any]] = {}
        cited: dict[int, dict[str, Any]] = {}
        for event in client.ask(question, collection=collection, **options):
            if as_json:
                print_json({"event": event.name, "data": event.data})
                continue
            match event.name:
                case "retrieved":
                    passages = {passage["n"]: passage for passage in event.data["passages"]}
                case "text":
                    out.print(event.data["text"], end="", markup=False)
                    out.file.flush()
                case "reset":  # what a terminal has shown can't be taken back
                    out.print(f"\n\n({event.data['reason']})\n", markup=False)
                    cited.clear()
                case "citation":
                    cited.setdefault(event.data["n"], event.data)
                case "failed":
                    out.print()
                    raise ServerError(event.data["error"]["message"], code=event.data["error"]["code"], status=0)
        if not as_json:
            out.print()
            print_sources(cited, passages)
