"""Chat apps against a real server, each by the interpreter of an environment in which it is installed:

    python -m tests.live.chat_apps --gradio PYTHON --open-webui PYTHON

Not a part of the suite: the apps bring hundreds of packages. Passed with Gradio 6.31.0 and Open WebUI 0.12.4.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from rag_api.supervise import bind
from tests.processes import Service, start_backends

QUESTION = "When does the bakery open?"
EXPECTED = "The bakery opens at six."
START_S = 240
GRADIO = """
import sys, warnings
warnings.simplefilter("ignore")
import gradio
from gradio_client import Client
app = gradio.load_chat(sys.argv[1], model="rag", token="none", api_name="chat")
_, url, _ = app.launch(prevent_thread_lock=True, server_name="127.0.0.1", quiet=True, show_error=True)
client = Client(url, verbose=False)
print(gradio.__version__, client.predict({"text": sys.argv[2], "files": []}, api_name="/chat"))
app.close()
"""


def try_gradio(python: str, url: str) -> None:
    env = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    env.pop("PYTHONPATH", None)
    command = [python, "-c", GRADIO, f"{url}/v1", QUESTION]
    said = subprocess.run(command, env=env, capture_output=True, text=True, timeout=START_S)
    assert EXPECTED in said.stdout, said.stdout + said.stderr[-2000:]
    print("Gradio", said.stdout.strip())


def try_open_webui(python: str, url: str, folder: Path) -> None:
    with open_webui(python, url, folder) as app:
        models = [model["id"] for model in app.get("/api/models").raise_for_status().json()["data"]]
        assert {"rag", "rag:default"} <= set(models), models
        asked = [{"role": "user", "content": QUESTION}]
        body = {"model": "rag", "messages": asked, "stream": False}
        said = app.post("/api/chat/completions", json=body).raise_for_status().json()
        assert EXPECTED in said["choices"][0]["message"]["content"], said
        with app.stream("POST", "/api/chat/completions", json=body | {"stream": True}) as response:
            pieces = [json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: {")]
        deltas = [choice["delta"] for piece in pieces for choice in piece.get("choices", [])]
        assert EXPECTED in "".join(delta.get("content") or "" for delta in deltas), pieces
        told = [*asked, {"role": "assistant", "content": EXPECTED}]
        for task, key in (("title", "title"), ("tags", "tags"), ("follow_up", "follow_ups"), ("queries", "queries")):
            body = {"model": "rag", "messages": told, "chat_id": "local", "type": "web_search"}
            reply = app.post(f"/api/v1/tasks/{task}/completions", json=body).raise_for_status().json()
            content = json.loads(reply["choices"][0]["message"]["content"])
            assert key in content, (task, reply)
            print("Open WebUI", task, content)
        print("Open WebUI", app.get("/api/version").json()["version"], models)


@contextmanager
def open_webui(python: str, url: str, folder: Path) -> Iterator[httpx.Client]:
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    env: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("RAG_", "PYTHONPATH"))},
        "DATA_DIR": str(folder),
        "OPENAI_API_BASE_URL": f"{url}/v1",
        "OPENAI_API_KEY": "none",
        "ENABLE_OLLAMA_API": "false",
        "RAG_EMBEDDING_ENGINE": "openai",
        "WEBUI_AUTH": "false",
        "WEBUI_SECRET_KEY": "test",
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
    }
    command = [str(Path(python).parent / "open-webui"), "serve", "--host", "127.0.0.1", "--port", str(port)]
    log = folder / "open-webui.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=out)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as app:
            _await(app, process, log)
            signed: dict[str, Any] = app.post("/api/v1/auths/signin", json={"email": "", "password": ""}).json()
            app.headers["Authorization"] = f"Bearer {signed['token']}"
            yield app
    finally:
        process.terminate()
        process.wait(30)


def _await(app: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if app.get("/health").is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise AssertionError(f"Open WebUI did not come up:\n{log.read_text('utf-8', 'replace')[-3000:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Chat apps against a real server")
    parser.add_argument("--gradio", metavar="PYTHON")
    parser.add_argument("--open-webui", metavar="PYTHON")
    wanted = parser.parse_args()
    if not wanted.gradio and not wanted.open_webui:
        sys.exit("name at least one interpreter")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with start_backends(folder) as backends, Service.start(folder / "home", backends.env) as service:
            service.ingest("default", {"bakery.txt": b"The bakery opens at six. It sells rye bread. Ask for Olga."})
            if wanted.gradio:
                try_gradio(wanted.gradio, service.url)
            if wanted.open_webui:
                (folder / "open-webui").mkdir()
                try_open_webui(wanted.open_webui, service.url, folder / "open-webui")


if __name__ == "__main__":
    main()
