"""What the answers of the last days took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rag_api.db import usage
from rag_api.db.database import Database
from rag_api.db.usage import UsageRow


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`total` is None where no answer ended since; days without answers are left out."""

    since: str
    total: UsageRow | None
    days: Sequence[UsageRow]


class UsageBook:
    def __init__(self, store: Database) -> None:
        self._store = store

    async def report(self, days: int) -> UsageReport:
        """Of that many days in UTC, today being the last."""
        first = (datetime.now(UTC) - timedelta(days=days - 1)).date().isoformat()
        total, of_days = await self._store.ask(usage.report, first)
        return UsageReport(first, total, of_days)
