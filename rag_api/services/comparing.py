"""The sentences of passages beside a question."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from ingest.ports import Vectors
from rag_api.core.extracting import Comparison, find_candidates, take_out_titles
from rag_api.core.hits import Passage
from rag_api.core.ports import Embedder, Embedders


class Comparer:
    """Keeps the vectors of the last `kept` texts: what is asked for often is embedded once."""

    def __init__(self, embedders: Embedders, *, kept: int) -> None:
        self._embedders = embedders
        self._kept = kept
        self._vectors: OrderedDict[bytes, Vectors] = OrderedDict()

    async def compare(self, model: str | None, question: str, passages: Sequence[Passage]) -> Comparison:
        """By the embedder of that name. Raises EmbedderUnavailable."""
        candidates = find_candidates(passages)
        if not candidates:
            return Comparison((), (), ())
        embedder = self._embedders.of(model)
        titles = [item.passage.chunk.title for item in candidates]
        texts = [f"{title}: {item.text}" for title, item in zip(titles, candidates, strict=True)]
        query, by_text = await asyncio.gather(
            embedder.embed_query(question),
            self._embedded(embedder, model, dict.fromkeys([*texts, *filter(None, titles)])),
        )
        nothing = np.zeros_like(query)
        of_texts = np.stack([by_text[text] for text in texts])
        of_titles = np.stack([by_text.get(title, nothing) for title in titles])
        similarities = of_texts @ query
        bare = take_out_titles(similarities, of_titles @ query, np.einsum("ij,ij->i", of_texts, of_titles))
        return Comparison(tuple(candidates), tuple(map(float, similarities)), tuple(map(float, bare)))

    async def _embedded(self, embedder: Embedder, model: str | None, texts: dict[str, None]) -> dict[str, Vectors]:
        """By text; a deleted document leaves no words here, as keys are digests."""
        keys = {text: hashlib.blake2b(f"{model}\0{text}".encode("utf-8", "surrogatepass")).digest() for text in texts}
        found = {text: self._vectors[key] for text, key in keys.items() if key in self._vectors}
        if missing := [text for text in texts if text not in found]:
            found |= zip(missing, await embedder.embed_documents(missing), strict=True)
        for text, key in keys.items():
            self._vectors[key] = found[text]
            self._vectors.move_to_end(key)
        while len(self._vectors) > self._kept:
            self._vectors.popitem(last=False)
        return found
