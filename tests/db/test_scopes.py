from rag_api.core.filters import ACL
from rag_api.db import collections, documents, generations, reaping, scopes
from rag_api.db.database import Database
from rag_api.db.rows import CollectionRow
from rag_api.db.scopes import BEFORE_ALL, Change
from tests.db.catalogue import accept, add, fail, key_of, new_collection, publish, write_chunks


async def changed(db: Database, name: str = "faq") -> int:
    return (await db.ask(scopes.state, name)).changed


async def read(db: Database, collection: CollectionRow, after: tuple[int, str] = BEFORE_ALL) -> list[Change]:
    return await db.ask(scopes.changes, collection.id, after, limit=100)


async def test_each_change_of_what_is_found_raises_the_count(db: Database) -> None:
    row = await new_collection(db)
    other = await new_collection(db, "other")
    assert await changed(db) == 0
    key = key_of(row, await accept(db, row, "a.txt"))
    await write_chunks(db, key, "one")
    assert await changed(db) == 0
    await publish(db, key)
    assert await changed(db) == 1
    await db.change(documents.change, key.document_id, key.version, {"metadata": {"year": 1}})
    assert await changed(db) == 2
    await fail(db, key_of(row, await accept(db, row, "a.txt", "second")))
    assert await changed(db) == 2
    await db.change(documents.delete_document, key.document_id)
    assert await changed(db) == 3
    await add(db, other, "b.txt")
    assert (await changed(db), await changed(db, "other")) == (3, 1)


async def test_documents_of_one_transaction_have_one_count(db: Database) -> None:
    row = await new_collection(db)
    keys = [key_of(row, await accept(db, row, f"{i}.txt")) for i in range(3)]
    for key in keys:
        await write_chunks(db, key, "one")
    await publish(db, *keys)
    assert [change.count for change in await read(db, row)] == [1, 1, 1]


async def test_changes_come_in_order_and_only_those_after_a_place(db: Database) -> None:
    row = await new_collection(db)
    keys = [await add(db, row, f"{i}.txt") for i in range(4)]
    await db.change(documents.change, keys[1].document_id, 1, {"acl": ["board"]})
    found = await read(db, row)
    assert [change.document_id for change in found] == [keys[i].document_id for i in (0, 2, 3, 1)]
    assert [change.count for change in found] == [1, 3, 4, 5]
    first = found[0]
    assert await read(db, row, (first.count, first.document_id)) == found[1:]
    assert await db.ask(scopes.changes, row.id, (first.count, first.document_id), limit=2) == found[1:3]
    last = found[-1]
    assert last.seen is not None
    assert (last.seen["source"], last.seen["year"], last.seen[ACL]) == ("1.txt", 2024, ["board"])
    assert (last.version, last.chunks) == (1, 2)
    assert await read(db, row, (last.count, last.document_id)) == []


async def test_what_is_deleted_or_not_yet_published_is_seen_by_no_filter(db: Database) -> None:
    row = await new_collection(db)
    key = await add(db, row, "a.txt")
    await accept(db, row, "b.txt")
    await db.change(documents.delete_document, key.document_id)
    assert {change.document_id: change.seen for change in await read(db, row)}[key.document_id] is None
    assert all(change.seen is None for change in await read(db, row))


async def test_when_the_rows_of_what_was_deleted_go_the_collection_remembers_the_count(db: Database) -> None:
    row = await new_collection(db)
    key = await add(db, row, "a.txt")
    await db.change(documents.delete_document, key.document_id)
    await add(db, row, "b.txt")
    await db.change(reaping.forget, await db.ask(reaping.remains, limit=10))
    state = await db.ask(scopes.state, "faq")
    assert (state.forgotten, state.changed) == (2, 3)
    assert [change.count for change in await read(db, row)] == [3]


async def test_a_replaced_version_that_goes_is_no_document_that_is_forgotten(db: Database) -> None:
    row = await new_collection(db)
    await add(db, row, "a.txt")
    await add(db, row, "a.txt", "second")
    await db.change(reaping.forget, await db.ask(reaping.remains, limit=10))
    assert (await db.ask(scopes.state, "faq")).forgotten == 0


async def test_vectors_come_by_version_in_the_order_of_its_chunks(db: Database) -> None:
    row = await new_collection(db)
    keys = [await add(db, row, f"{i}.txt") for i in range(3)]
    await db.change(generations.note_indexed, {keys[0]: 2, keys[1]: 2, keys[2]: 3})
    wanted = [(key.document_id, key.version) for key in keys] + [("nobody", 1)]
    found = await db.ask(scopes.vectors, row.generation_id, wanted)
    assert {one.document_id for one in found} == {keys[0].document_id, keys[1].document_id}  # one lacks a chunk
    assert found[0].vectors.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert await db.ask(scopes.vectors, row.generation_id, []) == []


async def test_states_are_of_collections_that_are_there_and_their_generations_in_use(db: Database) -> None:
    rows = [await new_collection(db, name) for name in ("faq", "other", "gone")]
    await db.change(collections.delete, "gone")
    found = {state.collection_id: state.generation.id for state in await db.ask(scopes.states)}
    assert found == {row.id: row.generation_id for row in rows[:2]}
