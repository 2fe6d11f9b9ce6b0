"""Keys from the first one on: an open server closes, each key does what its role may, a revoked one nothing."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from tests.processes import BIN, Backends, Service, clean_env

KEYS = "/api/v1/keys"


@pytest.fixture(scope="module")
def closed(backends: Backends, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With the first key, which was created while the server was open."""
    with Service.start(tmp_path_factory.mktemp("home"), backends.env) as service:
        early = service.http.post(KEYS, json={"role": "reader"})
        assert (early.status_code, early.json()["error"]["code"]) == (422, "invalid_request")
        assert "admin" in early.json()["error"]["message"]
        soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        assert service.http.post(KEYS, json={"role": "admin", "expires_at": soon}).status_code == 422
        assert service.http.get("/api/v1/collections").status_code == 200
        made = service.http.post(KEYS, json={"role": "admin", "name": "the first"})
        assert made.status_code == 201, made.text
        assert service.http.get("/api/v1/collections").status_code == 401
        assert service.http.get("/api/v1/collections", headers=bearer("whatever")).status_code == 401
        service.http.headers["Authorization"] = f"Bearer {made.json()['secret']}"
        yield service


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def make(service: Service, **body: Any) -> dict[str, Any]:
    made = service.http.post(KEYS, json={"role": "reader", **body})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def rag(service: Service, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "rag"), *args],
        env=clean_env(RAG_HOME=str(service.home), **env),
        cwd=service.home,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_secret_is_told_once_and_kept_nowhere(closed: Service) -> None:
    made = make(closed, name="told once", collections=["default"], groups=["b", "a", "a"])
    assert made["secret"].startswith(made["prefix"])
    assert len(made["secret"]) >= 43
    [listed] = [row for row in closed.http.get(KEYS).json()["items"] if row["key_id"] == made["key_id"]]
    assert listed == {**{name: made[name] for name in made if name != "secret"}, "groups": ["a", "b"]}
    kept = b"".join(path.read_bytes() for path in closed.home.glob("*.db*"))
    assert made["key_id"].encode() in kept
    assert made["secret"].encode() not in kept
    log = Path(f"{closed.home}.log").read_text("utf-8")
    assert made["key_id"] in log
    assert made["secret"] not in log


def test_without_a_good_key_the_sentence_says_what_to_do(closed: Service) -> None:
    wrong = make(closed)["secret"][:-1] + "x"
    for headers, word in (({"Authorization": ""}, "Bearer"), (bearer(wrong), "ask an admin"), (bearer("x"), "check")):
        refused = closed.http.get("/api/v1/collections", headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"] == "Bearer"
        assert word in refused.json()["error"]["message"]
    basic = closed.http.get("/api/v1/collections", headers={"Authorization": "Basic YTpi"})
    assert basic.status_code == 401


def test_a_role_that_is_too_low_is_told_the_one_it_takes(closed: Service) -> None:
    reader, writer = make(closed)["secret"], make(closed, role="writer")["secret"]
    for secret, method, path, needed in (
        (reader, "GET", "/api/v1/jobs", "writer"),
        (reader, "GET", "/api/v1/jobs/job_x", "writer"),
        (reader, "POST", "/api/v1/collections/default/documents", "writer"),
        (writer, "GET", KEYS, "admin"),
        (writer, "POST", KEYS, "admin"),
        (writer, "DELETE", "/api/v1/collections/default", "admin"),
        (writer, "GET", "/metrics", "admin"),
    ):
        refused = closed.http.request(method, path, headers=bearer(secret))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden"), path
        assert f"role {needed}" in refused.json()["error"]["message"]
    files = {"files": ("a.txt", b"The harbour pilot is called Ines.")}
    taken = closed.http.post("/api/v1/collections/default/documents", headers=bearer(writer), files=files)
    assert taken.status_code == 202


def test_a_revoked_key_is_refused_at_its_next_request(closed: Service) -> None:
    made = make(closed)
    with httpx.Client(base_url=closed.url, headers=bearer(made["secret"])) as session:
        assert session.get("/api/v1/collections").status_code == 200
        gone = closed.http.delete(f"{KEYS}/{made['key_id']}")
        assert (gone.status_code, gone.json()["revoked"]) == (200, True)
        assert session.get("/api/v1/collections").status_code == 401
        search = session.post("/api/v1/collections/default/search", json={"query": "pilot"})
        assert search.status_code == 401
    assert closed.http.delete(f"{KEYS}/{made['key_id']}").json()["revoked"] is True
    assert closed.http.delete(f"{KEYS}/key_0").status_code == 404


def test_a_key_expires(closed: Service) -> None:
    soon = datetime.now(UTC) + timedelta(milliseconds=200)
    made = make(closed, expires_at=soon.isoformat())
    while datetime.now(UTC) < soon + timedelta(seconds=1.1):
        last = closed.http.get("/api/v1/collections", headers=bearer(made["secret"])).status_code
    assert last == 401
    over = closed.http.post(KEYS, json={"role": "reader", "expires_at": "2020-01-01T00:00:00Z"})
    assert (over.status_code, "is over" in over.json()["error"]["message"]) == (422, True)


def test_nobody_locks_himself_out(closed: Service) -> None:
    [first] = [row for row in closed.http.get(KEYS).json()["items"] if row["name"] == "the first"]
    refused = closed.http.delete(f"{KEYS}/{first['key_id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "last_admin_key")
    second = make(closed, role="admin")
    assert closed.http.delete(f"{KEYS}/{second['key_id']}").status_code == 200
    limited = closed.http.post(KEYS, json={"role": "admin", "collections": ["default"]})
    assert limited.status_code == 422


def test_when_a_key_was_used_is_noted(closed: Service) -> None:
    made = make(closed)
    assert made["last_used_at"] is None
    deadline = datetime.now(UTC) + timedelta(seconds=20)
    while True:
        closed.http.get("/api/v1/collections", headers=bearer(made["secret"]))
        [listed] = [row for row in closed.http.get(KEYS).json()["items"] if row["key_id"] == made["key_id"]]
        if listed["last_used_at"]:
            break
        assert datetime.now(UTC) < deadline


def test_commands_on_the_same_machine_need_no_key(closed: Service) -> None:
    created = rag(closed, "keys", "create", "--role", "writer", "--name", "cron", "-c", "default", "-g", "staff")
    assert created.returncode == 0, created.stderr
    secret = created.stdout.strip()
    assert closed.http.get("/api/v1/jobs", headers=bearer(secret)).status_code == 200
    rows = [json.loads(line) for line in rag(closed, "keys", "list", "--json").stdout.splitlines()]
    [row] = [row for row in rows if row["name"] == "cron"]
    assert (row["role"], row["collections"], row["groups"]) == ("writer", ["default"], ["staff"])
    assert secret not in json.dumps(rows)
    assert "cron" in rag(closed, "keys", "list").stdout
    assert rag(closed, "keys", "revoke", row["key_id"]).returncode == 0
    assert closed.http.get("/api/v1/jobs", headers=bearer(secret)).status_code == 401
    refused = rag(closed, "keys", "list", RAG_ADMIN_KEY=secret)
    assert (refused.returncode, "revoked" in refused.stderr) == (1, True)
    assert rag(closed, "keys", "create", "--role", "king").returncode == 2
    assert (closed.home / "run" / "key").stat().st_mode & 0o077 == 0


def test_a_server_with_keys_may_be_served_anywhere_and_stays_closed(backends: Backends, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Service.start(home, backends.env) as service:
        secret = make(service, role="admin")["secret"]
    with Service.start(home, {**backends.env, "RAG_HOST": "0.0.0.0"}) as service:
        assert service.http.get("/api/v1/collections").status_code == 401
        named = {"Host": "rag.example.org", "Origin": "https://rag.example.org", **bearer(secret)}
        assert service.http.get("/api/v1/collections", headers=named).status_code == 200


def test_tokens_do_beside_keys(backends: Backends, tmp_path: Path) -> None:
    secret, other = "0123456789abcdef" * 2, "fedcba9876543210" * 2
    env = {**backends.env, "RAG_JWT__SECRET": secret, "RAG_JWT__AUDIENCE": "rag", "RAG_ADMIN_KEY": "all"}

    def token(key: str = secret, **claims: Any) -> str:
        hour = datetime.now(UTC) + timedelta(hours=1)
        return jwt.encode({"sub": "ada", "aud": "rag", "exp": hour, **claims}, key, "HS256")

    with Service.start(tmp_path / "home", env, headers=bearer("all")) as service:
        service.ingest("default", {"staff.txt": b"The vault opens at nine."}, acl='["staff"]')
        service.collection("other")
        search = "/api/v1/collections/default/search"
        for claims, expected in (
            ({}, 0),
            ({"groups": ["staff"]}, 1),
            ({"groups": ["guests"]}, 0),
            ({"role": "admin"}, 1),
        ):
            found = service.http.post(search, json={"query": "vault"}, headers=bearer(token(**claims)))
            assert len(found.json()["hits"]) == expected, claims
        limited = bearer(token(collections=["other"]))
        assert service.http.post(search, json={"query": "vault"}, headers=limited).status_code == 404
        assert service.http.get("/api/v1/jobs", headers=bearer(token())).status_code == 403
        mine = service.http.post("/api/v1/conversations", headers=bearer(token())).json()["conversation_id"]
        path = f"/api/v1/conversations/{mine}"
        assert service.http.get(path, headers=bearer(token(groups=["staff"]))).status_code == 200
        assert service.http.get(path, headers=bearer(token(sub="bob"))).status_code == 404
        past = datetime.now(UTC) - timedelta(minutes=1)
        for wrong in (
            token(other, role="admin"),
            token(exp=past),
            token(aud="else"),
            jwt.encode({"sub": "ada", "aud": "rag", "exp": 2**33, "role": "admin"}, None, "none"),
        ):
            refused = service.http.get("/api/v1/collections", headers=bearer(wrong))
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthenticated")
            assert "token" in refused.json()["error"]["message"]
