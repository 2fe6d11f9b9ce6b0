"""Rows as the services see them."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson

from rag_api.errors import InvalidCursor

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CollectionRow:
    id: str
    name: str
    description: str
    metadata: Mapping[str, Any]
    generation_id: str
    previous_generation_id: str | None
    created_at: str
    changed: int  # counts the changes of what a search may find
    prompts: Mapping[str, str] | None  # templates of its own by name
    embedder: str | None  # the model of the generation in use, once it is known


@dataclass(frozen=True, slots=True)
class GenerationRow:
    id: str
    collection_id: str
    model: str | None
    fingerprint: str | None
    dimension: int | None
    splitter: str | None
    rebuilt: int | None
    to_rebuild: int | None

    @property
    def is_whole(self) -> bool:
        return self.to_rebuild is None


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document by its current version, or by its newest one when none has been published.

    `sha256` and `error` are the newest version's.
    """

    document_id: str
    source: str
    title: str
    media_type: str
    version: int
    status: str
    chunks: int
    bytes: int
    pages: int | None
    metadata: Mapping[str, Any]
    acl: Sequence[str]
    sha256: str
    created_at: str
    updated_at: str
    error: Mapping[str, str] | None
    file: str | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version of a document that has not been replaced; the current one is served."""

    version: int
    status: str
    is_current: bool
    media_type: str
    chunks: int
    bytes: int
    sha256: str
    created_at: str
    error: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class JobRow:
    id: str
    kind: str
    collection_id: str | None
    generation_id: str | None
    document_id: str | None
    version: int | None
    source: str
    title: str
    media_type: str
    file: str
    metadata: Mapping[str, Any]
    acl: Sequence[str]
    state: str
    stage: str
    chunks_done: int
    chunks_total: int
    documents_done: int
    documents_total: int
    failures: Sequence[Mapping[str, Any]]
    attempts: int
    error_code: str | None
    error_message: str | None
    cancel: bool
    created_at: str
    started_at: str | None
    finished_at: str | None
    owner: str
    groups: Sequence[str] | None  # of the owner; None: it sees every document


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: list[T]
    next_cursor: str | None


def encode_cursor(name: str, *place: str) -> str:
    """Of a place, in created-at and id, in the list of that name."""
    return base64.urlsafe_b64encode(orjson.dumps([name, *place])).decode().rstrip("=")


def decode_cursor(name: str, cursor: str) -> tuple[str, str]:
    try:
        place = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError as error:
        raise InvalidCursor(cursor) from error
    match place:
        case [str(of), str(created_at), str(id_)] if of == name:
            return created_at, id_
    raise InvalidCursor(cursor)


def error_of(code: str | None, message: str | None) -> Mapping[str, str] | None:
    return {"code": code, "message": message or ""} if code else None
