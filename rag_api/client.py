"""A client of the HTTP interface. Needs httpx alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from rag_api.eventstream import EventStreamDecoder

FETCH_S = 300.0  # the server has a limit of its own
PAGE = 1_000  # rows of a long list that come together


class ServerError(Exception):
    """The server's own words about what is wrong, with their code and status (0: not reached)."""

    def __init__(self, message: str, *, code: str, status: int, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.details = details


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """One event of an answer: `started`, `retrieved`, `reasoning`, `text`, `citation`, `reset`, `done` or `failed`."""

    name: str
    data: dict[str, Any]


class Client:
    """Blocking. Use as a context manager, or `close` it. Every call may raise ServerError."""

    def __init__(self, base_url: str, *, key: str = "", timeout_s: float = 60.0) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=timeout_s, trust_env=False)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    @property
    def url(self) -> str:
        return str(self._http.base_url).rstrip("/")

    def move(self, base_url: str) -> None:
        """The server is at another address now."""
        self._http.base_url = httpx.URL(base_url)

    def readiness(self) -> dict[str, Any]:
        """`{"status", "checks"}`, also when the server is not ready."""
        try:
            response = self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise _unreached(self._http, error) from error
        if response.status_code not in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE):
            raise _error(response)
        found: dict[str, Any] = response.json()
        return found

    def upload(
        self,
        collection: str,
        files: Sequence[tuple[str, Path]],
        *,
        source: str = "",
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Sends files, each as (name, path); a row for each. Jobs go on in the background.

        `source`, which is the name unless given, and `title` are for one file, `metadata` for all. Files are read as
        they are sent. Raises OSError for one that can't be.
        """
        form = {"source": source, "title": title, "metadata": json.dumps(metadata) if metadata else ""}
        with ExitStack() as stack:
            parts = [("files", (name, stack.enter_context(path.open("rb")))) for name, path in files]
            return self._add(collection, files=parts, data={name: value for name, value in form.items() if value})

    def add_url(
        self, collection: str, url: str, *, source: str = "", title: str = "", timeout_s: float = FETCH_S
    ) -> dict[str, Any]:
        """Has the server fetch a page; its row."""
        [row] = self._add(collection, json={"url": url, "source": source, "title": title}, timeout=timeout_s)
        return row

    def _add(self, collection: str, **body: Any) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = self._call("POST", _documents(collection), **body)["documents"]
        except ServerError as error:
            if error.code != "nothing_accepted":
                raise
            return [{"document_id": None, "job_id": None, "status": "rejected", **row} for row in error.details]
        return rows

    def change(self, collection: str, document_id: str, **values: Any) -> dict[str, Any]:
        """`title`, `metadata` or `acl`, each replacing what was."""
        return self._call("PATCH", f"{_documents(collection)}/{document_id}", json=values)

    def delete(self, collection: str, document_id: str) -> dict[str, Any]:
        return self._call("DELETE", f"{_documents(collection)}/{document_id}")

    def delete_where(self, collection: str, filter: Mapping[str, Any]) -> dict[str, Any]:
        """`{"count", "documents"}` of what the filter matched."""
        return self._call("DELETE", _documents(collection), params={"filter": json.dumps(filter)})

    def create_collection(self, name: str, description: str = "", *, embedder: str | None = None) -> dict[str, Any]:
        body = {"name": name, "description": description, "embedder": embedder}
        return self._call("POST", "/api/v1/collections", json=body)

    def collection(self, name: str) -> dict[str, Any]:
        return self._call("GET", f"/api/v1/collections/{name}")

    def delete_collection(self, name: str) -> dict[str, Any]:
        return self._call("DELETE", f"/api/v1/collections/{name}")

    def stats(self) -> dict[str, Any]:
        return self._call("GET", "/api/v1/stats")

    def jobs(self, *, state: str | None = None) -> Iterator[dict[str, Any]]:
        """The newest first."""
        return self._pages("/api/v1/jobs", {"state": state} if state else {})

    def reindex(self, collection: str, *, embedder: str | None = None, back: bool = False) -> dict[str, Any]:
        """The job that builds the new index and switches to it."""
        body = {"embedder": embedder, "back": back}
        return self._call("POST", f"/api/v1/collections/{collection}/reindex", json=body)

    def purge(self) -> dict[str, Any]:
        """The job that takes everything deleted out of all files."""
        return self._call("POST", "/api/v1/purge")

    def job(self, job_id: str) -> dict[str, Any]:
        return self._call("GET", f"/api/v1/jobs/{job_id}")

    def collections(self) -> Iterator[dict[str, Any]]:
        return self._pages("/api/v1/collections", {})

    def documents(self, collection: str, *, status: str | None = None) -> Iterator[dict[str, Any]]:
        return self._pages(_documents(collection), {"limit": PAGE} | ({"status": status} if status else {}))

    def chunks(self, collection: str, document_id: str) -> Iterator[dict[str, Any]]:
        return self._pages(f"{_documents(collection)}/{document_id}/chunks", {"limit": PAGE})

    def content(self, collection: str, document_id: str, *, version: int) -> str:
        """The text that offsets count in."""
        path = f"{_documents(collection)}/{document_id}/content"
        return self._send("GET", path, params={"version": version}).content.decode()

    def search(
        self, collection: str, query: str, *, top_k: int = 10, mode: str = "hybrid", **options: Any
    ) -> dict[str, Any]:
        body = {"query": query, "top_k": top_k, "mode": mode, **options}
        return self._call("POST", f"/api/v1/collections/{collection}/search", json=body)

    def ask(self, question: str, *, collection: str = "default", **options: Any) -> Iterator[AnswerEvent]:
        """The events of the answer as they come; the last one is `done` or `failed`."""
        body = {"question": question, "collection": collection, "stream": True, **options}
        decoder = EventStreamDecoder()
        try:
            with self._http.stream("POST", "/api/v1/answers", json=body) as response:
                if not response.is_success:
                    response.read()
                    raise _error(response)
                for piece in response.iter_bytes():
                    for event in decoder.feed(piece):
                        yield AnswerEvent(event.event, httpx.Response(200, content=event.data).json())
        except httpx.HTTPError as error:
            raise _unreached(self._http, error) from error

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            page = self._call("GET", path, params=query | ({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._send(method, path, **options).json()
        return found

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise _unreached(self._http, error) from error
        if not response.is_success:
            raise _error(response)
        return response


def _documents(collection: str) -> str:
    return f"/api/v1/collections/{collection}/documents"


def _error(response: httpx.Response) -> ServerError:
    try:
        error = response.json()["error"]
        return ServerError(
            error["message"], code=error["code"], status=response.status_code, details=error.get("details", ())
        )
    except (ValueError, KeyError, TypeError):
        message = f"{response.url} answers {response.status_code}: {response.text[:200]}"
        return ServerError(message, code="unknown", status=response.status_code)


def _unreached(http: httpx.Client, error: httpx.HTTPError) -> ServerError:
    message = f"the server at {http.base_url} can't be reached ({type(error).__name__}: {error})"
    return ServerError(message, code="unreachable", status=0)
