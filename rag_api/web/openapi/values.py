"""One document, question and answer, as everything here tells of them."""

from typing import Any, Final

WHEN: Final = "2025-03-01T09:00:00.000+00:00"
DOCUMENT_ID: Final = "doc_e108471e19a641b28bf8b8b086c34a28"
ANSWER_ID: Final = "ans_9a93d1ec336842b180e45574eee4dad0"
JOB_ID: Final = "job_8ac172a160b24585b247d521b8db20c4"
CONVERSATION_ID: Final = "conv_a7fcdebed13841c09247dd43cd43d5f3"
EVALUATION_ID: Final = "eval_20250301T090000000000"
REQUEST_ID: Final = "5f1c9b1f4c6e4b7d8a7d0f3c2b1a9e8d"
QUESTION: Final = "Who approves an expense of more than £400?"
SENTENCE: Final = "A claim above £400 must be approved by the Managing Director."
SOURCE: Final = "staff-handbook.md"
TITLE: Final = "Staff handbook"

COLLECTION: dict[str, Any] = {
    "name": "handbook",
    "description": "What applies to the staff",
    "metadata": {"team": "people"},
    "embedder": "all-MiniLM-L6-v2",
    "created_at": WHEN,
    "prompts": {},
}
GATE_OF_COLLECTION: dict[str, Any] = {
    "mode": "auto",
    "threshold": 0.29,
    "is_own": False,
    "unrelated": 0.21,
    "chunks": 184,
    "measured_at": WHEN,
    "separation": None,
    "drawn": None,
    "is_trusted": None,
}
KEY: dict[str, Any] = {
    "key_id": "key_5b0e6f3f6a554c0c8d7a6c1f8f1f6f0e",
    "name": "intranet search",
    "prefix": "rag_mZ2kQv7c",
    "role": "reader",
    "collections": ["handbook"],
    "groups": ["staff"],
    "created_at": WHEN,
    "last_used_at": None,
    "expires_at": None,
    "revoked": False,
}
DOCUMENT: dict[str, Any] = {
    "document_id": DOCUMENT_ID,
    "source": SOURCE,
    "title": TITLE,
    "media_type": "text/markdown",
    "version": 1,
    "status": "ready",
    "chunks": 12,
    "bytes": 6172,
    "pages": None,
    "metadata": {"year": 2025},
    "acl": [],
    "sha256": "0d85bf0bd15f9b9768e3f6b7c5cfa8fa34e4948e83cb2dbadc2fc87732e9d6e5",
    "created_at": WHEN,
    "updated_at": WHEN,
    "error": None,
}
VERSION: dict[str, Any] = {
    **{name: DOCUMENT[name] for name in ("version", "status", "media_type", "chunks", "bytes", "sha256", "created_at")},
    "is_current": True,
    "error": None,
}
JOB: dict[str, Any] = {
    "job_id": JOB_ID,
    "kind": "ingest",
    "document_id": DOCUMENT_ID,
    "source": SOURCE,
    "state": "running",
    "stage": "embed",
    "chunks_done": 6,
    "chunks_total": 12,
    "documents_done": 0,
    "documents_total": 1,
    "failures": [],
    "attempts": 1,
    "error": None,
    "created_at": WHEN,
    "started_at": WHEN,
    "finished_at": None,
}
_PLACE: dict[str, Any] = {"chunk_id": f"{DOCUMENT_ID}:1:6", "document_id": DOCUMENT_ID, "version": 1}
_CHUNK: dict[str, Any] = _PLACE | {
    "title": TITLE,
    "source": SOURCE,
    "page": None,
    "section": "6. Expenses",
    "start": 2855,
    "end": 2916,
}
SCORES: dict[str, Any] = {"dense": 0.62, "lexical": 0.6, "fused": 0.61, "rerank": None}
HIT: dict[str, Any] = (
    {"rank": 1, "score": 0.61, "scores": SCORES} | _CHUNK | {"text": SENTENCE, "metadata": {"year": 2025}, "also": []}
)
PASSAGE: dict[str, Any] = {"n": 1} | _CHUNK | {"score": 0.61, "text": SENTENCE}
CHUNK: dict[str, Any] = {
    "chunk_id": f"{DOCUMENT_ID}:1:6",
    "index": 6,
    "start": 2855,
    "end": 2916,
    "page": None,
    "section": "6. Expenses",
    "text": SENTENCE,
}
CITATION: dict[str, Any] = {
    "n": 1,
    "answer_start": 0,
    "answer_end": 61,
    **_PLACE,
    "start": 2855,
    "end": 2916,
    "page": None,
    "quote": SENTENCE,
    "verdict": "supported",
    "score": 1.0,
}
DONE: dict[str, Any] = {
    "outcome": "answered",
    "finish_reason": "stop",
    "text": f"{SENTENCE} [1]",
    "usage": None,
    "timings_ms": {"retrieve": 9.4, "compare": 2.1, "first_text": 12.0, "total": 12.9},
    "grounding": {"supported": 1, "partial": 0, "unsupported": 0},
    "gate": {
        "score": 0.52,
        "threshold": 0.29,
        "passed": True,
        "evidence": {"closeness": 0.31, "sentence": 0.37, "kind": 1.0, "missing": 0.0},
        "caution": None,
    },
    "model": "extractive",
    "cached": False,
}
ANSWER: dict[str, Any] = {
    "answer_id": ANSWER_ID,
    "conversation_id": None,
    "parent_id": None,
    "question": QUESTION,
    "prompts": "24bd745c694d",
    "collection": "handbook",
    **DONE,
    "citations": [CITATION],
    "passages": [PASSAGE],
    "error": None,
}
ERROR: dict[str, Any] = {
    "error": {
        "code": "embedder_unavailable",
        "message": "the embedder can't be reached (ConnectError); it may be starting: try again in a moment",
        "request_id": REQUEST_ID,
    }
}
RECEIPT: dict[str, Any] = {"document_id": DOCUMENT_ID, "chunks": 12, "vectors": 12, "bytes": 6172, "purged": False}
CONVERSATION: dict[str, Any] = {
    "conversation_id": CONVERSATION_ID,
    "title": "Expenses",
    "created_at": WHEN,
    "updated_at": WHEN,
}
USAGE: dict[str, Any] = {
    "answers": 12,
    "outcomes": {"answered": 10, "no_answer": 2},
    "cached": 1,
    "prompt_tokens": 14200,
    "completion_tokens": 830,
    "cost": None,
    "first_text_ms": {"p50": 14.2, "p95": 31.0},
    "total_ms": {"p50": 15.1, "p95": 35.8},
}
_RUN: dict[str, Any] = {
    "name": "this run",
    "server": "http://127.0.0.1:8000",
    "made_at": WHEN,
    "configuration": {"collection": "handbook", "top_k": 10, "mode": "hybrid"},
    "concurrency": 4,
    "with_answers": False,
}
_FIGURE: dict[str, Any] = {
    "name": "ndcg@10",
    "label": "their order in the first 10",
    "unit": "share",
    "value": 0.91,
    "low": 0.87,
    "high": 0.95,
    "questions": 100,
}
_COUNTS: dict[str, Any] = {"questions": 100, "answerable": 100, "failures": {}, "degraded": 0, "missing": 0}
_OF_REPORT: dict[str, Any] = {
    "origin": "questions.jsonl",
    "seed": 0,
    "notes": [],
    "differences": [],
    "gate": [{"name": "ndcg@10", "is_ok": True, "said": "ndcg@10 is 91.0 %, wanted >= 90.0 %"}],
    "against": None,
}
EVALUATION: dict[str, Any] = (
    {"evaluation_id": EVALUATION_ID, "is_whole": True} | _RUN | {"figures": [_FIGURE], "counts": _COUNTS} | _OF_REPORT
)
REPORT: dict[str, Any] = (
    {"format": 1} | _OF_REPORT | {"figures": [_FIGURE], "counts": _COUNTS, "run": _RUN | {"outcomes": []}}
)
