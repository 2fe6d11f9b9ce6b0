"""`rag doctor --url`: the way to a server through nginx, and what in it keeps events back."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rag_api import __version__
from rag_api.doctor_way import Way, judge
from rag_api.supervise import bind
from tests.cutting_proxy import cutting_proxy
from tests.processes import BIN, Backends, Service, clean_env
from tests.web_server import Reply, serve_site

SHARES_SERVICE = True

START_S = 20.0
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
CONF = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass {target}; proxy_set_header Host $http_host; {more} }}
  }}
}}
"""
TOLD = {"pace_s": 0.2, "http_version": "1.1"}


@contextmanager
def nginx(folder: Path, target: str, more: str) -> Iterator[str]:
    if not NGINX:
        pytest.skip("nginx is not installed (Debian: nginx-light)")
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    conf = folder / "nginx.conf"
    conf.write_text(CONF.format(folder=folder, port=port, target=target, more=more))
    process = subprocess.Popen([NGINX, "-p", str(folder), "-c", str(conf)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + START_S
        while True:
            try:
                httpx.get(f"{url}/livez").raise_for_status()
                break
            except httpx.TransportError:
                assert process.poll() is None, (folder / "error.log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def doctor(home: Path, url: str, **env: str) -> dict[str, tuple[bool, str]]:
    command = [str(BIN / "rag"), "doctor", "--url", url, "--json"]
    done = subprocess.run(
        command, env=clean_env(RAG_HOME=str(home), **env), cwd=home, capture_output=True, text=True, timeout=60
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == (0 if all(one["ok"] for one in found) else 1), done.stderr
    return {one["check"]: (one["ok"], one["said"]) for one in found}


def test_a_server_that_is_asked_directly_is_found_healthy(service: Service, tmp_path: Path) -> None:
    found = doctor(tmp_path, service.url)
    assert found["server"] == (True, f"{service.url} is ready")
    assert found["version"] == (True, f"the server is {__version__}")
    assert found["events"][0]
    assert "one by one" in found["events"][1]


GZIP = "gzip on; gzip_types text/event-stream; gzip_proxied any; gzip_min_length 0; gzip_http_version 1.0;"


@pytest.mark.parametrize(
    "more", ["proxy_buffering off;", f"proxy_buffering off; {GZIP}", f"proxy_buffering on; {GZIP}"]
)
def test_nginx_that_hands_events_on_is_found_right(service: Service, tmp_path: Path, more: str) -> None:
    """Also where it would buffer, as the header X-Accel-Buffering of a stream switches that off."""
    with nginx(tmp_path, service.url, more) as url:
        assert doctor(tmp_path, url)["events"][0]


def test_nginx_that_buffers_and_compresses_against_the_servers_word_is_blamed(service: Service, tmp_path: Path) -> None:
    more = f"proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; {GZIP}"
    with nginx(tmp_path, service.url, more) as url:
        is_right, said = doctor(tmp_path, url)["events"]
    assert not is_right
    for blamed in ("server: nginx", "HTTP/1.0", "gzip_types", "proxy_buffering off", "X-Accel-Buffering"):
        assert blamed in said


def test_a_proxy_that_keeps_a_stream_until_its_end_is_blamed(service: Service, tmp_path: Path) -> None:
    with cutting_proxy(int(service.url.rpartition(":")[2])) as proxy:
        proxy.holds = True
        is_right, said = doctor(tmp_path, proxy.url)["events"]
    assert not is_right
    assert "a proxy that does not name itself keeps them back" in said
    assert "proxy_buffering off" in said


def test_a_server_that_is_away_or_another_program_is_told(service: Service, tmp_path: Path) -> None:
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    is_right, said = doctor(tmp_path, f"http://127.0.0.1:{port}")["server"]
    assert not is_right
    assert "can't be reached" in said
    with serve_site() as site:
        site.pages["*"] = Reply(b"<html>")
        is_right, said = doctor(tmp_path, site.url)["server"]
    assert not is_right
    assert "another program" in said


def test_a_wrong_key_is_told(backends: Backends, tmp_path: Path) -> None:
    with Service.start(tmp_path / "served", {**backends.env, "RAG_ADMIN_KEY": "sesame"}) as service:
        is_right, said = doctor(tmp_path, service.url, RAG_ADMIN_KEY="wrong")["server"]
        assert not is_right
        assert "check RAG_ADMIN_KEY" in said
        assert doctor(tmp_path, service.url, RAG_ADMIN_KEY="sesame")["events"][0]


def test_compression_is_blamed_where_only_who_asks_for_it_waits() -> None:
    steady = [0.2 * number for number in range(10)]
    together = [1.8 + 0.001 * number for number in range(10)]
    plain = Way(steady, {}, TOLD)
    assert judge(plain, plain)[0]
    is_right, said = judge(plain, Way(together, {"content-encoding": "gzip"}, TOLD))
    assert not is_right
    assert "Content-Encoding: gzip" in said
    is_right, said = judge(Way(together, {"via": "1.1 Caddy"}, TOLD), plain)
    assert not is_right
    assert "flush_interval -1" in said
    assert not judge(Way([], {}), plain)[0]
