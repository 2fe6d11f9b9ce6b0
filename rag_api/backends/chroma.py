"""Chroma over its HTTP interface, version 2: the supervised child on loopback, a server, or a cluster.

Plain requests instead of the `chromadb` client, which costs 2 ms of processor time a query and 2 s at the start
(docs/decisions/0003). Ids and vectors only; texts and metadata live in the catalogue.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

import httpx
import numpy as np
import orjson

from ingest.ports import Vectors
from rag_api.backends.http import Caller
from rag_api.backends.sharing import SharedCalls
from rag_api.core.hits import Scored
from rag_api.errors import VectorStoreBroken, VectorStoreUnavailable

COLLECTIONS = "api/v2/tenants/default_tenant/databases/default_database/collections"
ROWS_A_WRITE = 100  # a query waits for the write in progress: 100 rows take some 60 ms
ROWS_A_DELETE = 1_000
IDS_A_PAGE = 5_000
IDS_A_LOOK = 1_000
QUERIES_A_CALL, FEW_QUERIES = 50, 8


class ChromaStore:
    """An index is a Chroma collection of that name with cosine distance; it is made when first written to."""

    def __init__(self, client: Caller, *, ef_search: int) -> None:
        self._client = client
        self._ef_search = ef_search
        self._ids: dict[str, str] = {}
        self._queries: dict[str, SharedCalls[tuple[Vectors, int], Sequence[Scored]]] = {}
        self._writing = asyncio.Lock()

    async def upsert(self, index: str, ids: Sequence[str], vectors: Vectors, *, are_new: bool = False) -> None:
        async with self._writing:
            for at in range(0, len(ids), ROWS_A_WRITE):
                rows = slice(at, at + ROWS_A_WRITE)
                embeddings = np.ascontiguousarray(vectors[rows], dtype=np.float32)
                await self._call(index, "upsert", {"ids": list(ids[rows]), "embeddings": embeddings}, create=True)

    async def query(self, index: str, vector: Vectors, *, top_k: int) -> Sequence[Scored]:
        if index not in self._queries:
            ask = partial(self._query, index)
            self._queries[index] = SharedCalls(ask, most=QUERIES_A_CALL, few=FEW_QUERIES, lanes=2)
        return await self._queries[index].ask((vector, top_k))

    async def _query(self, index: str, queries: Sequence[tuple[Vectors, int]]) -> Sequence[Sequence[Scored]]:
        body = {
            "query_embeddings": np.stack([vector for vector, _ in queries]),
            "n_results": max(top_k for _, top_k in queries),
            "include": ["distances"],
        }
        found = await self._call(index, "query", body)
        if found is None:
            return [[] for _ in queries]
        return [
            [Scored(id_, 1 - distance) for id_, distance in zip(ids[:top_k], distances[:top_k], strict=True)]
            for (_, top_k), ids, distances in zip(queries, found["ids"], found["distances"], strict=True)
        ]  # Chroma counts distance, people expect similarity

    async def nearest(self, index: str, vectors: Vectors) -> list[float]:
        found: list[float] = []
        for at in range(0, len(vectors), QUERIES_A_CALL):
            embeddings = np.ascontiguousarray(vectors[at : at + QUERIES_A_CALL], dtype=np.float32)
            body = {"query_embeddings": embeddings, "n_results": 1, "include": ["distances"]}
            rows = await self._call(index, "query", body)
            found += [1 - row[0] if row else -1.0 for row in (rows["distances"] if rows else [[]] * len(embeddings))]
        return found

    async def lost(self, index: str, chunk_ids: Sequence[str]) -> list[str]:
        return [one for one in chunk_ids if not await self._has_vector(index, one)]

    async def _has_vector(self, index: str, chunk_id: str) -> bool:
        try:
            found = await self._call(index, "get", {"ids": [chunk_id], "include": ["embeddings"]})
        except VectorStoreBroken:  # so it answers for an id whose vector it has lost
            return False
        return bool(found and found["ids"] and found["embeddings"])

    async def ids(self, index: str) -> set[str]:
        found: set[str] = set()
        while True:
            page = await self._call(index, "get", {"limit": IDS_A_PAGE, "offset": len(found), "include": []})
            found.update(page["ids"] if page else [])
            if page is None or len(page["ids"]) < IDS_A_PAGE:
                return found

    async def present(self, index: str, ids: Sequence[str]) -> set[str]:
        found: set[str] = set()
        for at in range(0, len(ids), IDS_A_LOOK):
            page = await self._call(index, "get", {"ids": list(ids[at : at + IDS_A_LOOK]), "include": []})
            found.update(page["ids"] if page else [])
        return found

    async def delete(self, index: str, ids: Sequence[str]) -> None:
        async with self._writing:
            for at in range(0, len(ids), ROWS_A_DELETE):
                await self._call(index, "delete", {"ids": list(ids[at : at + ROWS_A_DELETE])})

    async def drop(self, index: str) -> None:
        self._ids.pop(index, None)
        self._queries.pop(index, None)
        await self._send("DELETE", f"{COLLECTIONS}/{index}", absent_ok=True)

    async def count(self, index: str) -> int:
        found = await self._call(index, "count", method="GET")
        return int(found or 0)

    async def make(self, index: str) -> None:
        await self._id_of(index, create=True)

    async def has(self, index: str) -> bool:
        self._ids.pop(index, None)
        return await self._id_of(index) is not None

    async def ping(self) -> None:
        await self._send("GET", "api/v2/heartbeat")

    async def _id_of(self, index: str, *, create: bool = False) -> str | None:
        """Chroma's own id of the index, or None where there is none."""
        if index not in self._ids:
            if create:
                configuration = {"hnsw": {"space": "cosine", "ef_search": self._ef_search}}
                body = {"name": index, "configuration": configuration, "get_or_create": True}
                found = await self._send("POST", COLLECTIONS, body)
            else:
                found = await self._send("GET", f"{COLLECTIONS}/{index}", absent_ok=True)
            if found is None:
                return None
            self._ids[index] = found["id"]
        return self._ids[index]

    async def _call(
        self, index: str, verb: str, body: dict[str, Any] | None = None, *, method: str = "POST", create: bool = False
    ) -> Any:
        """None where there is no such index."""
        for is_known in (index in self._ids, False):
            id_ = await self._id_of(index, create=create)
            if id_ is None:
                return None
            found = await self._send(method, f"{COLLECTIONS}/{id_}/{verb}", body, absent_ok=True)
            if found is not None or not is_known:
                return found
            self._ids.pop(index, None)  # it has been made anew under another id
        return None

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, absent_ok: bool = False
    ) -> Any:
        content = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY) if body else None
        headers = {"Content-Type": "application/json"} if body else None
        try:
            response = await self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise VectorStoreUnavailable(
                f"Chroma at {self._client.base_url} can't be reached ({type(error).__name__}); "
                "it may be starting: try again in a moment"
            ) from error
        if response.status_code == httpx.codes.NOT_FOUND and absent_ok:
            return None
        if not httpx.codes.is_success(response.status_code):
            said = response.content.decode(errors="replace")[:300]
            raise VectorStoreBroken(f"Chroma answers {response.status_code}: {said}")
        return orjson.loads(response.content) if response.content else {}
