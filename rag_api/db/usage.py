"""What answers took, day by day: counted when each ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, case, func, insert, select

from rag_api.core.events import Done, Event
from rag_api.db.answer_tables import ends
from rag_api.db.database import Connection, now

OUTCOMES = ("answered", "no_answer", "cancelled", "failed")
_WHOLE = ("answered", "no_answer")
_SUMS = ("answers", "cached", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True, slots=True)
class Percentiles:
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Of a day in UTC, or of all together. Times are those of answers that came whole and were made, not remembered."""

    day: str
    answers: int
    outcomes: Mapping[str, int]
    cached: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    first_text_ms: Percentiles | None
    total_ms: Percentiles | None


async def note(db: Connection, ended: Mapping[str, Event]) -> None:
    """The last events of answers, by the answers' ids."""
    day = now()[:10]
    await db.execute(insert(ends), [_values(answer_id, end) | {"day": day} for answer_id, end in ended.items()])


def _values(answer_id: str, end: Event) -> dict[str, Any]:
    done = end if isinstance(end, Done) else None
    usage, took = (done.usage, done.timings_ms) if done else (None, {})
    return {
        "answer_id": answer_id,
        "outcome": done.outcome if done else "failed",
        "cached": bool(done and done.cached),
        "prompt_tokens": usage.prompt_tokens if usage else 0,
        "completion_tokens": usage.completion_tokens if usage else 0,
        "cost": usage.cost if usage else None,
        "first_text_ms": took.get("first_text"),
        "total_ms": took.get("total"),
    }


async def report(db: Connection, first: str) -> tuple[UsageRow | None, list[UsageRow]]:
    """All from that day on as one, None without any, and the days that had answers.

    The one's counts are sums of the days', so that they agree whatever is noted between the queries.
    """
    days = await _days(db, first)
    if not days:
        return None, []
    costs = [day.cost for day in days if day.cost is not None]
    whole = UsageRow(
        day="",
        outcomes={outcome: sum(day.outcomes[outcome] for day in days) for outcome in OUTCOMES},
        cost=sum(costs) if costs else None,
        first_text_ms=(await _percentiles(db, first, [], ends.c.first_text_ms)).get(""),
        total_ms=(await _percentiles(db, first, [], ends.c.total_ms)).get(""),
        **{name: sum(getattr(day, name) for day in days) for name in _SUMS},
    )
    return whole, days


async def _days(db: Connection, first: str) -> list[UsageRow]:
    by = [ends.c.day]
    counts = [func.sum(case((ends.c.outcome == outcome, 1), else_=0)).label(outcome) for outcome in OUTCOMES]
    sums = [func.sum(ends.c[name]).label(name) for name in ("prompt_tokens", "completion_tokens", "cost")]
    cached = func.sum(case((ends.c.cached, 1), else_=0)).label("cached")
    query = select(*by, func.count().label("answers"), cached, *counts, *sums).where(ends.c.day >= first)
    found = (await db.execute(query.group_by(*by).order_by(*by))).mappings().all()
    first_text = await _percentiles(db, first, by, ends.c.first_text_ms)
    total = await _percentiles(db, first, by, ends.c.total_ms)
    return [
        UsageRow(
            outcomes={outcome: row[outcome] for outcome in OUTCOMES},
            first_text_ms=first_text.get(row["day"]),
            total_ms=total.get(row["day"]),
            **{name: row[name] for name in ("day", "cost", *_SUMS)},
        )
        for row in found
    ]


async def _percentiles(
    db: Connection, day: str, by: list[Column[str]], column: Column[float]
) -> dict[str, Percentiles]:
    """By nearest rank."""
    is_meant = (ends.c.day >= day, column.is_not(None), ends.c.outcome.in_(_WHOLE), ends.c.cached.is_(False))
    ranked = select(
        *by,
        column.label("ms"),
        func.row_number().over(partition_by=by or None, order_by=column).label("rank"),
        func.count().over(partition_by=by or None).label("of"),
    ).where(*is_meant)
    table = ranked.subquery()
    groups = [table.c.day] if by else []
    reached = [func.min(case((table.c.rank >= share * table.c.of, table.c.ms))) for share in (0.5, 0.95)]
    query = select(*reached, *groups).group_by(*groups)
    found = (await db.execute(query)).all()
    return {row[2] if by else "": Percentiles(row[0], row[1]) for row in found if row[0] is not None}
