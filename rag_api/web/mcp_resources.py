"""Documents as MCP's resources: rag://{collection}/{document_id} is a document's text."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import mcp_types as types
from mcp.shared.exceptions import MCPError

from rag_api.core.principals import Principal
from rag_api.db.rows import CollectionRow, DocumentRow
from rag_api.errors import ContentGone, InvalidCursor, NotFound
from rag_api.web.mcp_schemas import uri_of
from rag_api.wiring import Services

PAGE = 200
COLLECTIONS = 1_000  # at a time
MOST_CHARS = 1_000_000
MEDIA_TYPE = "text/plain"
TEMPLATE = types.ResourceTemplate(
    name="document",
    title="A document's text",
    uri_template="rag://{collection}/{document_id}",
    description="The text of a document, to the character as offsets count in it.",
    mime_type=MEDIA_TYPE,
)


async def collections(services: Services, who: Principal) -> AsyncIterator[CollectionRow]:
    cursor = None
    while True:
        page = await services.library.collections(limit=COLLECTIONS, cursor=cursor, who=who)
        for row in page.items:
            yield row
        if not (cursor := page.next_cursor):
            return


async def list_documents(services: Services, cursor: str | None, who: Principal) -> types.ListResourcesResult:
    """The documents that can be read, one collection after the other; a cursor names the one that is next."""
    wanted, _, inner = (cursor or "").partition("/")
    names = [row.name async for row in collections(services, who)]
    if wanted and wanted not in names:
        raise InvalidCursor(cursor or "")
    found: list[types.Resource] = []
    for name in names[names.index(wanted) if wanted else 0 :]:
        if found:  # the next page begins here
            return types.ListResourcesResult(resources=found, next_cursor=f"{name}/")
        page = await services.library.documents(name, status="ready", limit=PAGE, cursor=inner or None, who=who)
        inner = ""
        found = [_resource(name, row) for row in page.items]
        if page.next_cursor:
            return types.ListResourcesResult(resources=found, next_cursor=f"{name}/{page.next_cursor}")
    return types.ListResourcesResult(resources=found)


async def read(services: Services, uri: str, who: Principal) -> types.ReadResourceResult:
    """Raises MCPError for what is not there or too long to be read whole."""
    named = re.fullmatch(r"rag://([^/?#]+)/([^/?#]+)", uri)
    if not named:
        raise _wrong(uri, f"{uri!r} is no document's URI, which looks like {TEMPLATE.uri_template}")
    collection, document_id = (unquote(part) for part in named.groups())
    try:
        await services.door.visibility.admit(who, {"collection": collection, "document_id": document_id})
        text = await services.library.content(collection, document_id, None)
    except (NotFound, ContentGone) as error:
        raise _wrong(uri, str(error), code=error.code) from error
    if len(text) > MOST_CHARS:
        raise _wrong(uri, f"the text has {len(text):,} characters: read it in parts with the tool get_document")
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=uri, mime_type=MEDIA_TYPE, text=text)])


def _resource(collection: str, row: DocumentRow) -> types.Resource:
    return types.Resource(
        uri=uri_of(collection, row.document_id),
        name=row.source,
        title=row.title,
        description=f"of collection {collection}, {row.chunks} chunks",
        mime_type=MEDIA_TYPE,
    )


def _wrong(uri: str, message: str, **more: Any) -> MCPError:
    return MCPError(types.INVALID_PARAMS, message, {"uri": uri, **more})
