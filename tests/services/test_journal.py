"""The log of answers, with a real file."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from rag_api.core.events import Done, Event, Failed, Retrieved, Started, TextAppended
from rag_api.core.hits import IndexedChunk, Passage
from rag_api.db import answer_tables, answers, collections
from rag_api.db.database import Database, migrate
from rag_api.errors import AnswerNotFound, AnswerRedacted, ContentGone, StorageFull
from rag_api.services import journal as journal_module
from rag_api.services.journal import Journal
from tests.db.catalogue import accept, new_collection


@pytest.fixture
async def catalogue(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'catalogue.db'}"
    await asyncio.to_thread(migrate, url)
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(f"sqlite:///{tmp_path / 'answers.db'}")
    yield database
    await database.close()


def run(answer_id: str, document_id: str = "", collection: str = "default") -> list[Event]:
    text = "It opens at six: \U0001f950 and \u2028."
    chunk = IndexedChunk(
        f"{document_id}:1:0", document_id, 1, 0, "t", "s", 3, "a > b", 5, 9, text, {"tags": ["x", None]}
    )
    shown = (Passage(1, chunk, 0.5, None),) if document_id else ()
    done = Done("answered", "stop", text, None, {"total": 1.5}, {"supported": 0, "partial": 0, "unsupported": 0})
    return [Started(answer_id, None, collection, "m"), Retrieved(shown), TextAppended(0, text), done]


def write(journal: Journal, answer_id: str, events: list[Event]) -> None:
    for seq, event in enumerate(events, start=1):
        journal.add(answer_id, seq, event)


async def new_document(catalogue: Database) -> str:
    collection = await new_collection(catalogue)
    accepted = await accept(catalogue, collection, "a.txt")
    return accepted.document_id


async def test_what_was_added_is_loaded_as_it_was(store: Database, catalogue: Database) -> None:
    document_id = await new_document(catalogue)
    async with Journal(store, catalogue, kept_days=1) as journal:
        for i in range(3):
            write(journal, f"ans_{i}", run(f"ans_{i}", document_id))
        await asyncio.sleep(0.3)
        assert await journal.load("ans_1") == run("ans_1", document_id)
        with pytest.raises(AnswerNotFound):
            await journal.load("ans_9")


async def test_leaving_writes_what_waits_and_a_run_without_end_is_ended_by_the_next(
    store: Database, catalogue: Database
) -> None:
    async with Journal(store, catalogue, kept_days=1) as journal:
        write(journal, "ans_1", run("ans_1")[:3])
    async with Journal(store, catalogue, kept_days=1) as journal:
        *said, end = await journal.load("ans_1")
    assert said == run("ans_1")[:3]
    assert isinstance(end, Failed) and end.code == "interrupted"
    async with Journal(store, catalogue, kept_days=1) as journal:
        assert await journal.load("ans_1") == [*said, end]


async def test_a_redacted_run_has_no_more_events_whatever_is_added_later(store: Database, catalogue: Database) -> None:
    document_id = await new_document(catalogue)
    async with Journal(store, catalogue, kept_days=1) as journal:
        write(journal, "ans_1", run("ans_1", document_id)[:3])
        await journal.redact([], document_id=document_id)
        journal.add("ans_1", 4, run("ans_1")[3])
        write(journal, "ans_2", run("ans_2", collection="other"))
        await journal.redact([], collection="other")
        await asyncio.sleep(0.3)
        for answer_id in ("ans_1", "ans_2"):
            with pytest.raises(AnswerRedacted):
                await journal.load(answer_id)
            assert await store.ask(answers.load, answer_id) == (answers.REDACTED, [])


async def test_what_a_deletion_could_not_redact_is_not_shown_and_goes_at_the_next_start(
    store: Database, catalogue: Database
) -> None:
    document_id = await new_document(catalogue)
    async with Journal(store, catalogue, kept_days=1) as journal:
        write(journal, "ans_1", run("ans_1", document_id))
        await asyncio.sleep(0.3)
        await catalogue.change(collections.delete, "faq")
        with pytest.raises(AnswerRedacted):
            await journal.load("ans_1")
    async with Journal(store, catalogue, kept_days=1):
        assert await store.ask(answers.load, "ans_1") == (answers.REDACTED, [])


async def test_old_runs_are_dropped_and_said_to_be(store: Database, catalogue: Database) -> None:
    async with Journal(store, catalogue, kept_days=2) as journal:
        write(journal, "ans_old", run("ans_old"))
        write(journal, "ans_new", run("ans_new"))
    old = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    async with store.write() as db:
        runs = answer_tables.runs
        await db.execute(update(runs).where(runs.c.answer_id == "ans_old").values(started_at=old))
    async with Journal(store, catalogue, kept_days=2) as journal:
        await asyncio.sleep(0.3)
        with pytest.raises(ContentGone, match=r"ans_old.*2 days"):
            await journal.load("ans_old")
        assert await journal.load("ans_new") == run("ans_new")


async def test_a_log_that_can_not_be_written_costs_bounded_memory_and_comes_back(
    store: Database, catalogue: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "PENDING_EVENTS", 10)
    monkeypatch.setattr(journal_module, "RETRY_S", 0.05)
    change, is_full = store.change, True

    async def change_or_not(*args: Any, **kwargs: Any) -> Any:
        if is_full:
            raise StorageFull("full")
        return await change(*args, **kwargs)

    async with Journal(store, catalogue, kept_days=1) as journal:
        monkeypatch.setattr(store, "change", change_or_not)
        for i in range(20):
            write(journal, f"ans_{i}", run(f"ans_{i}"))
            await asyncio.sleep(0.01)
        assert journal._count <= 10
        is_full = False
        await asyncio.sleep(0.5)
        write(journal, "ans_last", run("ans_last"))
        await asyncio.sleep(0.5)
        assert await journal.load("ans_last") == run("ans_last")
        with pytest.raises(AnswerNotFound):
            await journal.load("ans_0")
