"""Documents made anew from the bytes that are kept: after a change of settings, or where a failure may be over."""

from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from rag_api.core.ports import Doorbell
from rag_api.core.principals import Principal
from rag_api.db import collections, documents, jobs, versions
from rag_api.db.database import Connection, Database
from rag_api.db.documents import KeptVersion
from rag_api.db.jobs import Work
from rag_api.db.versions import Incoming
from rag_api.errors import ContentGone, DocumentNotFound, JobRunning
from rag_api.services.uploads import Stored, UploadRow


class KeptFiles(Protocol):
    def path(self, name: str) -> Path: ...
    async def keep(self, file: BinaryIO) -> Stored: ...
    async def delete(self, name: str) -> None: ...


class Reingestion:
    def __init__(self, db: Database, files: KeptFiles, doorbell: Doorbell) -> None:
        self._db = db
        self._files = files
        self._doorbell = doorbell

    async def queue(self, collection: str, document_id: str, *, who: Principal) -> UploadRow:
        """A next version of the newest one's bytes, with its title, metadata and acl.

        Raises JobRunning while that is being ingested, and ContentGone for a line of a bulk load.
        """
        async with self._db.read() as db:
            row = await collections.get(db, collection)
            kept = _checked(await documents.newest(db, row.id, document_id), collection, document_id)
        if kept.file is None:
            raise ContentGone(f"document {document_id!r} came as a line of a bulk load; send that load again")
        with self._files.path(kept.file).open("rb") as file:
            stored = await self._files.keep(file)
        try:
            async with self._db.write() as db:
                newest = _checked(await documents.newest(db, row.id, document_id), collection, document_id)
                if newest.number != kept.number:
                    raise JobRunning(f"document {document_id!r} has just got a newer version; look at that one")
                job_id = await _queue(db, row.id, document_id, kept, stored, who=who)
        except BaseException:
            await self._files.delete(stored.name)
            raise
        await self._doorbell.ring()
        return UploadRow(document_id, kept.source, job_id, "queued")


def _checked(kept: KeptVersion | None, collection: str, document_id: str) -> KeptVersion:
    if kept is None:
        raise DocumentNotFound(document_id, collection)
    if kept.status == "queued":
        raise JobRunning(f"document {document_id!r} is being ingested already; wait for its job or cancel it")
    return kept


async def _queue(
    db: Connection, collection_id: str, document_id: str, kept: KeptVersion, stored: Stored, *, who: Principal
) -> str:
    is_unnamed = kept.status == "failed" and kept.title == PurePosixPath(kept.source).stem
    title = "" if is_unnamed else kept.title
    incoming = Incoming(
        source=kept.source,
        sha256=stored.sha256,
        bytes=stored.size,
        media_type=kept.media_type,
        title=kept.title,
        file=stored.name,
        metadata=kept.metadata,
        acl=kept.acl,
        again=True,
    )
    [accepted] = await versions.accept(db, collection_id, [incoming])
    work = Work(
        collection_id,
        kept.source,
        kept.media_type,
        stored.name,
        document_id,
        accepted.version,
        metadata=kept.metadata,
        acl=kept.acl,
        title=title,
        owner=who.id,
        groups=who.listed_groups,
    )
    return await jobs.queue(db, work)
