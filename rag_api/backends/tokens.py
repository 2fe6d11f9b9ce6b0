"""JSON Web Tokens, as somebody else signs them.

The key decides the algorithm, never the token: a secret takes HS256 alone, an RSA key RS256, one of the curve P-256
ES256. So nobody can sign with a public key as if it were a secret, or not at all.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from rag_api.core.principals import ROLES, Principal, Role
from rag_api.errors import TokenKeysUnavailable, Unauthenticated
from rag_api.telemetry import log

LEEWAY_S = 10  # that clocks may differ
REFRESH_S = 600.0
AGAIN_S = 10.0  # between two fetches for the sake of a key that is not there
GET_ANOTHER = "get a new one from who signs this server's tokens"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token must say, and where it says what its bearer may. Empty `issuer`, `audience`: whatever."""

    issuer: str
    audience: str
    role: str
    collections: str
    groups: str
    default_role: Role


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    key: Any
    algorithm: str
    id: str | None = None

    @classmethod
    def of_secret(cls, secret: str) -> "VerifyingKey":
        return cls(secret.encode(), "HS256")

    @classmethod
    def of_pem(cls, pem: bytes) -> "VerifyingKey":
        """Raises ValueError."""
        return cls._of(load_pem_public_key(pem), None)

    @classmethod
    def of_set(cls, raw: bytes) -> "list[VerifyingKey]":
        """The public keys of a set that signatures are checked with. Raises ValueError."""
        found: list[VerifyingKey] = []
        document = orjson.loads(raw)
        for one in document["keys"] if isinstance(document, Mapping) and isinstance(document.get("keys"), list) else ():
            if isinstance(one, Mapping) and one.get("kty") in ("RSA", "EC") and one.get("use", "sig") == "sig":
                try:
                    found.append(cls._of(jwt.PyJWK(dict(one)).key, one.get("kid")))
                except (jwt.PyJWTError, ValueError):
                    continue  # of a kind that is not for us, as sets may hold
        if not found:
            raise ValueError("it holds no RSA key and none of the curve P-256")
        return found

    @classmethod
    def _of(cls, key: Any, id_: str | None) -> "VerifyingKey":
        if isinstance(key, RSAPublicKey):
            return cls(key, "RS256", id_)
        if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
            return cls(key, "ES256", id_)
        raise ValueError("the key is neither a public RSA key nor one of the curve P-256")


class KeySource(Protocol):
    async def key_of(self, header: Mapping[str, Any]) -> VerifyingKey | None: ...


class KeyRing:
    """Keys that stay as they are."""

    def __init__(self, keys: Sequence[VerifyingKey]) -> None:
        self._keys = keys

    async def key_of(self, header: Mapping[str, Any]) -> VerifyingKey | None:
        return _chosen(self._keys, header)


class FetchedKeys:
    """Those of a URL: fetched again now and then, and when a token names one that is not there."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client
        self._keys: Sequence[VerifyingKey] = ()
        self._problem = ""
        self._tried_at = float("-inf")
        self._turn = asyncio.Lock()

    async def key_of(self, header: Mapping[str, Any]) -> VerifyingKey | None:
        """Raises TokenKeysUnavailable."""
        await self._refresh(AGAIN_S if self._problem else REFRESH_S)
        if found := _chosen(self._keys, header):
            return found
        await self._refresh(AGAIN_S)
        return _chosen(self._keys, header)

    async def _refresh(self, after_s: float) -> None:
        async with self._turn:
            if time.monotonic() - self._tried_at >= after_s:
                await self._fetch()
                self._tried_at = time.monotonic()
        if not self._keys:
            raise TokenKeysUnavailable(
                f"the keys that tokens are checked with can't be had from {self._url} ({self._problem}): try again "
                "in a moment, and check RAG_JWT__JWKS if that lasts"
            )

    async def _fetch(self) -> None:
        """Where that fails, those that are known go on."""
        try:
            reply = (await self._client.get(self._url)).raise_for_status()
            self._keys, self._problem = VerifyingKey.of_set(reply.content), ""
        except (httpx.HTTPError, ValueError) as error:
            self._problem = str(error) or type(error).__name__
            log(__name__).warning("keys of tokens can't be fetched", url=self._url, reason=self._problem)


class JwtReader:
    def __init__(self, keys: KeySource, claims: Claims) -> None:
        self._keys = keys
        self._claims = claims

    async def principal(self, token: str) -> Principal:
        """Raises Unauthenticated, and TokenKeysUnavailable."""
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.key_of(header)
            if key is None:
                raise _refused("the token is signed with a key that this server does not know")
            claims = jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                issuer=self._claims.issuer or None,
                audience=self._claims.audience or None,
                leeway=LEEWAY_S,
                options={"require": ["exp", "sub"], "verify_aud": bool(self._claims.audience)},
            )
        except jwt.ExpiredSignatureError as error:
            raise _refused("the token has expired") from error
        except jwt.InvalidAlgorithmError as error:
            raise _refused("the token is not signed as this server wants it") from error
        except jwt.InvalidSignatureError as error:
            raise _refused("the token's signature is wrong") from error
        except jwt.PyJWTError as error:
            raise _refused(f"the token is not valid ({error})") from error
        return self._read(claims)

    def _read(self, claims: Mapping[str, Any]) -> Principal:
        names = self._claims
        who = f"jwt:{claims.get('iss', '')}:{claims['sub']}"
        role = self._role(_found(claims, names.role))
        collections = _found(claims, names.collections)
        if role == "admin":
            if collections is not None:
                raise _refused("the token is an admin's and names collections, but admins are not limited to any")
            return Principal(who, role)
        limited = None if collections is None else frozenset(_words(names.collections, collections))
        return Principal(who, role, limited, frozenset(_words(names.groups, _found(claims, names.groups) or ())))

    def _role(self, said: Any) -> Role:
        """The highest of those that are known here."""
        if said is None:
            return self._claims.default_role
        held = [role for role in ROLES if role in _words(self._claims.role, said)]
        if not held:
            raise _refused(f"the token's {self._claims.role!r} names none of the roles {', '.join(ROLES)}")
        return held[-1]


def _chosen(keys: Sequence[VerifyingKey], header: Mapping[str, Any]) -> VerifyingKey | None:
    """The one that the token names; where it names none, or the keys have no names, the only one of its kind."""
    named = [key for key in keys if key.id is not None and key.id == header.get("kid")]
    unnamed = [key for key in keys if "kid" not in header or key.id is None]
    alike = [key for key in unnamed if key.algorithm == header.get("alg")] if len(unnamed) > 1 else unnamed
    return named[0] if named else alike[0] if len(alike) == 1 else None


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """A claim of that name, else what the dots in it lead to."""
    value: Any = claims
    for part in (name,) if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _words(name: str, value: Any) -> Sequence[str]:
    """Of a list of strings, or of one string with spaces in between."""
    words = value.split() if isinstance(value, str) else value
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise _refused(f"the token's {name!r} is neither a list of strings nor a string")
    return words


def _refused(problem: str) -> Unauthenticated:
    return Unauthenticated(problem, GET_ANOTHER)
