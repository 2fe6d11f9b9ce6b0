"""What is in the library: collections and their documents. Uploading accepts; the worker ingests."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from rag_api.core.filters import matches, parse_filter, restricted, seen_by_filter
from rag_api.core.hits import IndexedChunk
from rag_api.core.ports import Doorbell, Embedders
from rag_api.core.principals import Principal
from rag_api.core.prompts import Prompts
from rag_api.db import chunks, collections, documents, jobs, versions
from rag_api.db.database import Database
from rag_api.db.rows import CollectionRow, DocumentRow, Page, VersionRow, encode_cursor
from rag_api.errors import (
    CollectionNotFound,
    ContentGone,
    DocumentNotFound,
    InvalidFilter,
    InvalidRequest,
    NothingAccepted,
)
from rag_api.services.runs import Runs
from rag_api.services.sifting import sifted
from rag_api.services.uploads import Files, Stored, Upload, UploadRow, queue_all
from rag_api.telemetry import log

DEFAULT_COLLECTION = "default"
DEFAULT_FACT = "default collection"
UPLOADS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a deletion removed; `purged`: whether the bytes are gone already or will be in a moment."""

    document_id: str
    chunks: int
    vectors: int
    bytes: int
    purged: bool


class Library:
    def __init__(
        self, db: Database, files: Files, embedders: Embedders, runs: Runs, doorbell: Doorbell, *, prompts: Prompts
    ) -> None:
        self._db = db
        self._files = files
        self._embedders = embedders
        self._runs = runs
        self._doorbell = doorbell
        self._prompts = prompts

    async def prepare(self, embedder: str) -> None:
        """`default` exists from the start. Says which collections keep another embedder than new ones get."""
        async with self._db.read() as db:
            for name, model in await collections.with_other_embedder(db, embedder):
                log(__name__).warning(
                    "a collection keeps its embedder",
                    collection=name,
                    embedder=model,
                    new_ones_get=embedder,
                    to_change_it=f"rag reindex {name}",
                )
        async with self._db.write() as db:
            if await collections.fact(db, DEFAULT_FACT) is None:
                await collections.create(db, DEFAULT_COLLECTION)
                await collections.note(db, DEFAULT_FACT)

    async def knows(self, fact: str) -> bool:
        async with self._db.read() as db:
            return await collections.fact(db, fact) is not None

    async def note(self, fact: str) -> None:
        await self._db.change(collections.note, fact)

    async def create_collection(
        self,
        name: str,
        description: str,
        metadata: Mapping[str, Any],
        embedder: str | None = None,
        prompts: Mapping[str, str] | None = None,
    ) -> CollectionRow:
        """Raises EmbedderUnavailable for a model that can't be loaded, and InvalidPrompt."""
        self._prompts.of(prompts)
        if embedder:
            await self._embedders.of(embedder).identity()
        return await self._db.change(
            collections.create, name, description=description, metadata=metadata, embedder=embedder, prompts=prompts
        )

    async def collection(self, name: str, who: Principal) -> CollectionRow:
        if not who.enters(name):
            raise CollectionNotFound(name)
        return await self._db.glance(collections.get, name)

    async def collections(self, *, limit: int, cursor: str | None, who: Principal) -> Page[CollectionRow]:
        return await self._db.ask(collections.page, limit=limit, cursor=cursor, names=who.collections)

    async def change_collection(self, name: str, values: Mapping[str, Any]) -> CollectionRow:
        """Raises InvalidPrompt."""
        if "prompts" in values:
            self._prompts.of(values["prompts"])
        return await self._db.change(collections.change, name, values)

    async def delete_collection(self, name: str) -> CollectionRow:
        async with self._db.write() as db:
            row = await collections.delete(db, name)
            await jobs.cancel_of_collection(db, row.id)
        await self._runs.redact_collection(name)
        return row

    async def add(self, collection: str, uploads: Sequence[Upload], *, who: Principal) -> list[UploadRow]:
        """A row for each upload, in order. Raises NothingAccepted when all were rejected."""
        row = await self.collection(collection, who)
        rows: list[UploadRow] = []
        for at in range(0, len(uploads), UPLOADS_AT_ONCE):
            rows += await self._add(row.id, uploads[at : at + UPLOADS_AT_ONCE], who)
        if all(found.status == "rejected" for found in rows):
            raise NothingAccepted([{"filename": found.filename, "error": found.error} for found in rows])
        return rows

    async def _add(self, collection_id: str, uploads: Sequence[Upload], who: Principal) -> list[UploadRow]:
        """Their files first, then all their rows in one transaction."""
        kept: list[Stored] = []
        try:
            keeping = (self._files.keep(upload.file) for upload in uploads)
            results = await asyncio.gather(*keeping, return_exceptions=True)
            kept = [result for result in results if not isinstance(result, BaseException)]
            for failure in results:
                if isinstance(failure, BaseException):
                    raise failure
            rows = await self._db.change(queue_all, collection_id, uploads, kept, who)
        except BaseException:
            for stored in kept:
                await self._files.delete(stored.name)
            raise
        await self._doorbell.ring()
        for row, stored in zip(rows, kept, strict=True):
            if row.status != "queued":
                await self._files.delete(stored.name)
        return rows

    async def documents(
        self, collection: str, *, status: str | None, limit: int, cursor: str | None, who: Principal
    ) -> Page[DocumentRow]:
        row = await self.collection(collection, who)

        def pages(*, limit: int, cursor: str | None) -> Awaitable[Page[DocumentRow]]:
            return self._db.ask(documents.page, row.id, status=status, limit=limit, cursor=cursor)

        if who.groups is None:
            return await pages(limit=limit, cursor=cursor)

        async def seen(rows: Sequence[DocumentRow]) -> Sequence[DocumentRow]:
            return [row for row in rows if who.sees(row.acl)]

        return await sifted(pages, seen, _cursor, limit=limit, cursor=cursor)

    async def document(self, collection: str, document_id: str) -> DocumentRow:
        async with self._db.read() as db:
            row = await collections.get(db, collection)
            found = await documents.get(db, row.id, document_id)
        if found is None:
            raise DocumentNotFound(document_id, collection)
        return found

    async def versions(self, collection: str, document_id: str) -> list[VersionRow]:
        """The newest first; what has been replaced is not among them."""
        await self.document(collection, document_id)
        return await self._db.ask(documents.known_versions, document_id)

    async def content(self, collection: str, document_id: str, version: int | None) -> str:
        """Exactly the text that spans count in."""
        found = await self.document(collection, document_id)
        async with self._db.read() as db:
            status = await versions.status_of(db, document_id, version or found.version)
            text = await documents.text(db, document_id, version or found.version)
        if text is None or status != "ready":
            raise ContentGone(
                f"version {version or found.version} of document {document_id!r} has no text: it is not ready yet, it "
                "failed, or a newer one has replaced it"
            )
        return text

    async def chunks(self, collection: str, document_id: str, *, limit: int, after: int) -> Page[IndexedChunk]:
        await self.document(collection, document_id)
        async with self._db.read() as db:
            row = await collections.get(db, collection)
            return await chunks.of_document(db, row.generation_id, document_id, limit=limit, after=after)

    async def change_document(self, collection: str, document_id: str, values: Mapping[str, Any]) -> DocumentRow:
        """Title, metadata or acl of the version that is found; its vectors keep the title they were made with."""
        found = await self.document(collection, document_id)
        if found.status != "ready":
            raise InvalidRequest(
                f"document {document_id!r} is {found.status}; it can be changed when it is ready, or sent again as it "
                "should be"
            )
        if values:
            await self._db.change(documents.change, document_id, found.version, values)
        return await self.document(collection, document_id)

    async def delete_documents(
        self, collection: str, raw_filter: Mapping[str, Any], *, who: Principal
    ) -> list[Receipt]:
        """Every document that it sees and the filter matches, published or not, one after the other."""
        wanted = restricted(parse_filter(raw_filter), who.groups)
        if not raw_filter or wanted is None:
            raise InvalidFilter("an empty filter matches all documents; to delete them all, delete the collection")
        async with self._db.read() as db:
            row = await collections.get(db, collection)
            records = await documents.listed(db, row.id)
        receipts: list[Receipt] = []
        for record in records:
            if matches(wanted, seen_by_filter(record)):
                with suppress(DocumentNotFound):  # somebody else was quicker
                    receipts.append(await self.delete_document(collection, record["document_id"]))
        return receipts

    async def delete_document(self, collection: str, document_id: str) -> Receipt:
        """Nothing of it is visible when this returns; the worker purges what is left."""
        found = await self.document(collection, document_id)
        async with self._db.write() as db:
            await documents.delete_document(db, document_id)
            await jobs.cancel_of_document(db, document_id)
        await self._runs.redact(document_id)
        return Receipt(document_id, found.chunks, found.chunks, found.bytes, purged=False)


def _cursor(row: DocumentRow) -> str:
    return encode_cursor("documents", row.created_at, row.document_id)
