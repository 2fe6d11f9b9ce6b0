"""Removes what nobody may see any more from everywhere it was written to."""

from collections.abc import Iterable
from typing import Protocol

from rag_api.core.ports import LexicalIndex, VectorStore
from rag_api.db import collections, generations, indexes, reaping, upkeep
from rag_api.db.database import Database
from rag_api.telemetry import log

VERSIONS_AT_ONCE = 50
ROWS_AT_ONCE = 500
UNDER_WAY_S = 600.0
REMOVED_FACT = "removed since the last purge"


class KeptFiles(Protocol):
    async def delete(self, name: str) -> None: ...

    async def older_than(self, age_s: float) -> set[str]:
        """The names of the files that nobody has written to for so long."""
        ...


class Reaper:
    def __init__(self, db: Database, files: KeptFiles, store: VectorStore, lexical: LexicalIndex) -> None:
        self._db = db
        self._files = files
        self._store = store
        self._lexical = lexical

    async def reap_some(self) -> bool:
        """Removes a little; whether there may be more. What fails half way is found again."""
        async with self._db.read() as db:
            found = await reaping.remains(db, limit=VERSIONS_AT_ONCE)
            deleted = await reaping.deleted_collections(db)
            abandoned = await generations.abandoned(db, await upkeep.being_built(db))
        if found or deleted or abandoned:
            await self._db.change(collections.note, REMOVED_FACT)
        if found:
            await self._remove(found)
        for collection_id, generation_ids in deleted.items():
            await self._remove_collection(collection_id, generation_ids)
        for generation_id in abandoned:
            await self._drop(generation_id)
        return bool(found or deleted)

    async def remove_unknown_files(self) -> None:
        """What an upload or a reaping that was cut off left, once it is older than any that is under way."""
        old = await self._files.older_than(UNDER_WAY_S)
        async with self._db.read() as db:
            unknown = old - await upkeep.known_files(db)
        for name in unknown:
            await self._files.delete(name)
        if unknown:
            log(__name__).warning("files that nobody knows of removed", files=len(unknown))

    async def delete_file(self, name: str) -> None:
        await self._files.delete(name)

    async def _remove(self, found: Iterable[reaping.Remains]) -> None:
        gone = list(found)
        by_generation: dict[str, list[str]] = {}
        for item in gone:
            for generation_id, ids in item.chunk_ids.items():
                by_generation.setdefault(generation_id, []).extend(ids)
        for generation_id, ids in by_generation.items():
            await self._store.delete(generation_id, ids)
            await self._lexical.delete(generation_id, ids)
        await self._db.change(reaping.forget, gone)
        for item in gone:
            if item.file and item.status != "failed":  # a failed one can be tried again
                await self._files.delete(item.file)

    async def _drop(self, generation_id: str) -> None:
        """A whole generation."""
        await self._store.drop(generation_id)
        await self._lexical.drop(generation_id)
        has_more = True
        while has_more:
            has_more = await self._db.change(indexes.forget_generation, generation_id, limit=ROWS_AT_ONCE)
        await self._db.change(generations.forget, generation_id)

    async def _remove_collection(self, collection_id: str, generation_ids: list[str]) -> None:
        for generation_id in generation_ids:
            await self._drop(generation_id)
        async with self._db.write() as db:
            left = await reaping.mark_documents(db, collection_id, limit=500)
            files = [] if left else await reaping.bulk_files(db, collection_id)
            if not left:
                await reaping.forget_collection(db, collection_id)
        for file in files:
            await self._files.delete(file)
