"""What each operation is for, what it is sent and what it answers, by its method and path."""

from collections.abc import Mapping
from typing import Any

from rag_api.web.openapi.values import (
    ANSWER,
    ANSWER_ID,
    CHUNK,
    COLLECTION,
    CONVERSATION,
    CONVERSATION_ID,
    DOCUMENT,
    DOCUMENT_ID,
    EVALUATION,
    EVALUATION_ID,
    GATE_OF_COLLECTION,
    HIT,
    JOB,
    JOB_ID,
    KEY,
    QUESTION,
    RECEIPT,
    REPORT,
    SENTENCE,
    SOURCE,
    TITLE,
    USAGE,
    VERSION,
    WHEN,
)
from rag_api.web.openapi.wires import WIRE_BODIES, WIRE_REPLIES, WIRE_STREAMS

JSON = "application/json"
_COLLECTIONS, _DOCUMENTS = "/api/v1/collections", "/api/v1/collections/{collection}/documents"
_ONE, _DOCUMENT = f"{_COLLECTIONS}/{{collection}}", f"{_DOCUMENTS}/{{document_id}}"
_JOB, _ANSWER = "/api/v1/jobs/{job_id}", "/api/v1/answers/{answer_id}"
_CONVERSATIONS = "/api/v1/conversations"
_CONVERSATION = f"{_CONVERSATIONS}/{{conversation_id}}"
_NATIVE = ("started", "retrieved", "reasoning", "text", "citation", "reset", "done", "failed")

# of those whose function says nothing, as its name says all
DESCRIPTIONS: Mapping[str, str] = {
    f"GET {_COLLECTIONS}": "The collections by their names.",
    f"POST {_COLLECTIONS}": "A new, empty collection.",
    f"GET {_ONE}": "The collection, and how it decides whether its passages can answer.",
    f"PATCH {_ONE}": "Changes what is given and leaves the rest.",
    f"DELETE {_ONE}": "Nothing of it is visible when this returns; its name is free, its data is purged after.",
    f"POST {_DOCUMENTS}": "Takes files, a text or a URL, each to become a document; a job for each goes on from there.",
    f"GET {_DOCUMENTS}": "The documents by when they came.",
    f"GET {_DOCUMENT}": "The document as it is shown now.",
    f"DELETE {_DOCUMENT}": "Nothing of it is found or shown any more when this returns; the receipt says what it was.",
    f"GET {_DOCUMENT}/chunks": "The chunks in the order of the text; `text` is `content[start:end]`.",
    f"POST {_ONE}/search": "The chunks that fit a question best, by both indexes or by one.",
    "GET /api/v1/jobs": "The jobs, the last one first.",
    f"GET {_JOB}": "How far the job is, and why it failed if it did.",
    f"POST {_JOB}/cancel": "Ends a job that waits or runs; what it has published stays.",
    f"POST {_JOB}/retry": "Starts a job that failed or was cancelled again.",
    f"POST {_CONVERSATIONS}": "A new conversation. Answers name it to see its earlier turns.",
    f"PATCH {_CONVERSATION}": "Gives it another title.",
    "GET /v1/models/{model}": "One of the models of `/v1/models`.",
    "GET /metrics": "Counters and times in the text format of Prometheus.",
    "GET /api/v1/stats": "How much there is.",
}
PARAMETERS: Mapping[str, tuple[str, Any]] = {
    "collection": ("the collection's name", "handbook"),
    "document_id": ("of a document of the collection", DOCUMENT_ID),
    "job_id": ("of a job", JOB_ID),
    "answer_id": ("of an answer", ANSWER_ID),
    "conversation_id": ("of a conversation", CONVERSATION_ID),
    "evaluation_id": ("of an evaluation that was kept", EVALUATION_ID),
    "chat_id": ("the chat's id, as its front end names it", "chat-1"),
    "model": ("`rag`, or `rag:` and the name of a collection", "rag:handbook"),
    "limit": ("how many items at most", 100),
    "cursor": ("`next_cursor` of the page before", None),
    "status": ("only documents in this state", "ready"),
    "state": ("only jobs in this state", "failed"),
    "version": ("an earlier version that is still there; unset: the current one", 1),
    "inline": ("lets a browser show a PDF instead of saving it", False),
    "filter": ("on metadata, as JSON", '{"year": {"$lt": 2020}}'),
    "after": ("the `seq` of the last event that was seen", 0),
    "last-event-id": ("the id of the last event that was seen; it goes before `after`", f"{ANSWER_ID}:7"),
    "cache-control": ("`no-store` makes the answer anew", "no-store"),
    "key_id": ("of a key, as the list names it", KEY["key_id"]),
    "days": ("how many days back, today among them", 30),
    "rating": ("only answers so rated: 1 good, -1 bad", 1),
}
BODIES: Mapping[tuple[str, str], Any] = {
    (f"POST {_COLLECTIONS}", JSON): {"name": "handbook", "description": COLLECTION["description"]},
    (f"PATCH {_ONE}", JSON): {"description": "What applies to all", "answer_threshold": 0.3},
    (f"POST {_DOCUMENTS}", JSON): {"text": f"# {TITLE}\n\n{SENTENCE}", "title": TITLE, "source": SOURCE},
    (f"POST {_DOCUMENTS}", "multipart/form-data"): {"files": ["(the bytes of a file)"], "metadata": '{"year": 2025}'},
    (f"PATCH {_DOCUMENT}", JSON): {"metadata": {"year": 2025}, "acl": ["staff"]},
    (f"POST {_ONE}/search", JSON): {"query": QUESTION, "top_k": 5, "filter": {"year": {"$gte": 2024}}},
    (f"POST {_ONE}/reindex", JSON): {"embedder": "BAAI/bge-small-en-v1.5"},
    ("POST /api/v1/answers", JSON): {"question": QUESTION, "collection": "handbook"},
    (f"POST {_CONVERSATIONS}", JSON): {"title": "Expenses"},
    (f"PATCH {_CONVERSATION}", JSON): {"title": "Expenses of 2025"},
    (f"POST {_ANSWER}/feedback", JSON): {"rating": 1, "comment": "just what I asked"},
    ("POST /api/v1/keys", JSON): {name: KEY[name] for name in ("name", "role", "collections", "groups")},
    **WIRE_BODIES,
}


def _page(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"items": [item], "next_cursor": None}


_UPLOADED = {"document_id": DOCUMENT_ID, "filename": SOURCE, "job_id": JOB_ID, "status": "queued", "error": None}
_RATED = {"answer_id": ANSWER_ID, "rating": 1, "comment": "just what I asked"}
REPLIES: Mapping[str, tuple[str, Any]] = {
    f"GET {_COLLECTIONS}": (JSON, _page(COLLECTION)),
    f"POST {_COLLECTIONS}": (JSON, COLLECTION),
    f"GET {_ONE}": (JSON, COLLECTION | {"gate": GATE_OF_COLLECTION}),
    f"PATCH {_ONE}": (JSON, COLLECTION | {"gate": GATE_OF_COLLECTION}),
    f"DELETE {_ONE}": (JSON, {"name": "handbook", "purged": False}),
    f"POST {_DOCUMENTS}": (JSON, {"documents": [_UPLOADED]}),
    f"GET {_DOCUMENTS}": (JSON, _page(DOCUMENT)),
    f"DELETE {_DOCUMENTS}": (JSON, {"count": 1, "documents": [RECEIPT]}),
    f"GET {_DOCUMENT}": (JSON, DOCUMENT),
    f"PATCH {_DOCUMENT}": (JSON, DOCUMENT),
    f"DELETE {_DOCUMENT}": (JSON, RECEIPT),
    f"GET {_DOCUMENT}/versions": (JSON, _page(VERSION)),
    f"GET {_DOCUMENT}/content": ("text/plain", f"# {TITLE}\n\n{SENTENCE}"),
    f"GET {_DOCUMENT}/file": ("application/octet-stream", "(the bytes as they were uploaded)"),
    f"GET {_DOCUMENT}/chunks": (JSON, _page(CHUNK)),
    f"POST {_ONE}/search": (JSON, {"hits": [HIT], "took_ms": 9.4, "degraded": []}),
    "GET /api/v1/jobs": (JSON, _page(JOB)),
    f"GET {_JOB}": (JSON, JOB),
    f"POST {_JOB}/cancel": (JSON, JOB | {"state": "cancelled", "finished_at": WHEN}),
    f"POST {_JOB}/retry": (JSON, JOB | {"state": "queued", "stage": "queued"}),
    f"POST {_ONE}/reindex": (JSON, JOB | {"kind": "reindex", "document_id": None, "source": "handbook"}),
    "POST /api/v1/purge": (JSON, JOB | {"kind": "purge", "document_id": None, "source": ""}),
    "POST /api/v1/answers": (JSON, ANSWER),
    f"GET {_ANSWER}": (JSON, ANSWER),
    f"POST {_ANSWER}/cancel": (JSON, ANSWER | {"outcome": "cancelled"}),
    f"GET {_CONVERSATIONS}": (JSON, _page(CONVERSATION)),
    f"POST {_CONVERSATIONS}": (JSON, CONVERSATION),
    f"GET {_CONVERSATION}": (JSON, CONVERSATION | {"answers": [ANSWER | {"conversation_id": CONVERSATION_ID}]}),
    f"PATCH {_CONVERSATION}": (JSON, CONVERSATION),
    f"DELETE {_CONVERSATION}": (JSON, {"conversation_id": CONVERSATION_ID}),
    f"POST {_ANSWER}/feedback": (JSON, _RATED),
    "GET /api/v1/feedback": (JSON, _page(_RATED | {"created_at": WHEN, "answer": ANSWER})),
    "GET /api/v1/feedback/questions": (
        "application/x-ndjson",
        f'{{"question": "{QUESTION}", "documents": ["{SOURCE}"]}}',
    ),
    f"POST {_DOCUMENT}/ingest": (JSON, _UPLOADED),
    "GET /api/v1/usage": (JSON, {"since": WHEN, "total": USAGE, "days": [USAGE | {"day": WHEN[:10]}]}),
    "GET /api/v1/evaluations": (JSON, _page(EVALUATION)),
    "GET /api/v1/evaluations/{evaluation_id}": (JSON, REPORT),
    "GET /api/v1/evaluations/{evaluation_id}/page": ("text/html", "<!DOCTYPE html>\n<html>…</html>"),
    "GET /api/v1/models": (
        JSON,
        {"items": [{"name": "llama3.1", "kind": "chat_completions", "default": True}], "next_cursor": None},
    ),
    "GET /api/v1/keys": (JSON, _page(KEY)),
    "POST /api/v1/keys": (JSON, KEY | {"secret": "rag_mZ2kQv7cH1xT9bLs0WdYp4RjUeNfGa6iOqXkVtCyB5M"}),
    "DELETE /api/v1/keys/{key_id}": (JSON, KEY | {"revoked": True}),
    "GET /livez": (JSON, {"status": "ok", "version": "0.1.0"}),
    "GET /readyz": (JSON, {"status": "ready", "checks": {"catalogue": "ok", "embedder": "ok", "worker": "ok"}}),
    "GET /metrics": ("text/plain", 'rag_requests_total{route="/livez",method="GET",status="200"} 1.0'),
    "GET /api/v1/stats": (
        JSON,
        {
            "collections": 1,
            "documents": 24,
            "chunks": 184,
            "vectors": 184,
            "jobs": {"queued": 0, "done": 24},
            "bytes": {"catalogue": 1_490_944, "files": 880_412, "chroma": None},
        },
    ),
    **WIRE_REPLIES,
}
_TEXT = f'event: text\nid: {ANSWER_ID}:3\ndata: {{"offset":0,"text":"{SENTENCE} [1]"}}\n\n'
STREAMS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "POST /api/v1/answers": (_NATIVE, _TEXT),
    f"GET {_ANSWER}/events": (_NATIVE, _TEXT),
    f"GET {_JOB}/events": (("progress",), f'event: progress\ndata: {{"job_id":"{JOB_ID}","state":"running"}}\n\n'),
    "GET /api/v1/pace": ((), 'event: tick\ndata: {"tick":1}\n\n'),
    **WIRE_STREAMS,
}
