"""The client of an OpenAI-compatible embeddings server: the embedder process, or any other."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
import numpy as np
import orjson

from ingest.ports import Vectors
from rag_api.backends.http import Caller, Reply
from rag_api.backends.sharing import SharedCalls
from rag_api.core.ports import EmbedderIdentity
from rag_api.errors import EmbedderUnavailable, TooBusy

FOREIGN_MAX_TOKENS = 512
TEXTS_A_CALL = 256
QUERIES_A_CALL, FEW_QUERIES = 32, 8


class EmbeddingsClient:
    """`cache` keeps the server's tokenizer. Where a server says nothing of dimension or length, it is probed."""

    def __init__(self, client: Caller, *, model: str, cache: Path) -> None:
        self._client = client
        self._model = model
        self._cache = cache
        self._identity: EmbedderIdentity | None = None
        self._queries = SharedCalls(self._embed_queries, most=QUERIES_A_CALL, few=FEW_QUERIES, lanes=2)

    async def identity(self) -> EmbedderIdentity:
        if self._identity is None:
            self._identity = await self._ask_identity()
        return self._identity

    async def ping(self) -> None:
        """Asks anew who serves, as another model may have been started in its place."""
        self._identity = await self._ask_identity()

    async def embed_query(self, text: str) -> Vectors:
        return await self._queries.ask(text)

    async def _embed_queries(self, texts: Sequence[str]) -> Sequence[Vectors]:
        return list(await self._embed(texts, "query"))

    async def embed_documents(self, texts: Sequence[str]) -> Vectors:
        calls = [
            await self._embed(texts[at : at + TEXTS_A_CALL], "document") for at in range(0, len(texts), TEXTS_A_CALL)
        ]
        return np.concatenate(calls)

    async def tokenizer(self) -> Path | None:
        identity = await self.identity()
        file = self._cache / f"{identity.fingerprint}.tokenizer.json"
        if file.exists():
            return file
        response = await self._send("GET", self._of_model("tokenizer"))
        if response.status_code != httpx.codes.OK:
            return None
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        partial.write_bytes(response.content)
        return partial.rename(file)

    async def _ask_identity(self) -> EmbedderIdentity:
        response = await self._send("GET", self._of_model("models"))
        if response.status_code == httpx.codes.NOT_FOUND and _code(response) == EmbedderUnavailable("").code:
            raise EmbedderUnavailable(_message(response))  # our own embedder says why it can't load the model
        listed = _json(response).get("data", []) if httpx.codes.is_success(response.status_code) else []
        mine = next((model for model in listed if model.get("id") == self._model and "fingerprint" in model), None)
        if mine:
            return EmbedderIdentity(self._model, mine["fingerprint"], mine["dimension"], mine["max_tokens"])
        dimension = (await self._embed(["How many dimensions does this make?"], "document")).shape[1]
        name = f"{self._client.base_url} {self._model} {dimension}"
        return EmbedderIdentity(
            self._model, hashlib.sha256(name.encode()).hexdigest()[:16], dimension, FOREIGN_MAX_TOKENS
        )

    def _of_model(self, path: str) -> str:
        """A foreign server leaves the parameter alone."""
        return f"{path}?{urlencode({'model': self._model})}"

    async def _embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> Vectors:
        body = {"model": self._model, "input": list(texts), "encoding_format": "base64", "input_type": kind}
        response = await self._send("POST", "embeddings", body)
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise TooBusy(_message(response))
        if not httpx.codes.is_success(response.status_code):
            raise EmbedderUnavailable(f"the embedder answers {response.status_code}: {_message(response)}")
        try:
            rows = sorted(_json(response)["data"], key=lambda row: row["index"])
            vectors = np.stack([_vector(row["embedding"]) for row in rows])
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise EmbedderUnavailable(f"the embedder at {self._client.base_url} answers with no embeddings") from error
        if len(vectors) != len(texts):
            raise EmbedderUnavailable(f"the embedder made {len(vectors)} vectors of {len(texts)} texts")
        return vectors

    async def _send(self, method: str, path: str, body: dict[str, Any] | None = None) -> Reply:
        try:
            content = orjson.dumps(body) if body else None
            return await self._client.request(
                method, path, content=content, headers={"Content-Type": "application/json"} if content else None
            )
        except httpx.HTTPError as error:
            raise EmbedderUnavailable(
                f"the embedder can't be reached ({type(error).__name__}); it may be starting: try again in a moment"
            ) from error


def _vector(embedding: str | list[float]) -> Vectors:
    if isinstance(embedding, str):
        vector = np.frombuffer(base64.b64decode(embedding), dtype="<f4").astype(np.float32, copy=False)
    else:
        vector = np.asarray(embedding, dtype=np.float32)
    norm = np.float32(np.linalg.norm(vector)) or np.float32(1)
    return (vector / norm).astype(np.float32, copy=False)


def _json(response: Reply) -> dict[str, Any]:
    try:
        value = orjson.loads(response.content)
    except orjson.JSONDecodeError as error:
        raise EmbedderUnavailable("the embedder answers with something that is no JSON") from error
    return value if isinstance(value, dict) else {}


def _code(response: Reply) -> object:
    error = _json(response).get("error")
    return error.get("code") if isinstance(error, dict) else None


def _message(response: Reply) -> str:
    error = _json(response).get("error")
    return str(
        error.get("message")
        if isinstance(error, dict)
        else error or httpx.codes.get_reason_phrase(response.status_code)
    )
