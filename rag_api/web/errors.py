"""Every error has a status and one JSON shape."""

import errno
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from rag_api import errors
from rag_api.telemetry import log, request_id
from rag_api.web.dialects import openai

OPENAI = "/v1/"

# the nearest class up the tree decides
STATUS: Mapping[type[errors.RagError], int] = {
    errors.RagError: 500,
    errors.InvalidRequest: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.ForeignOrigin: 403,
    errors.NotFound: 404,
    errors.CollectionExists: 409,
    errors.LastAdminKey: 409,
    errors.JobFinished: 409,
    errors.JobRunning: 409,
    errors.AnswerRedacted: 410,
    errors.ContentGone: 410,
    errors.UploadTooLarge: 413,
    errors.FetchError: 422,
    errors.Unavailable: 503,
    errors.LanguageModelError: 502,
    errors.LanguageModelUnavailable: 503,
    errors.LanguageModelTimeout: 504,
    errors.LanguageModelBusy: 503,
    errors.Interrupted: 503,
}


def status_of(error: type[errors.RagError]) -> int:
    return next(STATUS[kind] for kind in error.__mro__ if kind in STATUS)


def error_body(code: str, message: str, details: Sequence[Mapping[str, Any]] | None = None) -> dict[str, Any]:
    body: dict[str, Any] = {"code": code, "message": message, "request_id": request_id.get() or None}
    return {"error": body | ({"details": list(details)} if details is not None else {})}


def status_of_code(code: str) -> int:
    """The status of an error that is known by its code only, as the end of an event log is."""
    return next((status_of(kind) for kind in _all(errors.RagError) if kind.__name__ == _camel(code)), 500)


def error_response(error: errors.RagError, path: str) -> JSONResponse:
    """`path`: what was asked for."""
    status = status_of(type(error))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "1"} if status == 503 else None
    return reply(path, error.code, str(error), status, details=error.details, headers=headers)


def reply(
    path: str,
    code: str,
    message: str,
    status: int,
    *,
    details: Sequence[Mapping[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The error in our shape, under /v1 in OpenAI's."""
    if not path.startswith(OPENAI):
        return JSONResponse(error_body(code, message, details), status, headers)
    status = openai.status(status)
    error = openai.error(code, message, status, details) | {"request_id": request_id.get() or None}
    return JSONResponse({"error": error}, status, headers)


def install(app: FastAPI) -> None:
    app.add_exception_handler(errors.RagError, _rag_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(OSError, _os_error)


def internal_error(path: str) -> JSONResponse:
    log(__name__).exception("request failed")
    return reply(path, "internal_error", "something went wrong inside; the log says what", 500)


def _rag_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.RagError)
    return error_response(error, request.url.path)


def _os_error(request: Request, error: Exception) -> JSONResponse:
    """Large uploads pass through the folder for temporary files."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    folder = tempfile.gettempdir()
    full = errors.StorageFull(f"the disk of {folder} has no room left; make some and send it again")
    return error_response(full, request.url.path)


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    details = [
        {"field": ".".join(str(part) for part in problem["loc"]), "message": problem["msg"]}
        for problem in error.errors()
    ]
    message = "; ".join(f"{detail['field']}: {detail['message']}" for detail in details[:3])
    return reply(request.url.path, "validation_error", message, 422, details=details)


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    codes = {404: "route_not_found", 405: "method_not_allowed", 400: "bad_request", 415: "unsupported_media_type"}
    code = codes.get(error.status_code, f"http_{error.status_code}")
    message = f"{request.method} {request.url.path}: {error.detail}; /docs lists what there is"
    return reply(request.url.path, code, message, error.status_code, headers=error.headers)


def _all(kind: type[errors.RagError]) -> list[type[errors.RagError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _all(child))]


def _camel(code: str) -> str:
    return "".join(part.capitalize() for part in code.split("_"))
