"""The process that reads a model for another one: what it leaves there, and what is done without it."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from rag_api.backends import reading as readings
from rag_api.backends.library import PROBES, Library
from rag_api.backends.reading import Reading
from rag_api.backends.sentence_transformer import SentenceTransformerModel
from rag_api.errors import EmbedderUnavailable
from tests.models import make_smaller_model

NAMES = """
import sys
from rag_api.backends.sentence_transformer import SentenceTransformerModel
model = SentenceTransformerModel(sys.argv[1], number_format="auto")
print(model.is_packed, *(name in sys.modules for name in ("transformers", "sentence_transformers")))
"""


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_smaller_model(tmp_path_factory.mktemp("smaller") / "model")


@pytest.fixture(scope="module")
def kept_once(smaller: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    kept = tmp_path_factory.mktemp("kept")
    assert SentenceTransformerModel(str(smaller), number_format="fp32", kept=kept).is_packed
    return kept


@pytest.fixture
def kept(kept_once: Path, tmp_path: Path) -> Path:
    return shutil.copytree(kept_once, tmp_path / "kept")


def test_whoever_serves_by_our_own_pass_never_has_the_library(smaller: Path) -> None:
    said = subprocess.run([sys.executable, "-c", NAMES, str(smaller)], capture_output=True, text=True, timeout=120)
    assert said.stdout.split() == ["True", "False", "False"], said.stderr


def test_what_was_read_is_kept_and_is_what_the_library_has(smaller: Path, kept: Path) -> None:
    with Reading(smaller, "float32", kept=kept) as reading:
        assert reading._process is None
        known = reading.known()
    assert known
    here = Library(smaller, "float32").known()
    assert here
    assert (known.bert.shape, known.tokenizer, known.max_length) == (here.bert.shape, here.tokenizer, here.max_length)
    assert known.prompts == here.prompts
    assert np.array_equal(known.probed, here.probed)
    assert known.probed.shape == (len(PROBES), 384)
    assert known.bert.weights.keys() == here.bert.weights.keys()
    assert all((known.bert.weights[name] == weight).all() for name, weight in here.bert.weights.items())


@pytest.mark.parametrize("change", ["settings", "weights"])
def test_what_was_kept_of_other_files_is_not_taken(smaller: Path, kept: Path, tmp_path: Path, change: str) -> None:
    other = shutil.copytree(smaller, tmp_path / "other")
    with Reading(other, "float32", kept=kept) as reading:
        assert reading._process is None  # it is the same as long as nothing in it is another
    if change == "weights":
        os.utime(other / "model.safetensors")
    else:
        (other / "sentence_bert_config.json").write_text('{"max_seq_length": 64}', "utf-8")
    with Reading(other, "float32", kept=kept) as reading:
        assert reading._process


def test_what_was_kept_and_can_not_be_read_is_read_anew(smaller: Path, kept: Path) -> None:
    [found] = kept.iterdir()
    (found / "weights.pt").write_bytes(b"cut")
    assert SentenceTransformerModel(str(smaller), number_format="fp32", kept=kept).is_packed
    assert list(kept.iterdir()) == [found]
    assert (found / "weights.pt").stat().st_size > 1_000


def test_what_nobody_reads_and_what_was_cut_off_goes_when_another_model_comes(smaller: Path, kept: Path) -> None:
    [recent] = kept.iterdir()
    for name, age_s in (("rag-model-cut", 3_600), ("rag-model-young", 0), ("unread", 100 * 86_400)):
        (kept / name).mkdir()
        os.utime(kept / name, (time.time() - age_s,) * 2)
    with Reading(smaller, "bfloat16", kept=kept) as reading:
        assert reading._process
    assert {path.name for path in kept.iterdir()} == {recent.name, "rag-model-young"}


def test_where_nothing_can_be_kept_the_model_serves_all_the_same(smaller: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file", "utf-8")
    assert SentenceTransformerModel(str(smaller), number_format="fp32", kept=tmp_path / "kept").is_packed


def test_a_reading_that_takes_too_long_leaves_the_model_to_the_library(
    smaller: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "READ_S", 0.01)
    model = SentenceTransformerModel(str(smaller), number_format="fp32")
    assert not model.is_packed
    assert model.encode(["A ferry crosses the sound."]).shape == (1, 384)


def test_a_reading_that_is_left_ends(smaller: Path) -> None:
    with Reading(smaller, "float32") as reading:
        process, into = reading._process, reading._into
    assert process
    assert into
    assert process.returncode is not None
    assert not Path(into.name).exists()


def test_where_what_is_kept_can_not_be_written_it_is_read_elsewhere(
    smaller: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is full."""

    def make(beside: Path | None) -> "TemporaryDirectory[str]":
        folder = TemporaryDirectory(prefix="rag-model-", ignore_cleanup_errors=True)
        if beside:
            (Path(folder.name) / "weights.pt").mkdir()
        return folder

    monkeypatch.setattr(readings, "_temporary", make)
    assert SentenceTransformerModel(str(smaller), number_format="fp32", kept=tmp_path / "kept").is_packed
    assert not (tmp_path / "kept").exists()


def test_another_architecture_is_not_loaded_twice(smaller: Path, tmp_path: Path) -> None:
    other = shutil.copytree(smaller, tmp_path / "other")
    config = json.loads((other / "config.json").read_text("utf-8"))
    (other / "config.json").write_text(json.dumps(config | {"model_type": "mpnet"}), "utf-8")
    with Reading(other, "float32") as reading:
        assert reading._process is None
        assert reading.known() is None


def test_a_model_that_can_not_be_loaded_is_named_with_its_reason(smaller: Path, tmp_path: Path) -> None:
    cut = shutil.copytree(smaller, tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((smaller / "model.safetensors").read_bytes()[:1_000])
    with pytest.raises(EmbedderUnavailable, match=str(cut)):
        SentenceTransformerModel(str(cut), number_format="fp32")
