"""Lists in pages: each row once, in order, however long the pages are."""

import base64
import json
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import pytest

from rag_api.db import collections, documents, jobs
from rag_api.db.database import Database
from rag_api.db.jobs import Work
from rag_api.db.rows import Page
from rag_api.errors import InvalidCursor
from tests.db.catalogue import accept, add, new_collection

COUNT = 11
FORGED = [None, {}, 1, [], ["one"], [1, 2], [None, None], ["a", "b", "c", "d", "e"]]
Turn = Callable[[int, str | None], Awaitable[Page[object]]]


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


async def of_collections(db: Database) -> Turn:
    for i in range(COUNT):
        await new_collection(db, f"collection {i}")

    async def turn(limit: int, cursor: str | None) -> Page[object]:
        async with db.read() as rows:
            return await collections.page(rows, limit=limit, cursor=cursor)  # type: ignore[return-value]

    return turn


async def of_documents(db: Database) -> Turn:
    collection = await new_collection(db)
    for i in range(COUNT):
        await accept(db, collection, f"{i}.txt")

    async def turn(limit: int, cursor: str | None) -> Page[object]:
        async with db.read() as rows:
            return await documents.page(rows, collection.id, status=None, limit=limit, cursor=cursor)  # type: ignore[return-value]

    return turn


async def of_jobs(db: Database) -> Turn:
    async with db.write() as rows:
        for i in range(COUNT):
            await jobs.queue(rows, Work("col_1", f"{i}.txt", "text/plain", "file"))

    async def turn(limit: int, cursor: str | None) -> Page[object]:
        async with db.read() as rows:
            return await jobs.page(rows, state=None, limit=limit, cursor=cursor)  # type: ignore[return-value]

    return turn


LISTS = pytest.mark.parametrize("make", [of_collections, of_documents, of_jobs])


@LISTS
@pytest.mark.parametrize("limit", [1, 4, COUNT - 1, COUNT, COUNT + 1])
async def test_pages_hold_every_row_once_and_in_order(db: Database, make: Callable[..., object], limit: int) -> None:
    turn: Turn = await make(db)  # type: ignore[misc]
    whole = await turn(100, None)
    assert (len(whole.items), whole.next_cursor) == (COUNT, None)
    found: list[object] = []
    cursor: str | None = None
    for _ in range(COUNT + 1):
        page = await turn(limit, cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert found == whole.items


@LISTS
@pytest.mark.parametrize("cursor", ["x", "é", "%%%", "-1", *(encoded(value) for value in FORGED)])
async def test_a_cursor_that_no_list_gave_is_refused(db: Database, make: Callable[..., object], cursor: str) -> None:
    turn: Turn = await make(db)  # type: ignore[misc]
    with pytest.raises(InvalidCursor, match="not one that this list gave"):
        await turn(3, cursor)


async def test_a_cursor_of_another_list_is_refused(db: Database) -> None:
    of_one, of_other = await of_jobs(db), await of_collections(db)
    cursor = (await of_one(3, None)).next_cursor
    with pytest.raises(InvalidCursor, match="not one that this list gave"):
        await of_other(3, cursor)


@LISTS
async def test_a_cursor_goes_into_an_address_as_it_is(db: Database, make: Callable[..., object]) -> None:
    turn: Turn = await make(db)  # type: ignore[misc]
    cursor = (await turn(3, None)).next_cursor
    assert cursor and quote(cursor) == cursor


async def test_documents_and_jobs_are_listed_by_state(db: Database) -> None:
    collection = await new_collection(db)
    ready, queued = await add(db, collection, "a.txt"), await accept(db, collection, "b.txt")
    async with db.write() as rows:
        ended = await jobs.queue(rows, Work("col_1", "a.txt", "text/plain", "file"))
        await jobs.cancel(rows, ended)
        waiting = await jobs.queue(rows, Work("col_1", "b.txt", "text/plain", "file"))
    async with db.read() as rows:
        for status, document_id in (("ready", ready.document_id), ("queued", queued.document_id)):
            page = await documents.page(rows, collection.id, status=status, limit=9, cursor=None)
            assert [row.document_id for row in page.items] == [document_id]
        for state, job_id in (("cancelled", ended), ("queued", waiting)):
            listed = await jobs.page(rows, state=state, limit=9, cursor=None)
            assert [row.id for row in listed.items] == [job_id]
