"""Who asks: told from what a request carries as its bearer token."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Protocol

from rag_api.core.principals import ADMIN, Principal
from rag_api.errors import Unauthenticated
from rag_api.services.briefly import Briefly
from rag_api.services.keys import Keys

UNKNOWN = "this key is not one of this server's, or has been revoked or has expired"
ASK_FOR_ONE = "check it, or ask an admin of this server for another"


class Tokens(Protocol):
    async def principal(self, token: str) -> Principal:
        """Raises Unauthenticated, and TokenKeysUnavailable."""
        ...


class Access:
    """`masters`: secrets of who may do all. `tokens`: who reads JWTs, if any are taken. `known` holds principals for a
    moment: a token that expires meanwhile, and a key that another process revokes, do for so long."""

    def __init__(
        self, keys: Keys, known: Briefly[Principal], *, masters: Sequence[str], tokens: Tokens | None, is_guarded: bool
    ) -> None:
        self._keys = keys
        self._known = known
        self._masters = [master.encode() for master in masters if master]
        self._tokens = tokens
        self._is_guarded = is_guarded

    async def is_open(self) -> bool:
        """Whether requests need no key."""
        return not self._is_guarded and not await self._keys.are_there()

    async def principal(self, given: str) -> Principal:
        """Raises Unauthenticated."""
        if not given:
            if await self.is_open():
                return ADMIN
            raise Unauthenticated
        secret = given.encode()
        name = hashlib.sha256(secret).digest()
        if who := self._known.get(name):
            return who
        if any(hmac.compare_digest(secret, master) for master in self._masters):
            return ADMIN
        looked_up_at = self._known.cleared
        who = await self._looked_up(given)
        if who is not ADMIN:  # of an open server, which may be closed in a moment
            self._known.keep(name, who, looked_up_at=looked_up_at)
        return who

    async def _looked_up(self, given: str) -> Principal:
        if self._tokens and given.count(".") == 2:
            return await self._tokens.principal(given)
        if who := await self._keys.principal(given):
            return who
        if await self.is_open():
            return ADMIN
        raise Unauthenticated(UNKNOWN, ASK_FOR_ONE)
