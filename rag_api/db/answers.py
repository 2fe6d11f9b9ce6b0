"""The log of answers, kept beside the catalogue, as it is written all the time. A run's events come in batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from functools import cache, partial
from typing import Any, get_args, get_type_hints

import orjson
from sqlalchemy import Select, Table, bindparam, delete, func, insert, or_, select, update

from rag_api.core.events import EVENTS, Event, Failed, Retrieved, Started, documents_in, is_end
from rag_api.core.hits import IndexedChunk, Passage
from rag_api.db import usage
from rag_api.db.answer_tables import batches, feedback, runs, shown
from rag_api.db.database import Connection, now
from rag_api.db.prepared import prepared

RUNNING, OVER, REDACTED, EXPIRED, DROPPED = "running", "over", "redacted", "expired", "dropped"
IDS_A_QUERY = 256
_STATES = prepared(select(runs.c.answer_id, runs.c.state).where(runs.c.answer_id.in_(bindparam("ids", expanding=True))))


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one run that follow each other, from `seq` on."""

    answer_id: str
    seq: int
    events: Sequence[Event]


async def append(db: Connection, written: Sequence[Batch]) -> None:
    """Of runs that are there or begin with the batch. What is for a redacted run is left out."""
    begun = [first for batch in written if isinstance(first := batch.events[0], Started)]
    if begun:
        await db.execute(insert(runs), [_run(first) for first in begun])
    ids = list({batch.answer_id for batch in written})
    alive: set[str] = set()
    for at in range(0, len(ids), IDS_A_QUERY):
        states = await db.execute(_STATES, {"ids": ids[at : at + IDS_A_QUERY]})
        alive.update(row.answer_id for row in states if row.state in (RUNNING, OVER))
    kept = [batch for batch in written if batch.answer_id in alive]
    if not kept:
        return
    rows = [{"answer_id": batch.answer_id, "seq": batch.seq, "events": _encoded(batch.events)} for batch in kept]
    await db.execute(insert(batches), rows)
    documents = {(batch.answer_id, document_id) for batch in kept for document_id in documents_in(batch.events)}
    if documents:
        await db.execute(insert(shown), [{"answer_id": of, "document_id": document} for of, document in documents])
    over = [batch.answer_id for batch in kept if is_end(batch.events[-1])]
    if over:
        await db.execute(update(runs).where(runs.c.answer_id.in_(over)).values(state=OVER))
        await usage.note(db, {batch.answer_id: batch.events[-1] for batch in kept if batch.answer_id in over})


def _run(first: Started) -> dict[str, Any]:
    row = {name: getattr(first, name) for name in ("answer_id", "collection", "conversation_id", "parent_id")}
    return row | {"state": RUNNING, "started_at": now()}


async def load(db: Connection, answer_id: str) -> tuple[str, list[Event]] | None:
    """The run's state and its events."""
    state = (await db.execute(select(runs.c.state).where(runs.c.answer_id == answer_id))).scalar_one_or_none()
    if state is None:
        return None
    query = select(batches.c.events).where(batches.c.answer_id == answer_id).order_by(batches.c.seq)
    return state, [event for row in (await db.execute(query)).scalars() for event in _decoded(row)]


async def interrupt(db: Connection, end: Failed) -> int:
    """Ends the runs that nobody goes on with; how many."""
    last = (
        select(runs.c.answer_id, func.max(batches.c.seq).label("seq"))
        .join(batches, batches.c.answer_id == runs.c.answer_id)
        .where(runs.c.state == RUNNING)
        .group_by(runs.c.answer_id)
    ).subquery()
    query = select(batches).join(last, (last.c.answer_id == batches.c.answer_id) & (last.c.seq == batches.c.seq))
    cut = [(row.answer_id, row.seq + len(orjson.loads(row.events))) for row in await db.execute(query)]
    await append(db, [Batch(answer_id, seq, [end]) for answer_id, seq in cut])
    return len(cut)


async def redact(db: Connection, answer_ids: Sequence[str], *, document_id: str = "", collection: str = "") -> None:
    """What was said in these runs, in those that show the document, and in those of the collection is no more."""
    of_document = select(shown.c.answer_id).where(shown.c.document_id == document_id)
    query = select(runs.c.answer_id).where(
        or_(runs.c.answer_id.in_(answer_ids), runs.c.answer_id.in_(of_document), runs.c.collection == collection)
    )
    await _empty(db, query, REDACTED, besides=(feedback,))


async def drop(db: Connection, conversation_id: str) -> None:
    """The answers of a conversation that is deleted."""
    query = select(runs.c.answer_id).where(runs.c.conversation_id == conversation_id)
    await _empty(db, query, DROPPED, besides=(feedback,))


async def expire(db: Connection, before: str, *, limit: int) -> int:
    """Empties runs that began before a moment, belong to no conversation and were not rated; how many."""
    query = select(runs.c.answer_id).where(
        runs.c.state == OVER,
        runs.c.started_at < before,
        runs.c.conversation_id.is_(None),
        runs.c.answer_id.not_in(select(feedback.c.answer_id)),
    )
    return await _empty(db, query.limit(limit), EXPIRED)


async def documents_shown(db: Connection) -> set[str]:
    return set((await db.execute(select(shown.c.document_id).distinct())).scalars())


async def _empty(db: Connection, query: Select[Any], state: str, *, besides: Sequence[Table] = ()) -> int:
    answer_ids = list((await db.execute(query)).scalars())
    for at in range(0, len(answer_ids), IDS_A_QUERY):
        some = answer_ids[at : at + IDS_A_QUERY]
        for table in (batches, shown, *besides):
            await db.execute(delete(table).where(table.c.answer_id.in_(some)))
        await db.execute(update(runs).where(runs.c.answer_id.in_(some)).values(state=state))
    return len(answer_ids)


def _encoded(events: Sequence[Event]) -> bytes:
    return orjson.dumps([(event.type, event) for event in events], option=orjson.OPT_NON_STR_KEYS)


def _decoded(row: bytes) -> list[Event]:
    return [_event(name, values) for name, values in orjson.loads(row)]


def _event(name: str, values: dict[str, Any]) -> Event:
    if name == Retrieved.type:
        return Retrieved(
            tuple(Passage(**(passage | {"chunk": IndexedChunk(**passage["chunk"])})) for passage in values["passages"])
        )
    parts = _parts(name)
    return EVENTS[name](**{key: parts[key](value) if key in parts else value for key, value in values.items()})


@cache
def _parts(name: str) -> dict[str, Callable[[Any], Any]]:
    """How to make those of an event's fields that are dataclasses, or None."""
    hints = {key: (hint, *get_args(hint)) for key, hint in get_type_hints(EVENTS[name]).items()}
    made = {key: [kind for kind in kinds if is_dataclass(kind)] for key, kinds in hints.items()}
    return {key: partial(_made, kinds[0]) for key, kinds in made.items() if kinds}


def _made(kind: Any, values: Mapping[str, Any] | None) -> Any:
    return None if values is None else kind(**values)
