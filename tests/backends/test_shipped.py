"""What comes with the package is what sentence-transformers finds in the default model, and is taken of no other."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from rag_api.backends.library import PROBES, Library
from rag_api.backends.reading import Reading
from rag_api.backends.sentence_transformer import SentenceTransformerModel, find_model, fingerprint
from rag_api.backends.shipped import find_shipped
from rag_api.core.defaults import DEFAULT_MODEL

MAPPED = """
import sys
from rag_api.backends.sentence_transformer import SentenceTransformerModel
model = SentenceTransformerModel(sys.argv[1], number_format="fp32")
print(model.is_packed, "model.safetensors" in open("/proc/self/maps").read())
"""
TEXTS = (*PROBES, "ÀÉÎ naïve 東京 \N{SMILING FACE WITH SMILING EYES}", "x" * 5_000, "[MASK] [SEP] the ferry")


@pytest.fixture(scope="module")
def folder() -> Path:
    return find_model(DEFAULT_MODEL)


@pytest.fixture
def another(folder: Path, tmp_path: Path) -> Path:
    """A folder with the same files, large ones as links."""
    return shutil.copytree(folder, tmp_path / "another", copy_function=os.symlink)


def test_it_is_what_the_library_finds(folder: Path, tmp_path: Path) -> None:
    shipped = find_shipped(folder, fingerprint(folder))
    assert shipped
    with Reading(folder, "float32", kept=tmp_path / "kept", shipped=shipped) as reading:
        assert reading._process is None
        known = reading.known()
    assert not (tmp_path / "kept").exists()
    here = Library(folder, "float32").known()
    assert known
    assert here
    assert (known.bert.shape, known.max_length, known.prompts) == (here.bert.shape, here.max_length, here.prompts)
    assert np.abs(known.probed - here.probed).max() < 1e-5
    assert all((known.bert.weights[name] == weight).all() for name, weight in here.bert.weights.items())
    mine, its = (Tokenizer.from_str(one.tokenizer) for one in (known, here))
    for tokenizer in (mine, its):
        tokenizer.enable_truncation(known.max_length)
        tokenizer.no_padding()
    assert [mine.encode(text).ids for text in TEXTS] == [its.encode(text).ids for text in TEXTS]


def test_a_folder_with_the_same_files_has_it_too(another: Path, tmp_path: Path) -> None:
    assert SentenceTransformerModel(str(another), number_format="auto", kept=tmp_path / "kept").is_packed
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("changed", ["1_Pooling/config.json", "tokenizer.json", "sentence_bert_config.json"])
def test_of_a_model_with_another_file_nothing_is_known(another: Path, changed: str) -> None:
    assert find_shipped(another, fingerprint(another))
    text = (another / changed).read_text("utf-8")
    (another / changed).unlink()
    (another / changed).write_text(text + "\n", "utf-8")
    assert find_shipped(another, fingerprint(another)) is None


def test_what_is_no_file_is_not_looked_at(another: Path) -> None:
    (another / "folder.json").mkdir()
    (another / "nowhere.json").symlink_to(another / "nothing")
    assert find_shipped(another, fingerprint(another))


def test_what_can_not_be_read_is_read_from_the_model(folder: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    cut.write_text('{"shape"', "utf-8")
    with Reading(folder, "float32", shipped=cut) as reading:
        assert reading.known() is None  # so the library serves


def test_of_a_model_with_other_weights_nothing_is_known(folder: Path) -> None:
    assert find_shipped(folder, "0" * 16) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_file_that_is_cut_off_later_does_no_harm() -> None:
    said = subprocess.run([sys.executable, "-c", MAPPED, DEFAULT_MODEL], capture_output=True, text=True, timeout=120)
    assert said.stdout.split() == ["True", "False"], said.stderr
