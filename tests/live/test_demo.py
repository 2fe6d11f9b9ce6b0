"""`rag demo` through Gradio's own client."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag_api.supervise import bind
from tests.fake_llm import FakeLanguageModel, fake_language_model, hangs, says
from tests.processes import BIN, Backends, Service, clean_env

gradio_client = pytest.importorskip("gradio_client", reason="gradio is not installed (the extra ui)")
pytestmark = pytest.mark.filterwarnings("ignore")

START_S = 90.0
WAIT_S = 30
QUESTION = "When does the bakery open?"
TEXT = "The bakery opens at six. It sells rye bread. Ask for Olga."
KEY = "sesame"


@pytest.fixture(scope="module")
def llm() -> Iterator[FakeLanguageModel]:
    with fake_language_model() as model:
        yield model


@pytest.fixture(scope="module")
def bakery(backends: Backends, llm: FakeLanguageModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    env = {**backends.env, "RAG_LLM__BASE_URL": llm.url, "RAG_LLM__MODEL": "fake", "RAG_ADMIN_KEY": KEY}
    headers = {"Authorization": f"Bearer {KEY}"}
    with Service.start(tmp_path_factory.mktemp("home"), env, headers=headers) as service:
        yield service


@pytest.fixture(scope="module")
def demo(bakery: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with bind("127.0.0.1", 0) as probe:
        port = str(probe.getsockname()[1])
    folder = tmp_path_factory.mktemp("demo")
    env = clean_env(RAG_ADMIN_KEY=KEY, RAG_HOME=str(folder / "home"), GRADIO_TEMP_DIR=str(folder), HF_HUB_OFFLINE="1")
    command = [str(BIN / "rag"), "demo", "--url", bakery.url, "--port", port]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + START_S
            while True:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                try:
                    if httpx.get(f"http://127.0.0.1:{port}/config", timeout=10).is_success:
                        break
                except httpx.TransportError:
                    time.sleep(0.2)
            yield gradio_client.Client(f"http://127.0.0.1:{port}", verbose=False)
        finally:
            process.terminate()
            process.wait(20)


def test_files_go_up_and_answers_stream_with_their_sources(demo: Any, llm: FakeLanguageModel, tmp_path: Path) -> None:
    (tmp_path / "bakery.txt").write_text(TEXT)
    llm.default = says("The bakery opens ", "at six [1].", delay_s=0.3)
    sent = {"text": QUESTION, "files": [gradio_client.handle_file(str(tmp_path / "bakery.txt"))]}
    shown = [str(one) for one in demo.submit(sent, api_name="/chat")]
    assert "bakery.txt: done" in shown[-1]
    assert "The bakery opens at six [1]." in shown[-1]
    assert "(supported)" in shown[-1]
    assert "The bakery opens at six." in shown[-1].split("(supported)")[1]
    assert any("The bakery opens " in one and "at six [1]" not in one for one in shown)


def test_stopping_stops_the_run(demo: Any, llm: FakeLanguageModel) -> None:
    llm.reset()
    llm.default = hangs("Wait ")
    job = demo.submit({"text": "Where is Olga?", "files": []}, api_name="/chat")
    deadline = time.monotonic() + WAIT_S
    while not any("Wait" in str(one) for one in job.outputs()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    job.cancel()
    assert llm.closed_by_peer.wait(WAIT_S)


def test_what_goes_wrong_is_shown(demo: Any, llm: FakeLanguageModel, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("")
    sent = {"text": "", "files": [gradio_client.handle_file(str(tmp_path / "empty.txt"))]}
    assert "empty" in str([*demo.submit(sent, api_name="/chat")][-1])
