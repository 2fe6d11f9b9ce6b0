"""What is uploaded, what became of it, and where its bytes are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Protocol

from ingest.documents import is_bulk
from ingest.errors import EmptyDocument, IngestError, SourceTaken
from ingest.parsers import media_type_of
from rag_api.core.principals import Principal
from rag_api.db import documents, jobs, versions
from rag_api.db.database import Connection
from rag_api.db.jobs import Work
from rag_api.db.versions import Incoming


class Stored(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def head(self) -> bytes: ...


class Files(Protocol):
    async def keep(self, file: BinaryIO) -> Stored: ...
    async def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it arrives. `source` is its file name unless said otherwise; its media type is told from its bytes."""

    filename: str
    file: BinaryIO
    source: str = ""
    title: str = ""
    metadata: Mapping[str, Any] | None = None
    acl: Sequence[str] = ()
    media_type: str = ""

    @property
    def named(self) -> str:
        return self.source or self.filename


@dataclass(frozen=True, slots=True)
class UploadRow:
    """What became of a file: queued, unchanged, or rejected with the error."""

    document_id: str | None
    filename: str
    job_id: str | None
    status: str
    error: Mapping[str, str] | None = None


async def queue_all(
    db: Connection, collection_id: str, uploads: Sequence[Upload], kept: Sequence[Stored], who: Principal
) -> list[UploadRow]:
    hidden = await hidden_sources(db, collection_id, [upload.named for upload in uploads], who)
    return [
        await _queue(db, collection_id, upload, stored, who, is_hidden=upload.named in hidden)
        for upload, stored in zip(uploads, kept, strict=True)
    ]


async def hidden_sources(
    db: Connection, collection_id: str, sources: Sequence[str], who: Principal, *, besides_bulk: str = ""
) -> set[str]:
    """Those of documents that it may not see: a next version would replace what it knows nothing of. What that bulk
    load itself has queued is left out."""
    if who.groups is None:
        return set()
    known = await documents.acls_of_sources(db, collection_id, sources, besides_bulk=besides_bulk)
    return {source for source, acls in known.items() if not all(map(who.sees, acls))}


def source_taken(source: str) -> SourceTaken:
    return SourceTaken(f"{source}: a document of this source is there that this key may not see; choose another source")


async def _queue(
    db: Connection, collection_id: str, upload: Upload, stored: Stored, who: Principal, *, is_hidden: bool
) -> UploadRow:
    """The version's row and the job's row."""
    source = upload.named
    try:
        if is_hidden:
            raise source_taken(source)
        if not stored.size:
            raise EmptyDocument(f"{upload.filename}: the file is empty (0 bytes); check it and send it again")
        media_type = upload.media_type or media_type_of(upload.filename, stored.head)
    except IngestError as error:
        rejection = {"code": error.code, "message": str(error)}
        return UploadRow(None, upload.filename, None, "rejected", rejection)
    work = Work(
        collection_id,
        source,
        media_type,
        stored.name,
        metadata=upload.metadata,
        acl=upload.acl,
        title=upload.title,
        owner=who.id,
        groups=who.listed_groups,
    )
    if is_bulk(media_type):
        return UploadRow(None, upload.filename, await jobs.queue(db, work), "queued")
    incoming = Incoming(
        source=source,
        sha256=stored.sha256,
        bytes=stored.size,
        media_type=media_type,
        title=upload.title or PurePosixPath(upload.filename).stem,
        file=stored.name,
        metadata=upload.metadata,
        acl=upload.acl,
    )
    [accepted] = await versions.accept(db, collection_id, [incoming])
    if accepted.version is None:
        return UploadRow(accepted.document_id, upload.filename, None, "unchanged")
    await jobs.cancel_of_document(db, accepted.document_id, before=accepted.version)
    job_id = await jobs.queue(db, work.of_version(accepted.document_id, accepted.version))
    return UploadRow(accepted.document_id, upload.filename, job_id, "queued")
