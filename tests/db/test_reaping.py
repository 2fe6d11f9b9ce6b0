from sqlalchemy import func, select

from ingest.documents import VersionKey
from rag_api.db import collections, documents, jobs, reaping, versions
from rag_api.db.database import Database
from rag_api.db.jobs import Work
from rag_api.db.reaping import Remains
from rag_api.db.tables import metadata
from tests.db.catalogue import (
    accept,
    add,
    document,
    fail,
    incoming,
    key_of,
    new_collection,
    publish,
    status,
    visible,
    write_chunks,
)


async def remains(db: Database, document_id: str | None = None) -> list[Remains]:
    async with db.read() as rows:
        return await reaping.remains(rows, limit=50, document_id=document_id)


async def forget(db: Database, gone: list[Remains]) -> None:
    async with db.write() as rows:
        await reaping.forget(rows, gone)


async def counts(db: Database) -> dict[str, int]:
    """Rows of each table that is not empty."""
    async with db.read() as rows:
        found = {
            name: (await rows.execute(select(func.count()).select_from(table))).scalar_one()
            for name, table in metadata.tables.items()
        }
    return {name: count for name, count in found.items() if count}


async def retry(db: Database, key: VersionKey) -> None:
    async with db.write() as rows:
        assert await versions.requeue(rows, key.document_id, key.version)


async def delete(db: Database, document_id: str) -> None:
    async with db.write() as rows:
        await documents.delete_document(rows, document_id)


async def test_what_is_published_or_on_its_way_is_left_alone(db: Database) -> None:
    collection = await new_collection(db)
    await add(db, collection, "a.txt")
    await accept(db, collection, "b.txt")
    assert await remains(db) == []


async def test_a_replaced_version_is_removed_and_the_new_one_stays(db: Database) -> None:
    collection = await new_collection(db)
    async with db.write() as rows:
        [first] = await versions.accept(rows, collection.id, [incoming("a.txt", "old", file="ab12")])
    old = key_of(collection, first)
    await write_chunks(db, old, "old one", "old two")
    await publish(db, old)
    new = await add(db, collection, "a.txt", "new")
    ids = {collection.generation_id: [old.chunk_id(0), old.chunk_id(1)]}
    found = await remains(db)
    assert found == [Remains(old.document_id, 1, "superseded", "ab12", ids)]
    assert await remains(db, "doc_other") == []
    await forget(db, found)
    assert await remains(db) == []
    assert await status(db, old) is None
    assert await visible(db, old, new) == ["new one", "new two"]
    assert await counts(db) == {
        "collections": 1,
        "generations": 1,
        "documents": 1,
        "versions": 1,
        "texts": 1,
        "chunks": 2,
    }


async def test_a_failed_version_stays_listed_with_its_reason_and_leaves_no_chunks(db: Database) -> None:
    collection = await new_collection(db)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await write_chunks(db, key, "half")
    await fail(db, key)
    await forget(db, await remains(db))
    assert await remains(db) == []
    assert await counts(db) == {"collections": 1, "generations": 1, "documents": 1, "versions": 1}
    found = await document(db, collection, key.document_id)
    assert found and found.status == "failed"
    assert found.error == {"code": "broken_document", "message": "it is broken"}


async def test_a_deleted_document_goes_whole_and_no_other(db: Database) -> None:
    collection = await new_collection(db)
    await add(db, collection, "a.txt", "old")
    key, other = await add(db, collection, "a.txt", "new"), await add(db, collection, "b.txt")
    await delete(db, key.document_id)
    await forget(db, await remains(db, key.document_id))
    assert await counts(db) == {
        "collections": 1,
        "generations": 1,
        "documents": 1,
        "versions": 1,
        "texts": 1,
        "chunks": 2,
    }
    assert await visible(db, key, other) == ["first one", "first two"]


async def test_a_deleted_document_is_kept_until_its_last_version_is_gone(db: Database) -> None:
    collection = await new_collection(db)
    await add(db, collection, "a.txt", "old")
    key = await add(db, collection, "a.txt", "new")
    await delete(db, key.document_id)
    first, second = await remains(db)
    await forget(db, [first])
    assert (await counts(db))["documents"] == 1
    await forget(db, [second])
    assert "documents" not in await counts(db)


async def test_what_a_failed_try_left_is_removed_before_it_is_tried_again(db: Database) -> None:
    collection = await new_collection(db)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await fail(db, key)
    async with db.write() as rows:
        assert not await versions.requeue(rows, key.document_id, key.version)
    await forget(db, await remains(db))
    await retry(db, key)
    await write_chunks(db, key, "whole one", "whole two")
    await publish(db, key)
    assert await visible(db, key) == ["whole one", "whole two"]


async def test_a_document_deleted_while_a_failed_version_of_it_is_reaped_goes_too(db: Database) -> None:
    collection = await new_collection(db)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await fail(db, key)
    found = await remains(db)
    await delete(db, key.document_id)
    await forget(db, found)
    await forget(db, await remains(db))
    assert await counts(db) == {"collections": 1, "generations": 1}


async def test_a_deleted_collection_goes_step_by_step_and_no_other(db: Database) -> None:
    gone, kept = await new_collection(db), await new_collection(db, "manual")
    for i in range(5):
        await add(db, gone, f"{i}.txt")
    stays = await add(db, kept, "a.txt")
    async with db.write() as rows:
        await jobs.queue(rows, Work(gone.id, "a.txt", "text/plain", "file"))
        await collections.delete(rows, "faq")
    left = []
    for _ in range(4):
        async with db.write() as rows:
            assert await reaping.deleted_collections(rows) == {gone.id: [gone.generation_id]}
            left.append(await reaping.mark_documents(rows, gone.id, limit=2))
        await forget(db, await remains(db))
    assert left == [5, 3, 1, 0]
    async with db.write() as rows:
        await reaping.forget_collection(rows, gone.id)
        assert await reaping.deleted_collections(rows) == {}
    assert await counts(db) == {
        "collections": 1,
        "generations": 1,
        "documents": 1,
        "versions": 1,
        "texts": 1,
        "chunks": 2,
    }
    assert await visible(db, stays) == ["first one", "first two"]


async def test_only_a_failed_version_of_a_living_document_can_be_tried_again(db: Database) -> None:
    collection = await new_collection(db)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    async with db.write() as rows:
        assert not await versions.requeue(rows, key.document_id, key.version)
    await fail(db, key)
    await forget(db, await remains(db))
    await retry(db, key)
    found = await document(db, collection, key.document_id)
    assert found and (found.status, found.error) == ("queued", None)
    await fail(db, key)
    await delete(db, key.document_id)
    async with db.write() as rows:
        assert not await versions.requeue(rows, key.document_id, key.version)


async def test_the_files_of_bulk_loads_go_with_their_collection(db: Database) -> None:
    collection = await new_collection(db)
    async with db.write() as rows:
        await jobs.queue(rows, Work(collection.id, "bulk.jsonl", "application/jsonl", "ab12"))
        await jobs.queue(rows, Work(collection.id, "a.txt", "text/plain", "cd34", document_id="doc_1", version=1))
        await jobs.queue(rows, Work("col_other", "bulk.jsonl", "application/jsonl", "ef56"))
        assert await reaping.bulk_files(rows, collection.id) == ["ab12"]
