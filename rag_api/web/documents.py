import io
import re
from pathlib import PurePosixPath
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, PlainTextResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile

from ingest.documents import json_problem
from rag_api.core.principals import Principal
from rag_api.errors import ContentGone, InvalidRequest
from rag_api.services.feeds import WebPage
from rag_api.services.uploads import Upload, UploadRow
from rag_api.web.deps import READER, WRITER, CollectionName, Cursor, Limit, Reader, Wired, Writer
from rag_api.web.document_schemas import (
    ChunkOut,
    DocumentIn,
    DocumentOut,
    DocumentPatch,
    ReceiptOut,
    ReceiptsOut,
    UploadOut,
    UploadsOut,
    VersionOut,
)
from rag_api.web.schemas import PageOut
from rag_api.wiring import Services

router = APIRouter(prefix="/collections/{collection}/documents", tags=["documents"])
READING, WRITING = [Depends(READER)], [Depends(WRITER)]

MAX_INT = 2**31 - 1
PDF = "application/pdf"
_MULTIPART = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
        "source": {"type": "string", "description": "for one file: its source, instead of the file's name"},
        "title": {"type": "string", "description": "for one file: its title, instead of what it says itself"},
        "metadata": {"type": "string", "description": "a JSON object"},
        "acl": {"type": "string", "description": "a JSON list of groups"},
    },
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _MULTIPART},
            "application/json": {"schema": DocumentIn.model_json_schema()},
        },
    }
}


@router.post("", status_code=202, openapi_extra=_BODY)
async def add_documents(collection: CollectionName, who: Writer, request: Request, services: Wired) -> UploadsOut:
    await services.library.collection(collection, who)  # a wrong name is told before gigabytes are read
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        async with request.form(max_files=10_000) as form:
            rows = await services.library.add(collection, _uploads(form), who=who)
    else:
        rows = [await _add(collection, _document(await request.body()), who, services)]
    return UploadsOut(documents=[UploadOut.of(row) for row in rows])


@router.get("")
async def list_documents(
    collection: CollectionName,
    who: Reader,
    services: Wired,
    *,
    status: Annotated[str | None, Query(pattern="^(queued|ready|failed)$")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PageOut[DocumentOut]:
    page = await services.library.documents(collection, status=status, limit=limit, cursor=cursor, who=who)
    return PageOut(items=[DocumentOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{document_id}", dependencies=READING)
async def get_document(collection: CollectionName, document_id: str, services: Wired) -> DocumentOut:
    return DocumentOut.of(await services.library.document(collection, document_id))


@router.get("/{document_id}/content", response_class=PlainTextResponse, dependencies=READING)
async def get_content(
    collection: CollectionName,
    document_id: str,
    services: Wired,
    version: Annotated[int | None, Query(ge=1, le=MAX_INT)] = None,
) -> Response:
    """Exactly the text that `start` and `end` count in."""
    return PlainTextResponse(await services.library.content(collection, document_id, version))


@router.get("/{document_id}/versions", dependencies=WRITING)
async def list_versions(collection: CollectionName, document_id: str, services: Wired) -> PageOut[VersionOut]:
    """The current version, newer ones on their way, and those that failed; a replaced one leaves nothing behind."""
    found = await services.library.versions(collection, document_id)
    return PageOut(items=[VersionOut.model_validate(row, from_attributes=True) for row in found], next_cursor=None)


@router.get("/{document_id}/file", response_class=FileResponse, dependencies=READING)
async def get_file(collection: CollectionName, document_id: str, services: Wired, inline: bool = False) -> Response:
    """The bytes as they were uploaded, as an attachment; `inline` lets a browser show a PDF."""
    row = await services.library.document(collection, document_id)
    if row.file is None:
        raise ContentGone(f"document {document_id!r} came as a line of a bulk load; its text is at …/content")
    name = PurePosixPath(row.source).name or "document"
    is_shown = inline and row.media_type == PDF  # of nothing else can it be said that it runs nothing as a page
    return FileResponse(
        services.files.path(row.file),
        media_type=PDF if is_shown else "application/octet-stream",
        filename=name,
        content_disposition_type="inline" if is_shown else "attachment",
        headers={"X-Content-Type-Options": "nosniff"},
    )


@router.get("/{document_id}/chunks", dependencies=READING)
async def list_chunks(
    collection: CollectionName, document_id: str, services: Wired, limit: Limit = 100, cursor: Cursor = None
) -> PageOut[ChunkOut]:
    after = _index(cursor) if cursor else -1
    page = await services.library.chunks(collection, document_id, limit=limit, after=after)
    items = [ChunkOut.model_validate(chunk, from_attributes=True) for chunk in page.items]
    return PageOut(items=items, next_cursor=page.next_cursor)


@router.post("/{document_id}/ingest", status_code=202)
async def ingest_again(collection: CollectionName, document_id: str, who: Writer, services: Wired) -> UploadOut:
    """A next version from the bytes that are kept, read as the settings are now."""
    return UploadOut.of(await services.reingestion.queue(collection, document_id, who=who))


@router.patch("/{document_id}", dependencies=WRITING)
async def change_document(
    collection: CollectionName, document_id: str, body: DocumentPatch, services: Wired
) -> DocumentOut:
    """A new title is shown from now on; it is found by the old one until the document's next version."""
    values = body.model_dump(exclude_none=True)
    return DocumentOut.of(await services.library.change_document(collection, document_id, values))


@router.delete("")
async def delete_documents(
    collection: CollectionName,
    who: Writer,
    services: Wired,
    filter: Annotated[str, Query(description="a JSON object, as in search", examples=['{"year": 2019}'])],
) -> ReceiptsOut:
    """All that the filter matches."""
    receipts = await services.library.delete_documents(collection, _json("filter", filter, dict), who=who)
    rows = [ReceiptOut.model_validate(receipt, from_attributes=True) for receipt in receipts]
    return ReceiptsOut(count=len(rows), documents=rows)


@router.delete("/{document_id}", dependencies=WRITING)
async def delete_document(collection: CollectionName, document_id: str, services: Wired) -> ReceiptOut:
    receipt = await services.library.delete_document(collection, document_id)
    return ReceiptOut.model_validate(receipt, from_attributes=True)


def _uploads(form: FormData) -> list[Upload]:
    files = [item for item in form.getlist("files") if isinstance(item, UploadFile)]
    if not files:
        raise InvalidRequest("the form has no file: send one or more as `files`, such as curl -F files=@handbook.pdf")
    source, title = _field(form, "source"), _field(form, "title")
    if (source or title) and len(files) > 1:
        raise InvalidRequest("`source` and `title` are of one document, but several files were sent; send them singly")
    metadata = _json("metadata", _field(form, "metadata") or "{}", dict)
    acl = [str(group) for group in _json("acl", _field(form, "acl") or "[]", list)]
    return [Upload(item.filename or "unnamed", item.file, source, title, metadata=metadata, acl=acl) for item in files]


def _field(form: FormData, name: str) -> str:
    value = form.get(name, "")
    if not isinstance(value, str):
        raise InvalidRequest(f"`{name}` must be text, not a file")
    return value


def _json(name: str, raw: str, kind: type[Any]) -> Any:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"`{name}` is no JSON: {error}") from error
    if problem := json_problem(value):
        raise InvalidRequest(f"`{name}`: {problem}")
    if not isinstance(value, kind):
        raise InvalidRequest(f"`{name}` must be a JSON {'object' if kind is dict else 'list'}")
    return value


def _document(body: bytes) -> DocumentIn:
    try:
        return DocumentIn.model_validate_json(body)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "body"
        raise InvalidRequest(
            f"{where}: {problem['msg']}; send multipart/form-data with `files`, or JSON with `text` or `url`"
        ) from error


async def _add(collection: str, given: DocumentIn, who: Principal, services: Services) -> UploadRow:
    if given.url is not None:
        page = WebPage(given.url, given.source, given.title, given.metadata, given.acl)
        return await services.feeds.add(collection, page, who=who)
    name = given.source or given.title or "text"
    text = io.BytesIO((given.text or "").encode("utf-8", "replace"))
    upload = Upload(f"{name}.txt", text, name, given.title, given.metadata, given.acl, media_type="text/plain")
    [row] = await services.library.add(collection, [upload], who=who)
    return row


def _index(cursor: str) -> int:
    if not re.fullmatch(r"\d{1,9}", cursor, re.ASCII):
        raise InvalidRequest(f"cursor {cursor!r} is not one that this list gave; leave it out to start over")
    return int(cursor)
