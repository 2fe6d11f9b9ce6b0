"""What OpenAI's wires have in common: names, errors, usage, sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from rag_api.core.events import Citation
from rag_api.core.hits import Passage
from rag_api.core.ports import Usage
from rag_api.errors import ModelNotFound

MODEL = "rag"
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_LENGTH = ("length", "max_tokens")


@dataclass(frozen=True, slots=True)
class Reply:
    """What every object of one reply repeats. `site`: this server's address as the client wrote it."""

    answer_id: str
    model: str
    created: int
    site: str


def collection_of(model: str, default: str) -> str:
    """`rag` is the default collection, `rag:<collection>` any. Raises ModelNotFound."""
    kind, _, collection = model.partition(":")
    if kind != MODEL or (":" in model and not collection):
        raise ModelNotFound(model)
    return collection or default


def error(code: str, message: str, status: int, details: Sequence[Mapping[str, Any]] | None) -> dict[str, Any]:
    """In the shape from which OpenAI's clients make their typed errors; `param` is the first that is wrong."""
    named = str(details[0].get("field", "")).removeprefix("body.") if details else ""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"message": message, "type": kind, "code": code, "param": named or None}


def status(native: int) -> int:
    """Their servers answer 400 where ours answers 422."""
    return 400 if native == 422 else native


def is_cut(finish_reason: str | None) -> bool:
    """Whether the language model had more to say than it was allowed to."""
    return finish_reason in _LENGTH


def usage(spent: Usage | None) -> dict[str, Any]:
    """Without a language model nothing was spent."""
    spent = spent or Usage(0, 0, 0)
    return {
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "total_tokens": spent.total_tokens,
        "completion_tokens_details": {"reasoning_tokens": spent.reasoning_tokens or 0},
    }


def url_of(passage: Passage, site: str, collection: str) -> str:
    """Where a person finds the source: on the web if it comes from there, else its text on this server."""
    chunk = passage.chunk
    if chunk.source.startswith(("http://", "https://")):
        return chunk.source
    return f"{site}/api/v1/collections/{quote(collection)}/documents/{quote(chunk.document_id)}/content"


def url_citation(citation: Citation, passage: Passage, url: str, *, shift: int = 0) -> dict[str, Any]:
    """The cited part of the answer; beyond the standard, where in the document it comes from and its verdict."""
    return {
        "type": "url_citation",
        "url_citation": {
            "url": url,
            "title": passage.chunk.title or passage.chunk.source,
            "start_index": citation.answer_start + shift,
            "end_index": citation.answer_end + shift,
            "document_id": citation.document_id,
            "page": citation.page,
            "quote": citation.quote,
            "verdict": citation.verdict,
        },
    }
