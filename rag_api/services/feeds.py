"""Documents by their URL: fetched, then added like any upload."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from ingest.errors import IngestError
from ingest.parsers import FORMATS, SUPPORTED
from rag_api.core.principals import Principal
from rag_api.errors import FetchError, NothingAccepted
from rag_api.services.library import Library
from rag_api.services.uploads import Upload, UploadRow

PLAIN = "text/plain"


class Fetched(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def file(self) -> BinaryIO: ...


class Fetcher(Protocol):
    async def fetch(self, url: str, *, wanted: Container[str]) -> Fetched: ...


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page or a file of the web; its source is its URL unless said otherwise."""

    url: str
    source: str = ""
    title: str = ""
    metadata: Mapping[str, Any] | None = None
    acl: Sequence[str] = ()


class Feeds:
    def __init__(self, library: Library, fetcher: Fetcher) -> None:
        self._library = library
        self._fetcher = fetcher

    async def add(self, collection: str, page: WebPage, *, who: Principal) -> UploadRow:
        """As `Library.add`. Raises NothingAccepted when it can't be had or can't be taken."""
        try:
            fetched = await self._fetcher.fetch(page.url, wanted=SUPPORTED)
        except (FetchError, IngestError) as error:
            raise _rejected(page, {"code": error.code, "message": str(error)}) from error
        with fetched.file:
            name = filename_of(fetched.url, fetched.media_type)
            source = page.source or page.url
            upload = Upload(name, fetched.file, source, page.title, page.metadata, page.acl)
            try:
                [row] = await self._library.add(collection, [upload], who=who)
            except NothingAccepted as error:
                [detail] = error.details or ()
                raise _rejected(page, detail["error"]) from error
        return replace(row, filename=page.url)


def _rejected(page: WebPage, reason: Mapping[str, str]) -> NothingAccepted:
    return NothingAccepted([{"filename": page.url, "error": reason}])


def filename_of(url: str, media_type: str) -> str:
    """A name whose extension says what the server says, so that the first bytes are held against that."""
    parts = urlsplit(url)
    name = PurePosixPath(unquote(parts.path)).name or parts.hostname or "page"
    suffix = PurePosixPath(name).suffix.lower()
    format = SUPPORTED.get(media_type)
    if format is None or suffix in format.extensions:
        return name
    if media_type == PLAIN and any(suffix in other.extensions for other in FORMATS):
        return name  # many servers call plain text what they have no better name for
    return name + format.extensions[0]
