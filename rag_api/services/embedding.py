"""Vectors of texts, as a collection's own are made."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest.ports import Vectors
from rag_api.core.ports import Embedders
from rag_api.core.principals import Principal
from rag_api.core.spending import asked
from rag_api.services.library import Library


@dataclass(frozen=True, slots=True)
class Embedded:
    """`vectors`: of shape (texts, dimension); `tokens` is an estimate."""

    vectors: Vectors
    model: str
    tokens: int


class Embedding:
    def __init__(self, library: Library, embedders: Embedders) -> None:
        self._library = library
        self._embedders = embedders

    async def embed(
        self, collection: str, texts: Sequence[str], *, who: Principal, as_queries: bool = False
    ) -> Embedded:
        """By the embedder of the index in use. Raises CollectionNotFound, EmbedderUnavailable."""
        row = await self._library.collection(collection, who)
        embedder = self._embedders.of(row.embedder)
        identity = await embedder.identity()
        if as_queries:
            vectors = np.stack([await embedder.embed_query(text) for text in texts])
        else:
            vectors = await embedder.embed_documents(texts)
        return Embedded(vectors, identity.model, asked(texts))
