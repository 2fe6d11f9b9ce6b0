"""The part of `wiring` that chooses what finds hits. Settings stop here, too."""

from contextlib import AsyncExitStack

from rag_api.backends.http import open_caller
from rag_api.backends.matrix import MatrixFolder
from rag_api.backends.reranker import HttpReranker
from rag_api.core.ports import Embedders, LexicalIndex, VectorStore
from rag_api.db.database import Database
from rag_api.services.gatekeeper import Gatekeeper
from rag_api.services.mirrors import Mirrors
from rag_api.services.reranking import Reranking
from rag_api.services.retriever import Retriever, RetrieverOptions
from rag_api.services.scoping import Scoping
from rag_api.settings import Settings
from rag_api.wiring_checks import check_reranker

MIRRORED_COLLECTIONS = 200  # each with an open file
RERANKER_PATH = "http://embedder/v1/"


async def open_retriever(
    settings: Settings,
    stack: AsyncExitStack,
    *,
    db: Database,
    embedders: Embedders,
    vectors: VectorStore,
    lexical: LexicalIndex,
) -> Retriever:
    of = settings.retrieval
    mirrors = Mirrors(
        db, MatrixFolder(settings.home / "matrix"), documents=of.mirrored_documents, collections=MIRRORED_COLLECTIONS
    )
    await stack.enter_async_context(mirrors.kept())
    return Retriever(
        db,
        embedders,
        Scoping(db, mirrors, vectors, exact_below=of.exact_below, exact_above=of.exact_above),
        lexical,
        options=RetrieverOptions(
            of.dense_weight, of.candidates, of.neighbour_weight, of.dense_floor, of.same_text, of.diversity
        ),
        reranking=await open_reranking(settings, stack),
    )


async def open_reranking(settings: Settings, stack: AsyncExitStack) -> Reranking | None:
    check_reranker(settings)
    of = settings.reranker
    match of.kind:
        case "none":
            return None
        case "http":
            url, socket = of.base_url, None
        case "cross_encoder":
            url, socket = RERANKER_PATH, settings.embedder.url.removeprefix("unix:")
    key = of.api_key.get_secret_value()
    caller = open_caller(url, timeout_s=of.timeout_s, unix_socket=socket, api_key=key)
    reranker = HttpReranker(await stack.enter_async_context(caller), model=of.model)
    return Reranking(reranker, candidates=of.candidates, timeout_s=of.timeout_s)


def open_gatekeeper(
    settings: Settings, stack: AsyncExitStack, db: Database, embedders: Embedders, vectors: VectorStore
) -> Gatekeeper:
    of = settings.answers
    gatekeeper = Gatekeeper(db, embedders, vectors, mode=of.gate, threshold=of.threshold)
    stack.push_async_callback(gatekeeper.close)
    return gatekeeper
