"""What the two clients share: addresses, bodies, errors, and how a stream that was cut goes on."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from rag_api.client_values import AnswerEvent, ServerError, UploadRow
from rag_api.eventstream import EventStreamDecoder

API = "/api/v1"
ANSWERS = f"{API}/answers"
FETCH_S = 300.0  # the server has a limit of its own
SILENT_S = 35.0  # it sends a comment every 10 s, so a stream that is silent for so long is dead
PAGE = 1_000  # rows of a long list that come together
TRIES = 8  # to go on with a stream, one after the other without an event
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
PASSING = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT)
LOST = {
    "code": "interrupted",
    "message": "the server has ended meanwhile, and knows nothing of the answer any more; ask again",
    "request_id": None,
}
Progress = Callable[[int, int], None]


def collection_at(name: str) -> str:
    return f"{API}/collections/{name}"


def documents_at(collection: str, document_id: str = "") -> str:
    return f"{collection_at(collection)}/documents" + (f"/{document_id}" if document_id else "")


def as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(value)


def authorization(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def error_of(response: httpx.Response) -> ServerError:
    try:
        error = response.json()["error"]
        return ServerError(
            error["message"], code=error["code"], status=response.status_code, details=error.get("details", ())
        )
    except (ValueError, KeyError, TypeError):
        message = f"{response.url} answers {response.status_code}: {response.text[:200]}"
        return ServerError(message, code="unknown", status=response.status_code)


def json_of(response: httpx.Response) -> Any:
    """Raises ServerError for what is no JSON."""
    try:
        return response.json()
    except ValueError as error:
        message = f"{response.url} answers with something that is no JSON; is it another program's address?"
        raise ServerError(message, code="unknown", status=response.status_code) from error


def unreached(base_url: httpx.URL, error: httpx.HTTPError) -> ServerError:
    message = f"the server at {base_url} can't be reached ({type(error).__name__}: {error})"
    return ServerError(message, code="unreachable", status=0)


def rejected(error: ServerError) -> list[UploadRow]:
    """The rows of an upload of which nothing was taken. Raises the error when it is another."""
    if error.code != "nothing_accepted":
        raise error
    return [
        UploadRow(document_id=None, filename=row["filename"], job_id=None, status="rejected", error=row["error"])
        for row in error.details
    ]


class Form:
    """Files and fields of an upload. The files are open until the end of the block; `progress` is told of the bytes
    that were read of them, and of all."""

    def __init__(self, files: Sequence[tuple[str, Path]], progress: Progress | None, **fields: str) -> None:
        self._files, self._progress = files, progress
        self.data = {name: value for name, value in fields.items() if value}
        self._sent = 0

    def __enter__(self) -> "Form":
        with ExitStack() as stack:
            opened = [(name, stack.enter_context(_Counted(path, self._count))) for name, path in self._files]
            self._total = sum(path.stat().st_size for _, path in self._files)
            self.files = [("files", part) for part in opened]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _count(self, read: int) -> None:
        self._sent += read
        if self._progress and read:
            self._progress(self._sent, self._total)


class _Counted(io.FileIO):
    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        super().__init__(path)
        self._tell_of = tell

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size) or b""
        self._tell_of(len(data))
        return data


class Reading:
    """An answer's events, over as many connections as it takes; `after` is the id of the last one that was seen."""

    def __init__(self, answer_id: str = "", after: str = "", *, body: Mapping[str, Any] | None = None) -> None:
        self._answer_id, self._after, self._body = answer_id, after, body
        self._failures = 0
        self._broken: ServerError | None = None
        self.is_over = False

    def begin(self) -> dict[str, Any]:
        """The request for what is missing."""
        self._decoder = EventStreamDecoder()
        if not self._answer_id:
            return {"method": "POST", "url": ANSWERS, "json": self._body}
        headers = {"Last-Event-ID": self._after} if self._after else {}
        return {"method": "GET", "url": f"{ANSWERS}/{self._answer_id}/events", "headers": headers}

    def is_good(self, response: httpx.Response) -> bool:
        """Whether events follow, or all was seen. Not so of an error, which may pass when the answer has begun."""
        self.is_over = response.status_code == httpx.codes.NO_CONTENT
        return response.is_success

    def refused(self, response: httpx.Response) -> list[AnswerEvent]:
        """The end of an answer that the server has lost since. Raises the error unless it may pass."""
        if self._after and response.status_code == httpx.codes.NOT_FOUND:
            self.is_over = True
            return [AnswerEvent("failed", {"error": LOST}, self._after)]
        self.broke(error_of(response))
        if not self._answer_id or response.status_code not in PASSING:
            raise error_of(response)
        return []

    def broke(self, error: ServerError) -> None:
        """Raises the error when it is of no use to try again."""
        self._broken = error
        self._failures += 1
        if not self._answer_id or self._failures >= TRIES:
            raise error

    def take(self, piece: bytes) -> list[AnswerEvent]:
        found = [AnswerEvent(event.event, json.loads(event.data), event.id) for event in self._decoder.feed(piece)]
        for event in found:
            self._failures = 0
            self._after = event.id
            self._answer_id = event.id.rpartition(":")[0] or self._answer_id
            self.is_over = event.name in ("done", "failed")
        return found

    def pause_s(self) -> float:
        """Before the next try. Raises ServerError when a stream ended without its end once too often."""
        if self._broken is None:
            self.broke(ServerError("the answer's stream ended without its end", code="unreachable", status=0))
        self._broken = None
        return min(FIRST_PAUSE_S * (1 << max(0, self._failures - 1)), LONGEST_PAUSE_S)
