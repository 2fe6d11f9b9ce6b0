from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from rag_api.core.principals import Role
from rag_api.db.keys import KeyRow
from rag_api.services.keys import NewKey
from rag_api.web.deps import ADMIN, Cursor, Limit, Wired
from rag_api.web.schemas import NAME_PATTERN, In, PageOut

router = APIRouter(prefix="/keys", tags=["keys"], dependencies=[Depends(ADMIN)])
CollectionName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Group = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class KeyIn(In):
    name: str = Field("", max_length=200, description="who or what has it", examples=["intranet search"])
    role: Role = Field(description="reader asks and searches; writer also uploads and deletes; admin may do all")
    collections: list[CollectionName] | None = Field(
        None, min_length=1, max_length=1_000, description="those that it may enter; null: all"
    )
    groups: list[Group] = Field(
        default_factory=list, max_length=1_000, description="it sees documents whose `acl` names one of them, or nobody"
    )
    expires_at: AwareDatetime | None = Field(None, description="from then on it is refused; null: never")


class KeyOut(BaseModel):
    key_id: str
    name: str
    prefix: str = Field(description="the first characters of the secret")
    role: Role
    collections: list[str] | None
    groups: list[str]
    created_at: str
    last_used_at: str | None = Field(description="to about ten minutes; null: never yet")
    expires_at: str | None
    revoked: bool

    @classmethod
    def of(cls, row: KeyRow) -> "KeyOut":
        return cls(**_fields(row))


class NewKeyOut(KeyOut):
    secret: str = Field(description="the key itself, told this once")


def _fields(row: KeyRow) -> dict[str, Any]:
    names = ("name", "prefix", "role", "collections", "groups", "created_at", "last_used_at", "expires_at")
    return {name: getattr(row, name) for name in names} | {"key_id": row.id, "revoked": row.revoked_at is not None}


@router.get("")
async def list_keys(services: Wired, limit: Limit = 100, cursor: Cursor = None) -> PageOut[KeyOut]:
    """The keys without their secrets, revoked ones among them; the newest first."""
    page = await services.door.keys.page(limit=limit, cursor=cursor)
    return PageOut(items=[KeyOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201)
async def create_key(body: KeyIn, response: Response, services: Wired) -> NewKeyOut:
    """A new key, with its secret, which is told this once. The first one closes a server that was open."""
    response.headers["Cache-Control"] = "no-store"
    expires_at: datetime | None = body.expires_at
    wanted = NewKey(body.name, body.role, body.collections, body.groups, expires_at)
    row, secret = await services.door.keys.create(wanted)
    return NewKeyOut(**_fields(row), secret=secret)


@router.delete("/{key_id}")
async def revoke_key(key_id: str, services: Wired) -> KeyOut:
    """From its next request on it is refused. It stays in the list."""
    return KeyOut.of(await services.door.keys.revoke(key_id))
