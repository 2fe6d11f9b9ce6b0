import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from rag_api.core.ports import EmbedderIdentity
from rag_api.db import collections, generations
from rag_api.db.database import Database
from rag_api.db.tables import metadata
from rag_api.errors import CollectionExists, CollectionNotFound
from tests.db.catalogue import accept, add, new_collection


async def test_the_tables_are_what_the_migrations_make(db: Database) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "render_as_batch": True})
        return list(compare_metadata(context, metadata))

    engine = create_engine(make_url(db.url).set(drivername="sqlite"))
    with engine.connect() as connection:
        assert differences(connection) == []


async def test_sqlite_keeps_foreign_keys_and_writes_ahead(db: Database) -> None:
    async with db.write() as rows:
        assert (await rows.execute(text("PRAGMA foreign_keys"))).scalar_one() == 1
        assert (await rows.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"
        assert (await rows.execute(text("PRAGMA secure_delete"))).scalar_one() == 1


async def test_what_fails_half_way_leaves_nothing(db: Database) -> None:
    with pytest.raises(RuntimeError):
        async with db.write() as rows:
            await collections.create(rows, "faq")
            raise RuntimeError
    async with db.read() as rows:
        with pytest.raises(CollectionNotFound, match="'faq'"):
            await collections.get(rows, "faq")


async def test_a_name_is_taken_until_its_collection_is_deleted(db: Database) -> None:
    first = await new_collection(db)
    with pytest.raises(CollectionExists, match="'faq'"):
        await new_collection(db)
    async with db.write() as rows:
        assert (await collections.delete(rows, "faq")).id == first.id
    with pytest.raises(CollectionNotFound):
        async with db.write() as rows:
            await collections.delete(rows, "faq")
    second = await new_collection(db)
    assert second.id != first.id and second.generation_id != first.generation_id
    async with db.read() as rows:
        assert await collections.get(rows, "faq") == second


async def test_of_many_who_want_a_name_at_once_one_gets_it(db: Database) -> None:
    other_process = Database(db.url)
    tries = [new_collection(database) for database in (db, other_process) for _ in range(8)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    await other_process.close()
    assert sorted(type(result).__name__ for result in found) == ["CollectionExists"] * 15 + ["CollectionRow"]


async def test_a_collection_is_changed_and_found_with_its_generation(db: Database) -> None:
    row = await new_collection(db)
    async with db.write() as rows:
        changed = await collections.change(rows, "faq", {"description": "Questions", "metadata": {"owner": "port"}})
        assert await collections.change(rows, "faq", {}) == changed
    assert (changed.description, changed.metadata) == ("Questions", {"owner": "port"})
    async with db.read() as rows:
        found, generation = await collections.in_use(rows, "faq")
        assert (await generations.in_use(rows, row.id)).id == row.generation_id
    assert found == changed
    assert (generation.id, generation.collection_id, generation.fingerprint) == (row.generation_id, row.id, None)


async def test_the_first_embedder_settles_a_generation(db: Database) -> None:
    row = await new_collection(db)
    async with db.write() as rows:
        first = await generations.settle(rows, row.generation_id, EmbedderIdentity("a", "f1", 3, 9), "1")
        second = await generations.settle(rows, row.generation_id, EmbedderIdentity("b", "f2", 4, 9), "2")
    assert (first.model, first.fingerprint, first.dimension, first.splitter) == ("a", "f1", 3, "1")
    assert second == first


async def test_a_fact_is_known_once_it_is_noted(db: Database) -> None:
    async with db.write() as rows:
        assert await collections.fact(rows, "samples") is None
        await collections.note(rows, "samples")
        await collections.note(rows, "samples")
    async with db.read() as rows:
        assert await collections.fact(rows, "samples")
        assert await collections.fact(rows, "other") is None


async def test_counts_are_of_what_a_reader_can_see(db: Database) -> None:
    faq = await new_collection(db)
    await add(db, faq, "a.txt", "old")
    await add(db, faq, "a.txt", "new")
    await accept(db, faq, "queued.txt")
    manual = await new_collection(db, "manual")
    await add(db, manual, "b.txt")
    async with db.read() as rows:
        assert await collections.counts(rows) == {"collections": 2, "documents": 2, "chunks": 4}
    async with db.write() as rows:
        await collections.delete(rows, "manual")
        assert await collections.counts(rows) == {"collections": 1, "documents": 1, "chunks": 2}
