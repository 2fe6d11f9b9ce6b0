"""The part of `wiring` that chooses what keeps texts, vectors and words, and who embeds. Settings stop here, too."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from rag_api.backends.chroma import ChromaStore
from rag_api.backends.embedders import EmbeddingsClients
from rag_api.backends.files import FileStore
from rag_api.backends.http import open_caller
from rag_api.backends.lexical import TantivyIndex
from rag_api.backends.shards import ShardedStore
from rag_api.core.ports import VectorStore
from rag_api.db.database import Database
from rag_api.settings import Settings

EMBED_S = 60.0


@dataclass(frozen=True, slots=True)
class Stores:
    db: Database
    files: FileStore
    embedders: EmbeddingsClients
    vectors: VectorStore
    lexical: TantivyIndex


async def open_stores(settings: Settings, stack: AsyncExitStack) -> Stores:
    db = Database(settings.database)
    stack.push_async_callback(db.close)
    lexical = TantivyIndex(settings.home / "lexical")
    stack.push_async_callback(lexical.close)
    chroma = await stack.enter_async_context(
        open_caller(
            settings.chroma.url, timeout_s=settings.chroma.timeout_s, api_key=settings.chroma.api_key.get_secret_value()
        )
    )
    return Stores(
        db,
        FileStore(settings.home / "files"),
        await _open_embedders(settings, stack),
        ShardedStore(ChromaStore(chroma, ef_search=settings.chroma.ef_search), rows=settings.chroma.shard_chunks),
        lexical,
    )


async def _open_embedders(settings: Settings, stack: AsyncExitStack) -> EmbeddingsClients:
    """`unix:/path` is the embedder process on this machine, anything else an OpenAI-compatible base URL."""
    url, socket = settings.embedder.url, None
    if url.startswith("unix:"):
        url, socket = "http://embedder/v1/", url.removeprefix("unix:")
    api_key = settings.embedder.api_key.get_secret_value()
    caller = await stack.enter_async_context(open_caller(url, timeout_s=EMBED_S, unix_socket=socket, api_key=api_key))
    return EmbeddingsClients(caller, default=settings.embedder.model, cache=settings.home / "cache")
