"""Tokens that are to be believed, and those that are not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from rag_api.backends.http import open_client
from rag_api.backends.tokens import Claims, FetchedKeys, JwtReader, KeyRing, VerifyingKey
from rag_api.core.principals import Principal
from rag_api.errors import TokenKeysUnavailable, Unauthenticated
from tests.web_server import Reply, open_site

SECRET = "0123456789abcdef0123456789abcdef"
RSA, OTHER_RSA = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
EC = ec.generate_private_key(ec.SECP256R1())
CLAIMS = Claims("https://issuer.example", "rag", "role", "collections", "groups", "reader")


def pem(key: Any) -> bytes:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found


DAY_S = 86_400  # tokens are made when tests are collected, and a run may take long


def said(**more: Any) -> dict[str, Any]:
    now = time.time()
    return {"sub": "ada", "iss": "https://issuer.example", "aud": "rag", "exp": now + DAY_S, "iat": now} | more


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in said().items() if name not in names}


def reader(key: VerifyingKey, claims: Claims = CLAIMS) -> JwtReader:
    return JwtReader(KeyRing([key]), claims)


def raw(header: Mapping[str, Any], claims: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A token as no library would make it."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(sign(signed.encode()))}"


@pytest.mark.parametrize(
    ("key", "token"),
    [
        (VerifyingKey.of_secret(SECRET), jwt.encode(said(role="writer"), SECRET, "HS256")),
        (VerifyingKey.of_pem(pem(RSA)), jwt.encode(said(role="writer"), RSA, "RS256")),
        (VerifyingKey.of_pem(pem(EC)), jwt.encode(said(role="writer"), EC, "ES256", {"kid": "whatever"})),
    ],
    ids=["secret", "RSA", "P-256"],
)
async def test_a_good_token_says_who_asks(key: VerifyingKey, token: str) -> None:
    who = await reader(key).principal(token)
    assert who == Principal("jwt:https://issuer.example:ada", "writer", None, frozenset())


@pytest.mark.parametrize(
    ("token", "words"),
    [
        (jwt.encode(said(), SECRET + "x", "HS256"), "signature is wrong"),
        (jwt.encode(said(exp=time.time() - 60), SECRET, "HS256"), "has expired"),
        (jwt.encode(without("exp"), SECRET, "HS256"), "exp"),
        (jwt.encode(without("sub"), SECRET, "HS256"), "sub"),
        (jwt.encode(said(nbf=time.time() + DAY_S), SECRET, "HS256"), "not yet valid"),
        (jwt.encode(said(aud="else"), SECRET, "HS256"), "[Aa]udience"),
        (jwt.encode(without("aud"), SECRET, "HS256"), "aud"),
        (jwt.encode(said(iss="https://evil.example"), SECRET, "HS256"), "issuer"),
        (jwt.encode(without("iss"), SECRET, "HS256"), "iss"),
        (jwt.encode(said(), SECRET * 2, "HS512"), "not signed as"),
        (jwt.encode(said(), None, "none"), "not signed as"),
        (raw({"alg": "none", "typ": "JWT"}, said(role="admin"), lambda _: b""), "not signed as"),
        (raw({"alg": "None"}, said(role="admin"), lambda _: b""), "not signed as"),
        (raw({"typ": "JWT"}, said(role="admin"), lambda _: b""), "not"),
        (jwt.encode(said(role="king"), SECRET, "HS256"), "none of the roles"),
        (jwt.encode(said(role={"a": 1}), SECRET, "HS256"), "neither a list"),
        (jwt.encode(said(groups=[1]), SECRET, "HS256"), "neither a list"),
        (jwt.encode(said(role="admin", collections=["a"]), SECRET, "HS256"), "not limited"),
        ("a.b.c", "not valid"),
        ("..", "not valid"),
    ],
)
async def test_any_other_is_refused_with_the_reason(token: str, words: str) -> None:
    with pytest.raises(Unauthenticated, match=words):
        await reader(VerifyingKey.of_secret(SECRET)).principal(token)


async def test_a_public_key_is_no_secret() -> None:
    """Who signs by HMAC with what everybody may know, and says so in the token, gets nowhere."""

    def sign(signed: bytes) -> bytes:
        return hmac.new(pem(RSA), signed, hashlib.sha256).digest()

    for alg in ("HS256", "RS256"):
        with pytest.raises(Unauthenticated):
            await reader(VerifyingKey.of_pem(pem(RSA))).principal(raw({"alg": alg}, said(role="admin"), sign))
    changed = jwt.encode(said(), RSA, "RS256").split(".")
    changed[1] = base64.urlsafe_b64encode(json.dumps(said(role="admin")).encode()).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated, match="signature"):
        await reader(VerifyingKey.of_pem(pem(RSA))).principal(".".join(changed))


async def test_role_collections_and_groups_stand_where_the_settings_say() -> None:
    claims = Claims("", "", "realm_access.roles", "https://rag.example/collections", "groups", "reader")
    token = jwt.encode(
        {
            "sub": "ada",
            "exp": time.time() + 60,
            "aud": "whatever",
            "realm_access": {"roles": ["offline", "reader", "writer"]},
            "https://rag.example/collections": "faq handbook",
            "groups": ["staff"],
        },
        SECRET,
        "HS256",
    )
    who = await reader(VerifyingKey.of_secret(SECRET), claims).principal(token)
    assert who == Principal("jwt::ada", "writer", frozenset({"faq", "handbook"}), frozenset({"staff"}))
    bare = jwt.encode({"sub": "ada", "exp": time.time() + 60}, SECRET, "HS256")
    who = await reader(VerifyingKey.of_secret(SECRET), claims).principal(bare)
    assert (who.role, who.collections, who.groups) == ("reader", None, frozenset())
    admin = jwt.encode({"sub": "ada", "exp": time.time() + 60, "realm_access": {"roles": "admin"}}, SECRET, "HS256")
    assert (await reader(VerifyingKey.of_secret(SECRET), claims).principal(admin)).groups is None


def jwks(**keys: Any) -> bytes:
    """A set with these keys, and some of kinds that must not be taken."""
    rows = [json.loads(_algorithm(key).to_jwk(key.public_key())) | {"kid": name} for name, key in keys.items()]
    secret = {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(SECRET.encode()).decode()}
    return json.dumps({"keys": [secret, {"kty": "new"}, *rows]}).encode()


def _algorithm(key: Any) -> Any:
    return jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm


async def test_of_a_set_the_key_is_taken_that_the_token_names() -> None:
    keys = VerifyingKey.of_set(jwks(one=RSA, two=OTHER_RSA, three=EC))
    taken = JwtReader(KeyRing(keys), CLAIMS)
    for name, key, algorithm in (("one", RSA, "RS256"), ("two", OTHER_RSA, "RS256"), ("three", EC, "ES256")):
        assert (await taken.principal(jwt.encode(said(), key, algorithm, {"kid": name}))).role == "reader"
    assert (await taken.principal(jwt.encode(said(), EC, "ES256"))).role == "reader"  # the only one of its kind
    for token in (
        jwt.encode(said(), RSA, "RS256", {"kid": "two"}),
        jwt.encode(said(), RSA, "RS256", {"kid": "four"}),
        jwt.encode(said(), RSA, "RS256"),
        jwt.encode(said(), SECRET, "HS256", {"kid": "secret"}),
        jwt.encode(said(), SECRET, "HS256"),
    ):
        with pytest.raises(Unauthenticated):
            await taken.principal(token)


@pytest.mark.parametrize("broken", [b"", b"[]", b"{}", b'{"keys": 1}', b'{"keys": [{"kty": "RSA"}]}'])
def test_a_set_without_a_good_key_is_refused(broken: bytes) -> None:
    with pytest.raises(ValueError):
        VerifyingKey.of_set(broken)


async def test_a_set_is_fetched_again_when_a_token_names_a_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag_api.backends.tokens.AGAIN_S", 0.0)
    async with open_site(keys=Reply(jwks(one=RSA))) as site, open_client("", timeout=5) as client:
        taken = JwtReader(FetchedKeys(f"{site.url}/keys", client), CLAIMS)
        old, new = (jwt.encode(said(), key, "RS256", {"kid": kid}) for key, kid in ((RSA, "one"), (OTHER_RSA, "two")))
        for _ in range(3):
            assert await taken.principal(old)
        assert len(site.asked) == 1
        site.pages["/keys"] = Reply(jwks(one=RSA, two=OTHER_RSA))
        assert await taken.principal(new)
        site.pages["/keys"] = Reply(b"down", 500)
        with pytest.raises(Unauthenticated, match="does not know"):
            await taken.principal(jwt.encode(said(), EC, "ES256", {"kid": "three"}))
        assert await taken.principal(old)  # those that are known go on
        nothing = JwtReader(FetchedKeys(f"{site.url}/keys", client), CLAIMS)
        with pytest.raises(TokenKeysUnavailable, match="RAG_JWT__JWKS"):
            await nothing.principal(old)


async def test_who_sends_tokens_of_unknown_keys_does_not_make_this_server_ask_on_and_on() -> None:
    async with open_site(keys=Reply(jwks(one=RSA))) as site, open_client("", timeout=5) as client:
        taken = JwtReader(FetchedKeys(f"{site.url}/keys", client), CLAIMS)
        for kid in range(5):
            with pytest.raises(Unauthenticated):
                await taken.principal(jwt.encode(said(), OTHER_RSA, "RS256", {"kid": str(kid)}))
        assert len(site.asked) == 1
