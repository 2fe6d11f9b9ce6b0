"""SELECTs that every question asks: compiled once, then run by SQLite's driver itself.

Purpose: SQLAlchemy spends more on expanding lists and on its rows than SQLite spends on the query.
Mechanism: `prepared` marks a statement, which any connection executes; one to a file makes of it a plan for each size
of its lists, that is the SQL, the order of its values and what is to be made of the columns. Lists are filled up to a
power of two with what they have already, which `IN` does not mind, so that few plans and few of the driver's own
statements do for all.
Does not promise: all of SQLAlchemy's result, nor values that the driver does not take as they are.
"""

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import DBAPIError

PLANS = 256
_MARK = "is_prepared"
_DIALECT = SQLiteDialect_pysqlite()


def prepared(statement: sa.Select[Any]) -> sa.Select[Any]:
    return statement.execution_options(**{_MARK: True})


def is_prepared(statement: sa.Executable) -> bool:
    return _MARK in statement.get_execution_options()


def run(connection: sqlite3.Connection, statement: Any, parameters: Mapping[str, Any]) -> "Rows":
    """Raises DBAPIError."""
    lists = {name: _filled(value) for name, value in parameters.items() if isinstance(value, list)}
    plan = _plan(statement, tuple((name, len(values)) for name, values in sorted(lists.items())))
    values = plan.values({**parameters, **lists})
    try:
        return Rows(plan, connection.execute(plan.sql, values).fetchall())
    except sqlite3.Error as error:
        raise DBAPIError.instance(plan.sql, None, error, sqlite3.Error, hide_parameters=True) from error


class Rows:
    """What a plan found, as far as it is asked for: named tuples, or the first column alone."""

    def __init__(self, plan: "_Plan", found: list[tuple[Any, ...]]) -> None:
        self._plan = plan
        self._found = found

    def __iter__(self) -> Iterator[Any]:
        return map(self._plan.row, self._found)

    def first(self) -> Any:
        return self._plan.row(self._found[0]) if self._found else None

    def scalars(self) -> Iterator[Any]:
        return (row[0] for row in self)


@dataclass(frozen=True, slots=True)
class _Plan:
    """`order`: the parameters' names as the SQL has their values; `fixed`: those that the statement knows itself."""

    sql: str
    order: Sequence[str]
    fixed: Mapping[str, Any]
    lists: Mapping[str, bool]  # by name, whether its members are tuples
    made: Sequence[tuple[int, Callable[[Any], Any]]]  # by column, what the driver's value becomes
    named: Any

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        found: list[Any] = []
        for name in self.order:
            if name not in self.lists:
                found.append(given[name] if name in given else self.fixed[name])
            else:
                found.extend(chain.from_iterable(given[name]) if self.lists[name] else given[name])
        return found

    def row(self, found: tuple[Any, ...]) -> Any:
        if not self.made:
            return self.named(*found)
        row = list(found)
        for at, make in self.made:
            row[at] = make(row[at])
        return self.named(*row)


@lru_cache(maxsize=PLANS)
def _plan(statement: Any, lists: tuple[tuple[str, int], ...]) -> _Plan:
    compiled = statement.compile(dialect=_DIALECT)
    widths = {name: len(getattr(compiled.binds[name].type, "types", ())) for name, _ in lists}
    given = {name: [(None,) * widths[name] if widths[name] else None] * count for name, count in lists}
    columns = list(statement.selected_columns)
    made = [column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None) for column in columns]
    return _Plan(
        compiled.construct_expanded_state({**compiled.params, **given}).statement,
        compiled.positiontup,
        {name: value for name, value in compiled.params.items() if not compiled.binds[name].required},
        {name: width > 0 for name, width in widths.items()},
        [(at, make) for at, make in enumerate(made) if make],
        namedtuple("Row", [column.name for column in columns], rename=True),
    )


def _filled(values: list[Any]) -> list[Any]:
    size = 1 << max(0, len(values) - 1).bit_length()
    return values + values[:1] * (size - len(values)) if values else values
