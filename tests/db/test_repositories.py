"""Documents and their versions: accepted, published, replaced, deleted, filtered."""

import asyncio

import numpy as np

from rag_api.core.filters import ACL, Condition, restricted
from rag_api.db import chunks, documents, scopes, versions
from rag_api.db.database import Database
from rag_api.db.versions import Accepted
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


async def test_the_same_bytes_make_no_new_version_and_others_do(db: Database) -> None:
    collection = await new_collection(db)
    first = await accept(db, collection, "a.txt", "one")
    assert first.version == 1
    assert await accept(db, collection, "a.txt", "one") == Accepted(first.document_id, None)
    assert await accept(db, collection, "a.txt", "two") == Accepted(first.document_id, 2)
    assert await accept(db, collection, "a.txt", "one") == Accepted(first.document_id, 3)
    assert (await accept(db, collection, "b.txt", "one")).document_id != first.document_id


async def test_an_interrupted_bulk_load_finds_the_version_that_it_queued_and_no_other_load_does(db: Database) -> None:
    collection = await new_collection(db)
    first = await accept(db, collection, "a.txt", "one", bulk_job_id="job_1")
    assert await accept(db, collection, "a.txt", "one", bulk_job_id="job_1") == first
    assert await accept(db, collection, "a.txt", "one", bulk_job_id="job_2") == Accepted(first.document_id, None)
    assert await accept(db, collection, "a.txt", "one") == Accepted(first.document_id, None)
    await write_chunks(db, key_of(collection, first), "one one", "one two")
    await publish(db, key_of(collection, first))
    assert await accept(db, collection, "a.txt", "one", bulk_job_id="job_1") == Accepted(first.document_id, None)


async def test_a_version_that_was_given_up_is_never_published(db: Database) -> None:
    collection = await new_collection(db)
    lines = [await accept(db, collection, f"{i}.txt", bulk_job_id="job_1") for i in range(2)]
    await publish(db, key_of(collection, lines[0]))
    async with db.write() as rows:
        await versions.fail_lines(rows, "job_1", "cancelled", "stop")
    await publish(db, key_of(collection, lines[1]))
    found = [await document(db, collection, line.document_id) for line in lines]
    assert [row.status for row in found if row] == ["ready", "failed"]


async def test_the_same_bytes_are_accepted_again_after_they_failed(db: Database) -> None:
    collection = await new_collection(db)
    first = await accept(db, collection, "a.txt", "one")
    await fail(db, key_of(collection, first))
    assert await accept(db, collection, "a.txt", "one") == Accepted(first.document_id, 2)


async def test_many_are_accepted_at_once_in_their_order(db: Database) -> None:
    collection = await new_collection(db)
    known = await accept(db, collection, "b.txt", "one")
    async with db.write() as rows:
        sources = [incoming("a.txt"), incoming("b.txt", "two"), incoming("b2.txt"), incoming("c.txt")]
        accepted = await versions.accept(rows, collection.id, sources)
    assert [row.version for row in accepted] == [1, 2, 1, 1]
    assert accepted[1].document_id == known.document_id
    assert len({row.document_id for row in accepted}) == 4


async def test_two_processes_may_write_at_once(db: Database) -> None:
    collection, other_process = await new_collection(db), Database(db.url)
    tries = [accept(which, collection, f"{i}.txt") for i in range(25) for which in (db, other_process)]
    accepted = await asyncio.gather(*tries)
    await other_process.close()
    assert len({row.document_id for row in accepted}) == 25
    assert sorted(row.version or 0 for row in accepted) == [0] * 25 + [1] * 25


async def test_one_source_in_two_collections_is_two_documents(db: Database) -> None:
    faq, manual = await new_collection(db), await new_collection(db, "manual")
    one, other = await add(db, faq, "a.txt", "one"), await add(db, manual, "a.txt", "one")
    assert one.document_id != other.document_id
    assert await document(db, faq, other.document_id) is None
    assert await visible(db, one, other) == ["one one", "one two"]


async def test_nothing_of_a_version_is_visible_before_it_is_published(db: Database) -> None:
    collection = await new_collection(db)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await write_chunks(db, key, "first one", "first two")
    assert await visible(db, key) == []
    found = await document(db, collection, key.document_id)
    assert found and (found.status, found.version, found.chunks, found.pages) == ("queued", 1, 2, 2)
    await publish(db, key)
    assert await visible(db, key) == ["first one", "first two"]
    found = await document(db, collection, key.document_id)
    assert found and (found.status, found.title, found.metadata, found.acl) == (
        "ready",
        "A title",
        {"year": 2024},
        ["staff"],
    )


async def test_a_new_version_takes_the_place_of_the_old_one_in_one_step(db: Database) -> None:
    collection = await new_collection(db)
    old = await add(db, collection, "a.txt", "old")
    new = key_of(collection, await accept(db, collection, "a.txt", "new"))
    await write_chunks(db, new, "new one", "new two")
    assert await visible(db, old, new) == ["old one", "old two"]
    await publish(db, new)
    assert await visible(db, old, new) == ["new one", "new two"]
    assert [await status(db, key) for key in (old, new)] == ["superseded", "ready"]


async def test_publishing_never_moves_the_pointer_back(db: Database) -> None:
    collection = await new_collection(db)
    slow = key_of(collection, await accept(db, collection, "a.txt", "slow"))
    await write_chunks(db, slow, "slow one", "slow two")
    fast = await add(db, collection, "a.txt", "fast")
    await publish(db, slow)
    assert await visible(db, slow, fast) == ["fast one", "fast two"]
    assert [await status(db, key) for key in (slow, fast)] == ["superseded", "ready"]
    await publish(db, fast)
    assert await status(db, fast) == "ready"


async def test_publishing_many_touches_no_other_document(db: Database) -> None:
    collection = await new_collection(db)
    bystander = await add(db, collection, "c.txt")
    keys = [key_of(collection, await accept(db, collection, source, "new")) for source in ("a.txt", "b.txt")]
    for key in keys:
        await write_chunks(db, key, "new one", "new two")
    await publish(db, *keys)
    assert [await status(db, key) for key in (*keys, bystander)] == ["ready"] * 3


async def test_a_failed_version_leaves_the_published_one_and_shows_why(db: Database) -> None:
    collection = await new_collection(db)
    good = await add(db, collection, "a.txt", "good")
    bad = key_of(collection, await accept(db, collection, "a.txt", "bad"))
    await fail(db, bad)
    found = await document(db, collection, good.document_id)
    assert found and (found.version, found.status) == (1, "ready")
    assert found.error == {"code": "broken_document", "message": "it is broken"}
    assert await visible(db, good, bad) == ["good one", "good two"]
    await fail(db, good)
    assert await status(db, good) == "ready"


async def test_a_deleted_document_hides_its_chunks_at_once_and_frees_its_source(db: Database) -> None:
    collection = await new_collection(db)
    key, late = await add(db, collection, "a.txt"), key_of(collection, await accept(db, collection, "a.txt", "late"))
    async with db.write() as rows:
        await documents.delete_document(rows, key.document_id)
    await publish(db, late)
    assert await visible(db, key, late) == []
    assert await document(db, collection, key.document_id) is None
    async with db.read() as rows:
        assert await versions.newest(rows, key.document_id) is None
        [change] = await scopes.changes(rows, collection.id, scopes.BEFORE_ALL, limit=9)
        assert change.seen is None
        assert (await chunks.vectors(rows, key.generation_id, [key.document_id]))[0] == []
    again = await accept(db, collection, "a.txt")
    assert again.document_id != key.document_id and again.version == 1


async def test_a_filter_sees_what_is_published(db: Database) -> None:
    collection = await new_collection(db)
    key = await add(db, collection, "a.txt")
    await accept(db, collection, "queued.txt")
    async with db.read() as rows:
        [change, queued] = sorted(
            await scopes.changes(rows, collection.id, scopes.BEFORE_ALL, limit=9), key=lambda change: not change.seen
        )
    assert queued.seen is None and change.seen is not None
    assert (change.seen["document_id"], change.seen["source"]) == (key.document_id, "a.txt")
    assert (change.seen["title"], change.seen["year"]) == ("A title", 2024)
    assert (change.chunks, change.seen["media_type"], change.seen[ACL]) == (2, "text/plain", ["staff"])


async def test_vectors_and_chunks_of_a_document_come_back_as_written(db: Database) -> None:
    collection = await new_collection(db)
    key = await add(db, collection, "a.txt")
    async with db.read() as rows:
        ids, vectors = await chunks.vectors(rows, key.generation_id, [key.document_id, "doc_unknown"])
        first = await chunks.of_document(rows, key.generation_id, key.document_id, limit=1, after=-1)
        rest = await chunks.of_document(rows, key.generation_id, key.document_id, limit=1, after=0)
        passing = [
            await chunks.published(rows, key.generation_id, ids, wanted=wanted)
            for wanted in (
                Condition("year", "$eq", 2024),
                Condition("source", "$eq", "another"),
                restricted(None, ["staff"]),
                restricted(None, ["others"]),
            )
        ]
    assert ids == [key.chunk_id(0), key.chunk_id(1)]
    assert vectors.dtype == np.float32 and vectors.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert ([chunk.text for chunk in first.items], first.next_cursor) == (["first one"], "0")
    assert ([chunk.text for chunk in rest.items], rest.next_cursor) == (["first two"], None)
    assert (rest.items[0].start, rest.items[0].end, rest.items[0].source) == (1, 10, "a.txt")
    assert [len(found) for found in passing] == [2, 0, 2, 0]


async def test_a_second_try_replaces_what_the_first_one_wrote(db: Database) -> None:
    collection = await new_collection(db)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    other = key_of(collection, await accept(db, collection, "b.txt"))
    await write_chunks(db, key, "half")
    await write_chunks(db, other, "other")
    await write_chunks(db, key, "whole one", "whole two")
    await publish(db, key, other)
    assert await visible(db, key, other) == ["other", "whole one", "whole two"]
    async with db.read() as rows:
        assert await documents.text(rows, key.document_id, 1) == "whole one whole two"
        assert await documents.text(rows, "doc_unknown", 1) is None


async def test_more_chunks_than_one_query_asks_for_are_all_found(db: Database) -> None:
    collection = await new_collection(db)
    key = key_of(collection, await accept(db, collection, "a.txt"))
    await write_chunks(db, key, *(f"text {i}" for i in range(700)))
    await publish(db, key)
    async with db.read() as rows:
        found = await chunks.published(rows, key.generation_id, [key.chunk_id(i) for i in range(700)])
    assert len(found) == 700 and found[key.chunk_id(699)].text == "text 699"
