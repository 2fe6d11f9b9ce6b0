"""The part of the wiring that is about who is let in, and what they may see. Settings stop here, too."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from rag_api.backends.http import open_client
from rag_api.core.principals import Principal
from rag_api.db.database import Database
from rag_api.home import command_key
from rag_api.services.access import Access, Tokens
from rag_api.services.briefly import Briefly
from rag_api.services.keys import Keys
from rag_api.services.visibility import Visibility
from rag_api.settings import Settings
from rag_api.wiring_checks import token_keys

BELIEVED_S = 1.0
KNOWN = 4_096
FETCH_S = 10.0


@dataclass(frozen=True, slots=True)
class Door:
    """Who comes in, with which key, and what they see inside."""

    access: Access
    keys: Keys
    visibility: Visibility


async def open_door(settings: Settings, stack: AsyncExitStack, db: Database, visibility: Visibility) -> Door:
    """Raises InvalidSettings."""
    known: Briefly[Principal] = Briefly(seconds=BELIEVED_S, entries=KNOWN)
    keys = Keys(db, known, is_guarded=settings.is_guarded)
    stack.push_async_callback(keys.close)
    access = Access(
        keys,
        known,
        masters=[settings.admin_key.get_secret_value(), command_key(settings.home)],
        tokens=await _open_tokens(settings, stack),
        is_guarded=settings.is_guarded,
    )
    return Door(access, keys, visibility)


async def _open_tokens(settings: Settings, stack: AsyncExitStack) -> Tokens | None:
    of = settings.jwt
    if not of.is_set:
        return None
    from rag_api.backends.tokens import Claims, FetchedKeys, JwtReader, KeyRing, KeySource

    source: KeySource = KeyRing(token_keys(of))
    if of.is_fetched:
        source = FetchedKeys(of.jwks, await stack.enter_async_context(open_client("", timeout=FETCH_S)))
    claims = Claims(of.issuer, of.audience, of.role_claim, of.collections_claim, of.groups_claim, of.default_role)
    return JwtReader(source, claims)
