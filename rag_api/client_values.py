"""What the clients give: the interface's JSON as it is, typed. Newer servers may send more."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict


class ServerError(Exception):
    """The server's own words about what is wrong, with their code and status (0: not reached)."""

    def __init__(self, message: str, *, code: str, status: int, details: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.details = details


@dataclass(frozen=True, slots=True)
class AnswerEvent:
    """One event of an answer: `started`, `retrieved`, `reasoning`, `text`, `citation`, `reset`, `done` or `failed`.

    `id` is what `follow` takes to go on behind it."""

    name: str
    data: dict[str, Any]
    id: str = ""


class Problem(TypedDict):
    code: str
    message: str


class Readiness(TypedDict):
    status: str
    checks: dict[str, str]


class Stats(TypedDict):
    collections: int
    documents: int
    chunks: int
    vectors: int
    jobs: dict[str, int]
    bytes: dict[str, int | None]


class Key(TypedDict):
    key_id: str
    name: str
    prefix: str
    role: str
    collections: list[str] | None
    groups: list[str]
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    revoked: bool


class NewKey(Key):
    secret: str


class UploadRow(TypedDict):
    document_id: str | None
    filename: str
    job_id: str | None
    status: str
    error: Problem | None


class Document(TypedDict):
    document_id: str
    source: str
    title: str
    media_type: str
    version: int
    status: str
    chunks: int
    bytes: int
    pages: int | None
    metadata: dict[str, Any]
    acl: list[str]
    sha256: str
    created_at: str
    updated_at: str
    error: Problem | None


class Place(TypedDict):
    """Characters `start` to `end` of a document's text."""

    chunk_id: str
    page: int | None
    section: str
    start: int
    end: int


class Chunk(Place):
    index: int
    text: str


class Receipt(TypedDict):
    document_id: str
    chunks: int
    vectors: int
    bytes: int
    purged: bool


class Receipts(TypedDict):
    count: int
    documents: list[Receipt]


class Collection(TypedDict):
    name: str
    description: str
    metadata: dict[str, Any]
    embedder: str | None
    created_at: str
    prompts: dict[str, str]
    gate: NotRequired[dict[str, Any]]


class Job(TypedDict):
    job_id: str
    kind: str
    document_id: str | None
    source: str
    state: str
    stage: str
    chunks_done: int
    chunks_total: int
    documents_done: int
    documents_total: int
    failures: list[dict[str, Any]]
    attempts: int
    error: Problem | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Found(Place):
    document_id: str
    version: int
    title: str
    source: str
    score: float
    text: str


class Hit(Found):
    rank: int
    scores: dict[str, float | None]
    metadata: dict[str, Any]
    also: list[dict[str, str]]


class Hits(TypedDict):
    hits: list[Hit]
    took_ms: float
    degraded: list[str]
    explain: NotRequired[dict[str, Any]]


class Passage(Found):
    n: int


class Citation(TypedDict):
    n: int
    answer_start: int
    answer_end: int
    chunk_id: str
    document_id: str
    version: int
    start: int
    end: int
    page: int | None
    quote: str
    verdict: str
    score: float


class Answer(TypedDict):
    answer_id: str
    conversation_id: str | None
    parent_id: str | None
    question: str
    collection: str
    model: str
    text: str
    outcome: str | None
    finish_reason: str | None
    citations: list[Citation]
    passages: list[Passage]
    usage: dict[str, Any] | None
    timings_ms: dict[str, float]
    grounding: dict[str, int]
    gate: dict[str, Any] | None
    cached: bool
    error: Problem | None
