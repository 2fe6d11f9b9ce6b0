"""What the gate before answers keeps: a collection's own threshold, and what was measured of a generation."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import orjson
from sqlalchemy import delete, select, update

from rag_api.db import collections
from rag_api.db.database import Connection
from rag_api.db.tables import collections as table
from rag_api.db.tables import facts, indexed


@dataclass(frozen=True, slots=True)
class Measured:
    """Of `core.calibrating.Background`, with as many chunks as there were then.

    separation: the median of what words of so many sentences reach, relative to `unrelated`; None where the embedder is
    the one that the gate was fitted with."""

    unrelated: float
    chunks: int
    measured_at: str
    separation: float | None = None
    drawn: int = 0
    stretch: float = 1.0
    is_trusted: bool = True


async def measured(db: Connection, generation_id: str) -> Measured | None:
    value = await collections.fact(db, _of_generation(generation_id))
    return Measured(**orjson.loads(value)) if value else None


async def keep_measured(db: Connection, generation_id: str, found: Measured) -> None:
    await collections.note(db, _of_generation(generation_id), orjson.dumps(found).decode())


async def forget(db: Connection, ids: Sequence[str]) -> None:
    """What is kept of generations and collections that are no more."""
    names = [name(id_) for id_ in ids for name in (_of_generation, _of_collection)]
    await db.execute(delete(facts).where(facts.c.name.in_(names)))


async def threshold(db: Connection, collection_id: str) -> float | None:
    """The collection's own, if it has one."""
    value = await collections.fact(db, _of_collection(collection_id))
    return float(value) if value else None


async def set_threshold(db: Connection, collection_id: str, value: float | None) -> None:
    """None: none of its own. Counts as a change of the collection, by which other processes notice."""
    if value is None:
        await collections.forget_fact(db, _of_collection(collection_id))
    else:
        await collections.note(db, _of_collection(collection_id), repr(value))
    row = table.c.id == collection_id
    await db.execute(update(table).where(row).values(changed=table.c.changed + 1))


async def size(db: Connection, generation_id: str) -> int:
    """How many chunks there are, those of replaced versions included."""
    return sum(count for _, _, count in await _counts(db, generation_id))


async def spread(db: Connection, generation_id: str, *, count: int) -> list[str]:
    """Ids of at most `count` chunks, at even distances in the order of documents."""
    rows = await _counts(db, generation_id)
    ends = list(accumulate(chunks for _, _, chunks in rows))
    total = ends[-1] if ends else 0
    wanted = (i * total // count for i in range(count)) if total > count else range(total)
    ids: list[str] = []
    at = 0
    for place in wanted:
        while ends[at] <= place:
            at += 1
        document_id, version, chunks = rows[at]
        ids.append(f"{document_id}:{version}:{place - (ends[at] - chunks)}")
    return ids


async def _counts(db: Connection, generation_id: str) -> Sequence[tuple[str, int, int]]:
    query = (
        select(indexed.c.document_id, indexed.c.version, indexed.c.chunks)
        .where(indexed.c.generation_id == generation_id)
        .order_by(indexed.c.document_id, indexed.c.version)
    )
    return [(row.document_id, row.version, row.chunks) for row in await db.execute(query)]


def _of_generation(generation_id: str) -> str:
    return f"unrelated questions in {generation_id}"


def _of_collection(collection_id: str) -> str:
    return f"threshold of {collection_id}"
