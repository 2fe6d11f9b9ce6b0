"""API keys: made, listed, revoked, and known again by their secret."""

import asyncio
import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rag_api.core.principals import Principal, Role
from rag_api.db import keys
from rag_api.db.database import Connection, Database
from rag_api.db.keys import KeyRow
from rag_api.db.rows import Page
from rag_api.errors import InvalidRequest, LastAdminKey, StorageFull
from rag_api.services.briefly import Briefly
from rag_api.telemetry import log

MARK = "rag_"
SECRET_BYTES = 32
PREFIX_CHARS = len(MARK) + 8
NOTED_EVERY = timedelta(minutes=10)  # when a key was last used is known to about so much
OPEN_S = 1.0  # for so long it is believed that there is no key; that there is one, for good
_SECRET = re.compile(re.escape(MARK) + r"[\w-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class NewKey:
    name: str
    role: Role
    collections: Sequence[str] | None = None
    groups: Sequence[str] = ()
    expires_at: datetime | None = None


class Keys:
    """`known` holds principals for a moment; revoking empties it. `is_guarded`: admins have another way in, too."""

    def __init__(self, db: Database, known: Briefly[Principal], *, is_guarded: bool) -> None:
        self._db = db
        self._known = known
        self._is_guarded = is_guarded
        self._are_there = False
        self._looked_at = float("-inf")
        self._noting: set[asyncio.Task[None]] = set()

    async def are_there(self) -> bool:
        """Whether there ever was one: a server that has had a key never opens again by itself."""
        now = asyncio.get_running_loop().time()
        if not self._are_there and now - self._looked_at >= OPEN_S:
            self._are_there = await self._db.ask(keys.are_there)
            self._looked_at = now
        return self._are_there

    async def create(self, wanted: NewKey) -> tuple[KeyRow, str]:
        """The key and its secret, which nobody can tell again."""
        if wanted.role == "admin" and (wanted.collections is not None or wanted.groups):
            raise InvalidRequest("an admin sees all: leave `collections` and `groups` out, or choose another role")
        if wanted.expires_at and wanted.expires_at <= datetime.now(UTC):
            raise InvalidRequest(f"expires_at: {wanted.expires_at.isoformat()} is over already")
        secret = MARK + secrets.token_urlsafe(SECRET_BYTES)
        row = await self._db.change(_create, wanted, secret, is_guarded=self._is_guarded)
        self._are_there = True
        log(__name__).info("key created", key=row.id, role=row.role)
        return row, secret

    async def page(self, *, limit: int, cursor: str | None) -> Page[KeyRow]:
        return await self._db.ask(keys.page, limit=limit, cursor=cursor)

    async def revoke(self, key_id: str) -> KeyRow:
        """The next request with it is refused. Raises KeyNotFound and LastAdminKey."""
        row = await self._db.change(_revoke, key_id, is_guarded=self._is_guarded)
        self._known.clear()
        log(__name__).info("key revoked", key=row.id)
        return row

    async def principal(self, secret: str) -> Principal | None:
        """Whose secret it is; None for one that is wrong, revoked or expired."""
        if not _SECRET.fullmatch(secret):
            return None
        hashed = _hash(secret)
        for row in await self._db.ask(keys.with_prefix, secret[:PREFIX_CHARS]):
            if hmac.compare_digest(row.hash, hashed):
                self._note(row)
                return principal_of(row)
        return None

    async def close(self) -> None:
        await asyncio.gather(*self._noting, return_exceptions=True)

    def _note(self, row: KeyRow) -> None:
        before = (datetime.now(UTC) - NOTED_EVERY).isoformat(timespec="milliseconds")
        if self._noting or (row.last_used_at and row.last_used_at > before):
            return
        task = asyncio.create_task(self._noted(row.id))
        self._noting.add(task)
        task.add_done_callback(self._noting.discard)

    async def _noted(self, key_id: str) -> None:
        try:
            await self._db.change(keys.note_used, key_id)
        except (StorageFull, TimeoutError) as error:
            log(__name__).warning("when a key was used can't be noted", key=key_id, reason=str(error))


def principal_of(row: KeyRow) -> Principal:
    if row.role == "admin":
        return Principal(row.id, "admin")
    collections = None if row.collections is None else frozenset(row.collections)
    return Principal(row.id, row.role, collections, frozenset(row.groups))


def _hash(secret: str) -> str:
    """Enough for 256 random bits, which nobody guesses."""
    return hashlib.sha256(secret.encode()).hexdigest()


async def _create(db: Connection, wanted: NewKey, secret: str, *, is_guarded: bool) -> KeyRow:
    lasts = wanted.role == "admin" and wanted.expires_at is None
    if not is_guarded and not lasts and not await keys.lasting_admins(db):
        raise InvalidRequest(
            "the first key closes this server to all who have none, so it must be an admin's, and never expire: create "
            'that one first, with "role": "admin"'
        )
    expires_at = wanted.expires_at.astimezone(UTC).isoformat(timespec="milliseconds") if wanted.expires_at else None
    return await keys.create(
        db,
        name=wanted.name,
        prefix=secret[:PREFIX_CHARS],
        hash=_hash(secret),
        role=wanted.role,
        collections=None if wanted.collections is None else sorted(set(wanted.collections)),
        groups=sorted(set(wanted.groups)),
        expires_at=expires_at,
    )


async def _revoke(db: Connection, key_id: str, *, is_guarded: bool) -> KeyRow:
    row = await keys.get(db, key_id)
    lasts = row.role == "admin" and row.expires_at is None and row.revoked_at is None
    if lasts and not is_guarded and not await keys.lasting_admins(db, besides=key_id):
        raise LastAdminKey(key_id)
    return await keys.revoke(db, key_id)
