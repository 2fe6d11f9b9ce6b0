"""What is counted of answers."""

from pathlib import Path
from typing import Any

from sqlalchemy import CursorResult, Executable

from rag_api.core.events import Done
from rag_api.db import answer_tables, usage
from rag_api.db.database import Connection, Database


class Busy:
    """A connection beside which another answer ends after each statement."""

    def __init__(self, inner: Connection) -> None:
        self._inner = inner
        self._ended = 0

    async def execute(self, statement: Executable, parameters: Any = None, /) -> CursorResult[*tuple[Any, ...]]:
        found = await self._inner.execute(statement, parameters)
        self._ended += 1
        end = Done("answered", None, "It is.", None, {"total": 4.0}, {})
        await usage.note(self._inner, {f"ans_{self._ended}": end})
        return found


async def test_the_whole_is_the_sum_of_the_days_while_answers_end(tmp_path: Path) -> None:
    store = Database(f"sqlite:///{tmp_path / 'answers.db'}")
    await store.change(answer_tables.create)
    assert await store.ask(usage.report, "2026-01-01") == (None, [])
    async with store.write() as db:
        await usage.note(db, {"ans_0": Done("no_answer", None, "", None, {"total": 2.0}, {})})
        whole, days = await usage.report(Busy(db), "2026-01-01")
    assert whole
    assert (whole.answers, sum(day.answers for day in days)) == (1, 1)
    assert whole.outcomes == {"answered": 0, "no_answer": 1, "cancelled": 0, "failed": 0}
    await store.close()
