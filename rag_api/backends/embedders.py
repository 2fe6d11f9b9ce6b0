"""The embedders of all generations: models by name, at one server."""

from pathlib import Path

from rag_api.backends.embeddings import EmbeddingsClient
from rag_api.backends.http import Caller


class EmbeddingsClients:
    def __init__(self, client: Caller, *, default: str, cache: Path) -> None:
        self._client = client
        self._default = default
        self._cache = cache
        self._by_model: dict[str, EmbeddingsClient] = {}

    def of(self, model: str | None) -> EmbeddingsClient:
        name = model or self._default
        if name not in self._by_model:
            self._by_model[name] = EmbeddingsClient(self._client, model=name, cache=self._cache)
        return self._by_model[name]
