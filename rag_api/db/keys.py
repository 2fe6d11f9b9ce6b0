"""API keys. Of a secret its hash is kept, and the first characters, by which people and look-ups know it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, insert, or_, select, update

from ingest.documents import new_id
from rag_api.core.principals import Role
from rag_api.db.database import Connection, now
from rag_api.db.rows import Page, decode_cursor, encode_cursor
from rag_api.db.tables import keys
from rag_api.errors import KeyNotFound


@dataclass(frozen=True, slots=True)
class KeyRow:
    """`collections` None: all. `hash`: SHA-256 of the secret, in hexadecimal."""

    id: str
    name: str
    prefix: str
    hash: str
    role: Role
    collections: Sequence[str] | None
    groups: Sequence[str]
    created_at: str
    last_used_at: str | None
    expires_at: str | None
    revoked_at: str | None


_COLUMNS = [keys.c[name] for name in KeyRow.__dataclass_fields__]


async def create(
    db: Connection,
    *,
    name: str,
    prefix: str,
    hash: str,
    role: Role,
    collections: Sequence[str] | None,
    groups: Sequence[str],
    expires_at: str | None,
) -> KeyRow:
    row = KeyRow(new_id("key"), name, prefix, hash, role, collections, groups, now(), None, expires_at, None)
    await db.execute(insert(keys).values({column: getattr(row, column) for column in KeyRow.__slots__}))
    return row


async def are_there(db: Connection) -> bool:
    """Whether there ever was one: revoked ones count."""
    return (await db.execute(select(keys.c.id).limit(1))).first() is not None


async def with_prefix(db: Connection, prefix: str) -> list[KeyRow]:
    """Those that may be used now."""
    query = select(*_COLUMNS).where(keys.c.prefix == prefix, *_usable())
    return [KeyRow(*row) for row in await db.execute(query)]


async def get(db: Connection, key_id: str) -> KeyRow:
    row = (await db.execute(select(*_COLUMNS).where(keys.c.id == key_id))).first()
    if row is None:
        raise KeyNotFound(key_id)
    return KeyRow(*row)


async def page(db: Connection, *, limit: int, cursor: str | None) -> Page[KeyRow]:
    """The newest first."""
    query = select(*_COLUMNS)
    if cursor:
        created_at, id_ = decode_cursor("keys", cursor)
        query = query.where(or_(keys.c.created_at < created_at, and_(keys.c.created_at == created_at, keys.c.id < id_)))
    query = query.order_by(keys.c.created_at.desc(), keys.c.id.desc()).limit(limit + 1)
    rows = [KeyRow(*row) for row in await db.execute(query)]
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode_cursor("keys", last.created_at, last.id) if last else None)


async def revoke(db: Connection, key_id: str) -> KeyRow:
    """One that is revoked already stays as it is."""
    await db.execute(update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=now()))
    return await get(db, key_id)


async def lasting_admins(db: Connection, *, besides: str = "") -> int:
    """How many keys of admins will always do."""
    query = select(func.count()).where(
        keys.c.role == "admin", keys.c.revoked_at.is_(None), keys.c.expires_at.is_(None), keys.c.id != besides
    )
    return int((await db.execute(query)).scalar_one())


async def note_used(db: Connection, key_id: str) -> None:
    await db.execute(update(keys).where(keys.c.id == key_id).values(last_used_at=now()))


def _usable() -> tuple[Any, ...]:
    return keys.c.revoked_at.is_(None), or_(keys.c.expires_at.is_(None), keys.c.expires_at > now())
