"""`rag collections` with a server on the home."""

import json
import os
import pty
import subprocess

from tests.processes import BIN, Service, clean_env

SHARES_SERVICE = True


def rag(service: Service, *args: str) -> subprocess.CompletedProcess[str]:
    env = clean_env(RAG_HOME=str(service.home))
    return subprocess.run(
        [str(BIN / "rag"), "collections", *args],
        env=env,
        cwd=service.home.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )


def at_a_terminal(service: Service, answer: str, *args: str) -> int:
    """The exit status when a person answers."""
    ours, theirs = pty.openpty()
    env = clean_env(RAG_HOME=str(service.home))
    command = [str(BIN / "rag"), "collections", *args]
    process = subprocess.Popen(
        command, env=env, cwd=service.home.parent, stdin=theirs, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(theirs)
    os.write(ours, answer.encode())
    try:
        return process.wait(100)
    finally:
        os.close(ours)


def there(service: Service, name: str) -> bool:
    return service.http.get(f"/api/v1/collections/{name}").status_code == 200


def test_a_collection_is_created_listed_and_shown(service: Service) -> None:
    done = rag(service, "create", "handbook", "--description", "What [b]staff[/b] must know :warning:")
    assert (done.returncode, done.stdout.strip()) == (0, "created handbook"), done.stderr
    service.ingest("handbook", {"a.txt": b"Claims go to Ann."})
    shown = json.loads(rag(service, "show", "handbook", "--json").stdout)
    assert shown["description"] == "What [b]staff[/b] must know :warning:"
    assert shown["documents"] == {"ready": 1}
    assert "ready: 1" in rag(service, "show", "handbook").stdout
    rows = [json.loads(line) for line in rag(service, "list", "--json").stdout.splitlines()]
    assert {"default", "handbook"} <= {row["name"] for row in rows}
    assert "What [b]staff[/b] must know :warning:" in rag(service, "list").stdout


def test_what_is_there_is_not_created_again_and_what_is_not_is_not_shown(service: Service) -> None:
    again = rag(service, "create", "default")
    assert (again.returncode, "default" in again.stderr) == (1, True)
    unknown = rag(service, "show", "atlantis")
    assert (unknown.returncode, "atlantis" in unknown.stderr) == (1, True)
    assert rag(service, "create", "No Such Name!").returncode == 1
    assert rag(service, "delete", "atlantis", "--yes").returncode == 1


def test_deleting_wants_a_yes(service: Service) -> None:
    name = service.collection("short-lived")
    done = rag(service, "delete", name)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert at_a_terminal(service, "n\n", "delete", name) == 1
    assert there(service, name)
    assert at_a_terminal(service, "y\n", "delete", name) == 0
    assert not there(service, name)
    service.collection(name)
    assert json.loads(rag(service, "delete", name, "--yes", "--json").stdout)["name"] == name
    assert not there(service, name)
