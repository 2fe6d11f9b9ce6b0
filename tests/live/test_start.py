"""Starting, staying up, and refusing to start."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest

from rag_api.home import own_home
from tests.processes import BIN, ROOT, Backends, Service, clean_env

SAMPLES = ROOT / "data" / "samples"


def run(*args: str, env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "rag"), *args]
    return subprocess.run(command, env=clean_env(**env), cwd=cwd, capture_output=True, text=True, timeout=60)


def children_of(pid: int) -> dict[str, int]:
    """The supervisor's children by what they run."""
    found = subprocess.run(["ps", "-ww", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    names = {"chroma run": "chroma", "rag_api.embedder": "embedder", "rag_api.app": "api", "rag_api.worker": "worker"}
    lines = [line.split(None, 1) for line in found.splitlines()]
    return {name: int(pid) for pid, args in lines for part, name in names.items() if part in args}


def test_the_first_start_serves_the_samples_from_processes_of_its_own_and_leaves_none(tmp_path: Path) -> None:
    with Service.start(tmp_path / "home", {}, "--samples", str(SAMPLES)) as service:
        children = children_of(service.process.pid)
        assert set(children) == {"chroma", "embedder", "api", "worker"}
        nice = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in children.items()}
        assert nice["embedder"] == nice["api"] < nice["chroma"] < nice["worker"]
        deadline = time.monotonic() + 60
        while service.http.get("/api/v1/stats").json()["jobs"]["done"] < len(list(SAMPLES.iterdir())):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "Talloch" in service.answer("Who has to approve an expense of more than £400?")["text"]
        for name in ("embedder", "api", "worker", "chroma"):
            os.kill(children[name], signal.SIGKILL)
        await_ready(service)
        assert "Talloch" in service.answer("Who has to approve an expense of more than £400?")["text"]
        assert not set(children.values()) & set(children_of(service.process.pid).values())
        [job] = service.ingest("default", {"new.txt": b"The ferry Dunlin was sold to Norway in May."})
        assert job["state"] == "done"
        children = children_of(service.process.pid)
        service.process.terminate()
        assert service.process.wait(30) == 0
        assert not [pid for pid in children.values() if Path(f"/proc/{pid}").exists()]


def await_ready(service: Service) -> None:
    """Ready with every child there, after a while of not being so."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            ready = service.http.get("/readyz", timeout=5)
            if ready.is_success and ready.json()["checks"]["worker"] == "ok":
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("not ready again")


def test_a_second_start_knows_its_documents_and_queues_no_samples_again(backends: Backends, tmp_path: Path) -> None:
    """After the first one's supervisor was killed, with which its children die."""
    home, samples = tmp_path / "home", tmp_path / "samples"
    samples.mkdir()
    (samples / "a.txt").write_text("The cat is called Minka.")
    for _ in range(2):
        with Service.start(home, backends.env, "--samples", str(samples)) as service:
            [job] = service.http.get("/api/v1/jobs").json()["items"]
            assert service.finished(job["job_id"])["state"] == "done"
            assert service.search("default", "What is the cat called?")[0]["source"] == "a.txt"
            children = children_of(service.process.pid)
            assert set(children) == {"api", "worker"}
            service.process.kill()
            deadline = time.monotonic() + 30
            while any(Path(f"/proc/{pid}").exists() for pid in children.values()):
                assert time.monotonic() < deadline
                time.sleep(0.1)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"RAG_LLM__BASE_ULR": "x"}, ("RAG_LLM__BASE_ULR", "RAG_LLM__BASE_URL")),
        ({"RAG_PORT": "many"}, ("RAG_PORT",)),
        ({"RAG_RETRIEVAL__DENSE_WEIGHT": "7"}, ("RAG_RETRIEVAL__DENSE_WEIGHT",)),
        ({"RAG_HOST": "0.0.0.0"}, ("RAG_ADMIN_KEY", "rag keys create")),
        ({"RAG_JWT__SECRET": "too short"}, ("RAG_JWT", "32 bytes")),
        ({"RAG_JWT__SECRET": "0" * 32, "RAG_JWT__JWKS": "keys.json"}, ("RAG_JWT", "one of the three")),
        ({"RAG_JWT__PUBLIC_KEY": "/nowhere.pem"}, ("RAG_JWT__PUBLIC_KEY", "/nowhere.pem")),
        ({"RAG_JWT__JWKS": "/dev/null"}, ("RAG_JWT__JWKS", "/dev/null")),
        ({"RAG_HOME": "/proc/rag-home"}, ("/proc/rag-home", "RAG_HOME")),
        ({"RAG_LLM__BASE_URL": "http://127.0.0.1:9/v1"}, ("RAG_LLM__MODEL",)),
        ({"RAG_LLM__BASE_URL": "127.0.0.1:9", "RAG_LLM__MODEL": "m"}, ("RAG_LLM__BASE_URL", "127.0.0.1:9")),
        ({"RAG_LLM__KIND": "anthropic"}, ("RAG_LLM__MODEL",)),
        ({"RAG_LLM__TOKENIZER": "/proc/none.json"}, ("RAG_LLM__TOKENIZER", "/proc/none.json")),
        ({"RAG_PROMPTS_DIR": "/proc/none"}, ("RAG_PROMPTS_DIR", "/proc/none")),
        ({"RAG_RERANKER__KIND": "http"}, ("RAG_RERANKER__MODEL",)),
    ],
)
def test_a_wrong_setting_stops_the_start_with_a_sentence(
    tmp_path: Path, env: Mapping[str, str], words: tuple[str, ...]
) -> None:
    done = run("serve", "--port", "0", env={"RAG_HOME": str(tmp_path / "home"), **env}, cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_a_wrong_name_in_the_env_file_stops_the_start_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAG_HOMME=x\n")
    done = run("serve", env={}, cwd=tmp_path)
    assert (done.returncode, "RAG_HOME" in done.stderr) == (1, True)


def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--port", port, env={"RAG_HOME": str(tmp_path / "home")}, cwd=tmp_path)
    assert done.returncode == 1
    assert port in done.stderr
    assert "--port" in done.stderr


def test_a_second_server_on_the_same_home_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with own_home(home):
        done = run("serve", "--port", "0", env={"RAG_HOME": str(home)}, cwd=tmp_path)
    assert done.returncode == 1
    assert f"process {os.getpid()}" in done.stderr
    assert str(home) in done.stderr


def test_wrong_use_of_a_command_is_status_2(tmp_path: Path) -> None:
    assert run("serve", "--colour", "red", env={}, cwd=tmp_path).returncode == 2
    assert run("ingest", str(tmp_path / "nothing.txt"), env={}, cwd=tmp_path).returncode == 2
    assert run("serve", "--port", "99999", env={}, cwd=tmp_path).returncode == 2
    assert run("serve", "--samples", str(tmp_path / "nothing"), env={}, cwd=tmp_path).returncode == 2
    (tmp_path / "empty").mkdir()
    assert run("ingest", str(tmp_path / "empty"), env={}, cwd=tmp_path).returncode == 2


def test_with_an_admin_key_every_request_must_carry_it(backends: Backends, tmp_path: Path) -> None:
    env = {**backends.env, "RAG_ADMIN_KEY": "open sesame"}
    with Service.start(tmp_path / "home", env, headers={"Authorization": "Bearer open sesame"}) as service:
        assert service.http.get("/api/v1/collections").status_code == 200
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer wrong"}):
            for path in ("/api/v1/collections", "/api/v1/stats", "/metrics"):
                refused = service.http.get(path, headers=headers)
                assert (refused.status_code, refused.json()["error"]["code"]) == (401, "unauthenticated")
        assert service.http.get("/livez", headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}], ids=str
)
def test_without_a_key_no_page_of_another_site_is_answered(service: Service, headers: Mapping[str, str]) -> None:
    refused = service.http.post("/api/v1/collections", json={"name": "taken-over"}, headers=dict(headers))
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "foreign_origin")
    assert service.http.get("/api/v1/collections/taken-over").status_code == 404
    assert service.http.get("/livez", headers={"Origin": "http://localhost:3000"}).status_code == 200
