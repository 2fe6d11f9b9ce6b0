"""One pipeline for each embedder, started when it is first needed."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import EmbedderFailed
from ingest.pipeline import Pipeline
from ingest.ports import Vectors
from ingest.split import SPLITTER_VERSION, Splitting
from rag_api.core.ports import Embedder, Embedders
from rag_api.db import generations
from rag_api.db.database import Database
from rag_api.db.rows import GenerationRow
from rag_api.services.indexing import CatalogueSink, patiently


@dataclass(frozen=True, slots=True)
class Cutting:
    """How chunks are cut; `max_tokens` 0 is what the embedder reads. `patience_s`: how long it may be away."""

    max_tokens: int
    overlap_tokens: int
    patience_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Line:
    """All that documents need on their way into one generation."""

    generation_id: str
    pipeline: Pipeline
    tokenizer: Path | None
    splitting: Splitting


class PatientEmbedder:
    """A pipeline's embedder: waits for one that is being started again."""

    def __init__(self, embedder: Embedder, *, patience_s: float) -> None:
        self._embedder = embedder
        self._patience_s = patience_s

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        return await patiently(lambda: self._embedder.embed_documents(texts), patience_s=self._patience_s)


class Pipelines:
    """Use as a context manager."""

    def __init__(
        self, db: Database, embedders: Embedders, sink: CatalogueSink, *, batch_chunks: int, cutting: Cutting
    ) -> None:
        self._db = db
        self._embedders = embedders
        self._sink = sink
        self._batch_chunks = batch_chunks
        self._cutting = cutting
        self._stack = AsyncExitStack()
        self._by_model: dict[str | None, Pipeline] = {}

    async def __aenter__(self) -> "Pipelines":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def into(self, generation: GenerationRow, *, what: str) -> Line:
        """Where documents of a generation go. Raises EmbedderFailed when its embedder is not what it was."""
        embedder = self._embedders.of(generation.model)
        identity = await patiently(embedder.identity, patience_s=self._cutting.patience_s)
        row = generation
        if row.fingerprint is None:
            row = await self._db.change(generations.settle, generation.id, identity, f"{SPLITTER_VERSION}")
        if row.fingerprint != identity.fingerprint:
            raise EmbedderFailed(
                f"{what}: its collection is indexed with the embedder {row.model!r} ({row.fingerprint}), which is now "
                f"another one ({identity.fingerprint}); restore that model, or build the index anew with rag reindex"
            )
        most = min(self._cutting.max_tokens or identity.max_tokens, identity.max_tokens)
        splitting = Splitting(most, self._cutting.overlap_tokens)
        pipeline = await self._pipeline(row.model, embedder)
        return Line(row.id, pipeline, await embedder.tokenizer(), splitting)

    async def _pipeline(self, model: str | None, embedder: Embedder) -> Pipeline:
        if model not in self._by_model:
            patient = PatientEmbedder(embedder, patience_s=self._cutting.patience_s)
            pipeline = Pipeline(patient, self._sink, self._batch_chunks)
            self._by_model[model] = pipeline  # before the first await: nobody else may start another one
            await self._stack.enter_async_context(pipeline)
        return self._by_model[model]
