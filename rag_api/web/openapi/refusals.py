"""Which errors an operation may answer, each with its status, what it means, and what it says."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rag_api import errors
from rag_api.errors import RagError
from rag_api.web.errors import error_response, reply
from rag_api.web.openapi.values import DOCUMENT_ID, REQUEST_ID

_OPEN = ("/livez", "/readyz")
_STRANGERS = (errors.Unauthenticated(), errors.Forbidden("admin", "reader"), errors.ForeignOrigin("evil.example"))
_WANTED: Mapping[str, RagError] = {
    "collection": errors.CollectionNotFound("handbok"),
    "document_id": errors.DocumentNotFound(DOCUMENT_ID, "handbook"),
    "job_id": errors.JobNotFound("job_0"),
    "answer_id": errors.AnswerNotFound("ans_0"),
    "conversation_id": errors.ConversationNotFound("conv_0"),
    "evaluation_id": errors.EvaluationNotFound("eval_20250301T090000000000"),
    "model": errors.ModelNotFound("rag:handbok"),
    "key_id": errors.KeyNotFound("key_0"),
}
_BUSY = errors.TooBusy("300 texts wait to be embedded already; try again in a moment")
_FULL = errors.StorageFull("the disk of the catalogue has no room left; make some and try again")
_ASKED: Sequence[RagError] = (
    errors.CollectionNotFound("handbok"),
    errors.InvalidFilter("filter.year.$gtt: there is no such operator; use one of $eq, $ne, $gt, $gte, $lt, $lte"),
    errors.QuestionTooLong(9_120, 7_168, 8_192),
    errors.EmbedderUnavailable("the embedder can't be reached (ConnectError); it may be starting: try again"),
    errors.LanguageModelUnavailable("the language model at http://127.0.0.1:11434/v1 can't be reached"),
    errors.LanguageModelTimeout("the language model said nothing for 30 s"),
)
_MORE: Mapping[str, Sequence[RagError]] = {
    "POST /api/v1/collections": (errors.CollectionExists("handbook"), _FULL),
    "POST /api/v1/collections/{collection}/documents": (
        errors.NothingAccepted(()),
        errors.UploadTooLarge(1_073_741_824),
        errors.UrlRefused("http://10.0.0.1/ leads to a private address"),
        _FULL,
    ),
    "GET /api/v1/collections/{collection}/documents/{document_id}/content": (
        errors.ContentGone("version 1 has been replaced by version 2"),
    ),
    "POST /api/v1/collections/{collection}/search": (
        errors.InvalidFilter("filter.year.$gtt: there is no such operator"),
        errors.EmbedderUnavailable("the embedder can't be reached (ConnectError); it may be starting: try again"),
        errors.VectorStoreUnavailable("the vector index is being rebuilt, 2,000 of 8,000 chunks are in"),
        _BUSY,
    ),
    "POST /api/v1/jobs/{job_id}/cancel": (errors.JobFinished("job_0 is done already"),),
    "POST /api/v1/jobs/{job_id}/retry": (errors.JobFinished("job_0 is done; only a failed one can be tried again"),),
    "POST /api/v1/collections/{collection}/reindex": (errors.JobRunning("a reindex of 'handbook' runs already"),),
    "POST /api/v1/purge": (errors.JobRunning("a purge runs already"),),
    **dict.fromkeys(
        ("GET /api/v1/evaluations/{evaluation_id}", "GET /api/v1/evaluations/{evaluation_id}/page"),
        (errors.ContentGone("the report showed texts of documents that have been deleted since"),),
    ),
    "GET /api/v1/answers/{answer_id}": (errors.AnswerRedacted(),),
    "GET /api/v1/answers/{answer_id}/events": (errors.AnswerRedacted(),),
    **dict.fromkeys(
        (
            "POST /api/v1/answers",
            "POST /v1/chat/completions",
            "POST /v1/responses",
            "POST /api/chat",
            "POST /api/ag-ui",
        ),
        _ASKED,
    ),
    "DELETE /api/v1/keys/{key_id}": (errors.LastAdminKey("key_0"),),
    "POST /v1/embeddings": (errors.ModelNotFound("rag:handbok"), _BUSY),
}


def refusals(name: str, operation: Mapping[str, Any]) -> dict[str, Any]:
    """Responses by status. `/v1` has OpenAI's shape around the same code and sentence."""
    path = name.partition(" ")[2]
    found: list[RagError] = (
        []
        if path in _OPEN
        else [errors.Unauthenticated(), errors.Forbidden("admin", "reader"), errors.ForeignOrigin("evil.example")]
    )
    found += [_WANTED[parameter] for parameter in re.findall(r"{(\w+)}", path) if parameter in _WANTED]
    if operation.get("parameters") or operation.get("requestBody"):
        found.append(errors.InvalidRequest("body.top_k: Input should be less than or equal to 100"))
    found += _MORE.get(name, ())
    responses: dict[str, Any] = {}
    for error in found:
        is_plain = type(error) is errors.InvalidRequest
        sent = reply(path, "validation_error", str(error), 422) if is_plain else error_response(error, path)
        body = json.loads(bytes(sent.body))
        body["error"]["request_id"] = REQUEST_ID
        described = responses.setdefault(str(sent.status_code), _empty())
        described["content"]["application/json"]["examples"][body["error"]["code"]] = {"value": body}
        described["description"] = "; ".join(sorted(described["content"]["application/json"]["examples"]))
    return responses


def _empty() -> dict[str, Any]:
    schema = {"type": "object", "properties": {"error": {"type": "object"}}, "required": ["error"]}
    return {"description": "", "content": {"application/json": {"schema": schema, "examples": {}}}}
