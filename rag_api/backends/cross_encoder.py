"""A cross-encoder in this process: how well a text answers a query. Only the embedder process imports this."""

import os
from collections.abc import Sequence
from typing import Any

from rag_api.backends.sentence_transformer import find_model
from rag_api.errors import EmbedderUnavailable, RerankerUnavailable

PAIRS_A_PASS = 16


def load_library() -> None:
    """Seconds, in which threads of this process hardly get on: to be called before it serves."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import sentence_transformers  # noqa: F401 - its cross-encoders are wanted later


class CrossEncoderModel:
    """Loads at once (seconds; blocks). `scores` blocks, too, and is for one caller at a time."""

    def __init__(self, model: str) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from sentence_transformers import CrossEncoder

        try:
            self._model: Any = CrossEncoder(str(find_model(model)), device="cpu", local_files_only=True)
        except (EmbedderUnavailable, OSError, ValueError) as error:
            raise RerankerUnavailable(
                f"the reranker {model!r} is neither a folder with a cross-encoder nor to be had from the hub "
                f"({type(error.__cause__ or error).__name__}): correct RAG_RERANKER__MODEL"
            ) from error
        if self._model.num_labels != 1:
            raise RerankerUnavailable(
                f"{model!r} sorts into {self._model.num_labels} classes and gives no relevance: name a cross-encoder "
                "with one score in RAG_RERANKER__MODEL"
            )

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        """What is longer than the model reads is cut."""
        pairs = [(query, text) for text in texts]
        found = self._model.predict(pairs, batch_size=PAIRS_A_PASS, show_progress_bar=False)
        return [float(score) for score in found]
