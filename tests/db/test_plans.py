"""What SQLite reads for a statement: what grows with the years must not be read whole for each of them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from rag_api.core.events import Done, Started
from rag_api.db import answer_tables, answers, jobs, reaping
from rag_api.db.answers import Batch
from rag_api.db.database import Database


class Asked:
    """Statements as SQLite has them, with their values."""

    def __init__(self) -> None:
        self._statements: list[str] = []

    def listen(self, connection: sqlite3.Connection, _: Any) -> None:
        connection.set_trace_callback(self._statements.append)

    def plans(self, file: Path, word: str) -> list[str]:
        """Of all that begin with `word`, by the tables and indexes that they read."""
        with closing(sqlite3.connect(file)) as connection:
            return [
                str(row[3])
                for sql in self._statements
                if sql.startswith(word)
                for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")
            ]


@pytest.fixture
def asked() -> Iterator[Asked]:
    found = Asked()
    event.listen(sa.pool.Pool, "connect", found.listen)
    yield found
    event.remove(sa.pool.Pool, "connect", found.listen)


async def test_the_log_of_answers_looks_its_runs_up_by_their_keys(tmp_path: Path, asked: Asked) -> None:
    store = Database(f"sqlite:///{tmp_path / 'answers.db'}")
    await store.change(answer_tables.create)
    names = [f"ans_{n}" for n in range(60)]  # of fewer it looks up each anyway
    await store.change(
        answers.append, [Batch(name, 1, [Started(name, None, "default", "extractive")]) for name in names]
    )
    end = Done("answered", None, "It is.", None, {}, {})
    await store.change(answers.append, [Batch(name, 2, [end]) for name in names])
    for word in ("SELECT answer_runs_1", "UPDATE"):
        plans = asked.plans(tmp_path / "answers.db", word)
        assert plans
        assert all(plan.startswith("SEARCH answer_runs_1 USING") and "(answer_id=?)" in plan for plan in plans)
    await store.close()


async def test_reaping_reads_only_what_is_to_go(db: Database, tmp_path: Path, asked: Asked) -> None:
    async with db.read() as rows:
        await reaping.remains(rows, limit=50)
        await reaping.remains(rows, limit=50, document_id="doc_1")
    plans = asked.plans(tmp_path / "catalogue.db", "SELECT versions")
    assert len(plans) == 2
    assert all("ix_versions_reap" in plan for plan in plans)


async def test_a_new_version_looks_only_at_its_own_document_s_jobs(db: Database, tmp_path: Path, asked: Asked) -> None:
    await db.change(jobs.cancel_of_document, "doc_1", before=2)
    plans = asked.plans(tmp_path / "catalogue.db", "UPDATE jobs")
    assert len(plans) == 2
    assert all("ix_jobs_document_id" in plan for plan in plans)
