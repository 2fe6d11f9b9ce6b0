import os
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Annotated

import typer

from rag_api.attach import key_of, server
from rag_api.commands.options import CollectionOption
from rag_api.settings import load_settings


def demo(
    url: Annotated[str, typer.Option(help="The server to talk to; unset: the one that owns the home.")] = "",
    host: Annotated[str, typer.Option(help="The address to serve the page at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Its port.")] = 7860,
    collection: CollectionOption = "default",
) -> None:
    """Serve a chat with upload by Gradio, as a client of the HTTP interface; needs the extra `ui`."""
    if find_spec("gradio") is None:
        raise typer.BadParameter(
            "the demonstration is served by Gradio: pip install 'rag-api[ui]', or pip install gradio"
        )
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    from rag_api.demo import serve

    settings = load_settings()
    with ExitStack() as stack:
        key = settings.admin_key.get_secret_value()
        if not url:
            url = stack.enter_context(server(settings)).url
            key = key_of(settings)
        serve(url, key, collection=collection, host=host, port=port)
