"""Conversations and feedback, kept with the log of answers. A conversation's turns are its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import and_, delete, insert, or_, select, update

from ingest.documents import new_id
from rag_api.db import answers
from rag_api.db.answer_tables import conversations, feedback, owners, runs
from rag_api.db.database import Connection, now
from rag_api.db.rows import Page, decode_cursor, encode_cursor
from rag_api.errors import ConversationNotFound


@dataclass(frozen=True, slots=True)
class ConversationRow:
    id: str
    title: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class TurnRow:
    """An answer of a conversation; `parent_id` is the one that it goes on from."""

    answer_id: str
    parent_id: str | None


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """`answer` is what was rated, as it was then."""

    answer_id: str
    rating: int
    comment: str
    created_at: str
    answer: Mapping[str, Any]


_COLUMNS = [conversations.c[name] for name in ConversationRow.__dataclass_fields__]
_FEEDBACK = [feedback.c[name] for name in FeedbackRow.__dataclass_fields__]


async def create(db: Connection, title: str, owner: str) -> ConversationRow:
    moment = now()
    row = ConversationRow(new_id("conv"), title, moment, moment)
    await db.execute(insert(conversations).values({name: getattr(row, name) for name in ConversationRow.__slots__}))
    await db.execute(insert(owners).values(conversation_id=row.id, owner=owner))
    return row


async def get(db: Connection, conversation_id: str) -> ConversationRow:
    found = (await db.execute(select(*_COLUMNS).where(conversations.c.id == conversation_id))).first()
    if found is None:
        raise ConversationNotFound(conversation_id)
    return ConversationRow(*found)


async def owner(db: Connection, conversation_id: str) -> str:
    """Who began it; empty where nobody knows."""
    query = select(owners.c.owner).where(owners.c.conversation_id == conversation_id)
    return (await db.execute(query)).scalar_one_or_none() or ""


async def page(db: Connection, *, limit: int, cursor: str | None, owner: str | None = None) -> Page[ConversationRow]:
    """The one that was spoken in last comes first. `owner` None: whoever began them."""
    query = select(*_COLUMNS)
    if owner is not None:
        query = query.join(owners, owners.c.conversation_id == conversations.c.id).where(owners.c.owner == owner)
    if cursor:
        updated_at, id_ = decode_cursor("conversations", cursor)
        same = and_(conversations.c.updated_at == updated_at, conversations.c.id < id_)
        query = query.where(or_(conversations.c.updated_at < updated_at, same))
    query = query.order_by(conversations.c.updated_at.desc(), conversations.c.id.desc()).limit(limit + 1)
    rows = [ConversationRow(*row) for row in await db.execute(query)]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode_cursor("conversations", last.updated_at, last.id) if last else None)


async def change(db: Connection, conversation_id: str, title: str | None = None) -> ConversationRow:
    """Its title; without one, when it was last spoken in."""
    values = {"updated_at": now()} if title is None else {"title": title}
    await db.execute(update(conversations).where(conversations.c.id == conversation_id).values(**values))
    return await get(db, conversation_id)


async def remove(db: Connection, conversation_id: str) -> None:
    """With all that was said in it."""
    await get(db, conversation_id)
    await answers.drop(db, conversation_id)
    await db.execute(delete(conversations).where(conversations.c.id == conversation_id))


async def turns(db: Connection, conversation_id: str) -> list[TurnRow]:
    """In the order in which they were asked."""
    query = (
        select(runs.c.answer_id, runs.c.parent_id)
        .where(runs.c.conversation_id == conversation_id)
        .order_by(runs.c.started_at, runs.c.answer_id)
    )
    return [TurnRow(*row) for row in await db.execute(query)]


async def rate(db: Connection, answer_id: str, rating: int, comment: str, answer: Mapping[str, Any]) -> FeedbackRow:
    """The last rating of an answer counts."""
    row = FeedbackRow(answer_id, rating, comment, now(), answer)
    values = {name: getattr(row, name) for name in FeedbackRow.__slots__} | {"answer": orjson.dumps(answer)}
    await db.execute(delete(feedback).where(feedback.c.answer_id == answer_id))
    await db.execute(insert(feedback).values(values))
    return row


async def ratings(db: Connection, *, rating: int | None, limit: int, cursor: str | None) -> Page[FeedbackRow]:
    """The last one first."""
    query = select(*_FEEDBACK)
    if rating is not None:
        query = query.where(feedback.c.rating == rating)
    if cursor:
        created_at, id_ = decode_cursor("feedback", cursor)
        same = and_(feedback.c.created_at == created_at, feedback.c.answer_id < id_)
        query = query.where(or_(feedback.c.created_at < created_at, same))
    query = query.order_by(feedback.c.created_at.desc(), feedback.c.answer_id.desc()).limit(limit + 1)
    rows = [
        FeedbackRow(row.answer_id, row.rating, row.comment, row.created_at, orjson.loads(row.answer))
        for row in await db.execute(query)
    ]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode_cursor("feedback", last.created_at, last.answer_id) if last else None)


def chain(found: Sequence[TurnRow], last: str | None) -> list[str]:
    """The answers that lead to one, itself last: the branch that it stands on."""
    parents = {turn.answer_id: turn.parent_id for turn in found}
    branch: list[str] = []
    while last in parents:
        branch.append(last)
        last = parents.pop(last)
    return branch[::-1]
