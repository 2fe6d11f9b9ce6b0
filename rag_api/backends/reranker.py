"""The client of a reranker: `POST rerank` as Cohere, Jina, vLLM, TEI and the embedder process answer it."""

import math
from collections.abc import Sequence
from typing import Any

import httpx
import orjson

from rag_api.backends.http import Caller
from rag_api.errors import RerankerUnavailable

JSON = {"Content-Type": "application/json"}


class HttpReranker:
    def __init__(self, caller: Caller, *, model: str) -> None:
        self._caller = caller
        self._model = model

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """The relevance of each text. Raises RerankerUnavailable."""
        body = orjson.dumps({"model": self._model, "query": query, "documents": list(texts)})
        try:
            reply = await self._caller.request("POST", "rerank", content=body, headers=JSON)
        except httpx.HTTPError as error:
            raise RerankerUnavailable(f"the reranker can't be reached ({type(error).__name__})") from error
        if reply.status_code != httpx.codes.OK:
            raise RerankerUnavailable(f"the reranker answers {reply.status_code}: {_message(reply.content)}")
        try:
            scores = {row["index"]: float(row["relevance_score"]) for row in orjson.loads(reply.content)["results"]}
            found = [scores[at] for at in range(len(texts))]
        except (KeyError, TypeError, ValueError) as error:
            raise RerankerUnavailable(
                f"the reranker at {self._caller.base_url} does not answer with a relevance_score for each document"
            ) from error
        if not all(map(math.isfinite, found)):
            raise RerankerUnavailable("the reranker answers with scores that are no numbers")
        return found


def _message(content: bytes) -> str:
    try:
        body: Any = orjson.loads(content)
        error = body["error"] if "error" in body else body["message"]
        return str(error["message"] if isinstance(error, dict) else error)[:200]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return content[:200].decode("utf-8", "replace")
