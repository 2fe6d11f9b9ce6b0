"""A client of all of the HTTP interface, longer than the others because of that. Needs httpx alone.

`rag_api/client.py` is made of `rag_api/async_client.py` by `make client`: change the latter.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from rag_api import client_wire as wire
from rag_api.client_values import (
    Answer,
    AnswerEvent,
    Chunk,
    Collection,
    Document,
    Hits,
    Job,
    Key,
    NewKey,
    Readiness,
    Receipt,
    Receipts,
    ServerError,
    Stats,
    UploadRow,
)

__all__ = ["AnswerEvent", "AsyncClient", "ServerError"]


class AsyncClient:
    """Use as a context manager, or `aclose` it. Every call may raise ServerError."""

    def __init__(self, base_url: str, *, key: str = "", timeout_s: float = 60.0) -> None:
        headers = wire.authorization(key)
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=False)
        self._patience = httpx.Timeout(timeout_s, read=max(timeout_s, wire.SILENT_S))

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    @property
    def url(self) -> str:
        return str(self._http.base_url).rstrip("/")

    def move(self, base_url: str, *, key: str = "") -> None:
        """The server is at another address now, and takes another key if one is given."""
        self._http.base_url = httpx.URL(base_url)
        self._http.headers.update(wire.authorization(key))

    async def readiness(self) -> Readiness:
        """Also of a server that is not ready."""
        try:
            response = await self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise wire.unreached(self._http.base_url, error) from error
        if response.status_code not in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE):
            raise wire.error_of(response)
        found: Readiness = wire.json_of(response)
        return found

    async def version(self) -> str:
        """Of the server; empty from one that does not tell."""
        return str((await self._call("GET", "/livez")).get("version", ""))

    async def upload(
        self,
        collection: str,
        files: Sequence[tuple[str, Path]],
        *,
        source: str = "",
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        progress: wire.Progress | None = None,
    ) -> list[UploadRow]:
        """Sends files, each as (name, path); a row for each. Jobs go on in the background.

        `source`, which is the name unless given, and `title` are for one file, `metadata` for all. Files are read as
        they are sent; `progress` is told how many bytes of how many. Raises OSError for a file that can't be read.
        """
        told = wire.as_json(metadata) if metadata else ""
        with wire.Form(files, progress, source=source, title=title, metadata=told) as form:
            return await self._add(collection, files=form.files, data=form.data)

    async def add_url(
        self, collection: str, url: str, *, source: str = "", title: str = "", timeout_s: float = wire.FETCH_S
    ) -> UploadRow:
        """Has the server fetch a page; its row."""
        [row] = await self._add(collection, json={"url": url, "source": source, "title": title}, timeout=timeout_s)
        return row

    async def _add(self, collection: str, **body: Any) -> list[UploadRow]:
        try:
            rows: list[UploadRow] = (await self._call("POST", wire.documents_at(collection), **body))["documents"]
        except ServerError as error:
            return wire.rejected(error)
        return rows

    async def document(self, collection: str, document_id: str) -> Document:
        found: Document = await self._call("GET", wire.documents_at(collection, document_id))
        return found

    async def change(self, collection: str, document_id: str, **values: Any) -> Document:
        """`title`, `metadata` or `acl`, each replacing what was."""
        found: Document = await self._call("PATCH", wire.documents_at(collection, document_id), json=values)
        return found

    async def delete(self, collection: str, document_id: str) -> Receipt:
        found: Receipt = await self._call("DELETE", wire.documents_at(collection, document_id))
        return found

    async def delete_where(self, collection: str, filter: Mapping[str, Any]) -> Receipts:
        """What the filter matched."""
        query = {"filter": wire.as_json(filter)}
        found: Receipts = await self._call("DELETE", wire.documents_at(collection), params=query)
        return found

    async def create_collection(self, name: str, description: str = "", *, embedder: str | None = None) -> Collection:
        body = {"name": name, "description": description, "embedder": embedder}
        found: Collection = await self._call("POST", f"{wire.API}/collections", json=body)
        return found

    async def collection(self, name: str) -> Collection:
        found: Collection = await self._call("GET", wire.collection_at(name))
        return found

    async def delete_collection(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._call("DELETE", wire.collection_at(name))
        return found

    def keys(self) -> AsyncGenerator[Key, None]:
        """The newest first, revoked ones among them."""
        return self._pages(f"{wire.API}/keys", {})

    async def create_key(self, role: str, **options: Any) -> NewKey:
        """`name`, `collections`, `groups` and `expires_at` may be given. Only here is its secret told."""
        found: NewKey = await self._call("POST", f"{wire.API}/keys", json={"role": role, **options})
        return found

    async def revoke_key(self, key_id: str) -> Key:
        found: Key = await self._call("DELETE", f"{wire.API}/keys/{key_id}")
        return found

    async def stats(self) -> Stats:
        found: Stats = await self._call("GET", f"{wire.API}/stats")
        return found

    def jobs(self, *, state: str | None = None) -> AsyncGenerator[Job, None]:
        """The newest first."""
        return self._pages(f"{wire.API}/jobs", {"state": state} if state else {})

    async def reindex(self, collection: str, *, embedder: str | None = None, back: bool = False) -> Job:
        """The job that builds the new index and switches to it."""
        body = {"embedder": embedder, "back": back}
        found: Job = await self._call("POST", f"{wire.collection_at(collection)}/reindex", json=body)
        return found

    async def purge(self) -> Job:
        """The job that takes everything deleted out of all files."""
        found: Job = await self._call("POST", f"{wire.API}/purge")
        return found

    async def job(self, job_id: str) -> Job:
        found: Job = await self._call("GET", f"{wire.API}/jobs/{job_id}")
        return found

    def collections(self) -> AsyncGenerator[Collection, None]:
        return self._pages(f"{wire.API}/collections", {})

    def documents(self, collection: str, *, status: str | None = None) -> AsyncGenerator[Document, None]:
        query = {"limit": wire.PAGE} | ({"status": status} if status else {})
        return self._pages(wire.documents_at(collection), query)

    def chunks(self, collection: str, document_id: str) -> AsyncGenerator[Chunk, None]:
        return self._pages(f"{wire.documents_at(collection, document_id)}/chunks", {"limit": wire.PAGE})

    async def content(self, collection: str, document_id: str, *, version: int) -> str:
        """The text that offsets count in."""
        path = f"{wire.documents_at(collection, document_id)}/content"
        return (await self._send("GET", path, params={"version": version})).content.decode()

    async def search(
        self, collection: str, query: str, *, top_k: int = 10, mode: str = "hybrid", **options: Any
    ) -> Hits:
        body = {"query": query, "top_k": top_k, "mode": mode, **options}
        found: Hits = await self._call("POST", f"{wire.collection_at(collection)}/search", json=body)
        return found

    def ask(self, question: str, *, collection: str = "default", **options: Any) -> AsyncGenerator[AnswerEvent, None]:
        """The events of the answer as they come, each once; the last one is `done` or `failed`.

        A connection that is cut is made anew, and the answer goes on where it was.
        """
        body = {"question": question, "collection": collection, "stream": True, **options}
        return self._events(wire.Reading(body=body))

    def follow(self, answer_id: str, *, after: str = "") -> AsyncGenerator[AnswerEvent, None]:
        """The events of an answer behind the one with the id `after`, or all."""
        return self._events(wire.Reading(answer_id, after))

    async def answer(self, answer_id: str) -> Answer:
        """As far as it is, or whole."""
        found: Answer = await self._call("GET", f"{wire.ANSWERS}/{answer_id}")
        return found

    async def cancel(self, answer_id: str) -> Answer:
        """Stops it now."""
        found: Answer = await self._call("POST", f"{wire.ANSWERS}/{answer_id}/cancel")
        return found

    async def _events(self, reading: wire.Reading) -> AsyncGenerator[AnswerEvent, None]:
        while True:
            try:
                async with self._http.stream(timeout=self._patience, **reading.begin()) as response:
                    if not reading.is_good(response):
                        await response.aread()
                        for event in reading.refused(response):
                            yield event
                    else:
                        async for piece in response.aiter_bytes():
                            for event in reading.take(piece):
                                yield event
            except httpx.HTTPError as error:
                reading.broke(wire.unreached(self._http.base_url, error))
            if reading.is_over:
                return
            await asyncio.sleep(reading.pause_s())

    async def _pages(self, path: str, query: dict[str, Any]) -> AsyncGenerator[Any, None]:
        cursor = None
        while True:
            page = await self._call("GET", path, params=query | ({"cursor": cursor} if cursor else {}))
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if not cursor:
                return

    async def _call(self, method: str, path: str, **options: Any) -> Any:
        return wire.json_of(await self._send(method, path, **options))

    async def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise wire.unreached(self._http.base_url, error) from error
        if not response.is_success:
            raise wire.error_of(response)
        return response
