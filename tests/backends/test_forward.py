"""Our own forward pass against sentence-transformers in fp32, through the class that the embedder uses."""

import copy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from ingest.ports import Vectors
from rag_api.backends import sentence_transformer
from rag_api.backends.forward import BIN, STEP, fill_bins
from rag_api.backends.packing import bert_of, pack
from rag_api.backends.sentence_transformer import (
    SentenceTransformerModel,
    find_model,
    fingerprint,
    has_bf16,
    has_int8,
)
from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.errors import EmbedderUnavailable
from tests.models import make_smaller_model

HEAD = 32  # numbers of each, with the default model
WORDS = "the harbour master closes both slipways when wind from north exceeds force eight".split()
TEXTS = [
    "",
    " ",
    "a",
    "Ferry",
    "A ferry crosses the sound.",
    "Grüße, 東京, नमस्ते, \N{SMILING FACE WITH SMILING EYES} 1921–1938 ½ ﬁne",
    "x" * 5_000,
    "\n\t- one\n\t- two\n",
    "def embed(texts): return [[0.0] * 384 for _ in texts]",
    *(
        " ".join(WORDS[i % len(WORDS)] for i in range(start, start + length))
        for start, length in enumerate(range(3, 90))
    ),
    *(" ".join(WORDS * times) for times in (8, 16, 19, 20, 21, 60)),
]


@pytest.fixture(scope="module")
def library() -> Any:
    return SentenceTransformer(str(find_model(DEFAULT_MODEL)), device="cpu", local_files_only=True)


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosines(some: Vectors, others: Vectors) -> Vectors:
    return np.sum(unit(some) * unit(others), axis=1)


@pytest.fixture(scope="module", params=["fp32", "bf16", "int8"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformerModel:
    if not {"fp32": True, "bf16": has_bf16(), "int8": has_int8()}[request.param]:
        pytest.skip(f"this processor has no {request.param}")
    kept = tmp_path_factory.getbasetemp() / "models"
    model = SentenceTransformerModel(DEFAULT_MODEL, number_format=request.param, kept=kept)
    assert model.number_format == request.param
    return model


def test_the_default_model_goes_through_our_own_pass(model: SentenceTransformerModel) -> None:
    assert model.is_packed


def test_vectors_are_those_of_the_library(model: SentenceTransformerModel, library: Any) -> None:
    found = model.encode(TEXTS)
    agree = cosines(found, library.encode(TEXTS))
    expected = {"fp32": (0.999999, 0.99999), "bf16": (0.9999, 0.9995), "int8": (0.999, 0.99)}
    least_mean, least = expected[model.number_format]
    assert float(agree.mean()) >= least_mean
    assert float(agree.min()) >= least
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_what_shares_a_pass_changes_nothing(model: SentenceTransformerModel) -> None:
    together = model.encode(TEXTS)
    alone = np.concatenate([model.encode([text]) for text in TEXTS])
    assert float(cosines(together, alone).min()) >= 0.9998
    assert float(cosines(together, model.encode(TEXTS[::-1])[::-1]).min()) >= 0.9998


def test_passes_on_several_threads_disturb_one_another_in_nothing(model: SentenceTransformerModel) -> None:
    calls = [TEXTS[i::4] for i in range(4)]
    expected = [model.encode(texts) for texts in calls]
    found: dict[int, list[Vectors]] = {i: [] for i in range(4)}

    def repeat(i: int) -> None:
        for _ in range(3):
            found[i].append(model.encode(calls[i]))

    threads = [threading.Thread(target=repeat, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, vectors in found.items():
        assert len(vectors) == 3
        assert all(np.array_equal(each, expected[i]) for each in vectors)


@given(st.lists(st.integers(1, 2 * BIN), max_size=60))
def test_each_text_is_in_one_bin_and_no_bin_overflows(lengths: list[int]) -> None:
    bins = fill_bins(lengths)
    assert sorted(text for texts in bins for text in texts) == list(range(len(lengths)))
    for texts in bins:
        inside = [lengths[text] for text in texts]
        assert inside == sorted(inside)
        assert len(texts) == 1 or sum(inside) + STEP - 1 <= BIN


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The first layers of the default model."""
    folder = make_smaller_model(tmp_path_factory.mktemp("smaller") / "model")
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def variant(
    smaller: Any, folder: Path, change: Callable[[Any], None], pooling: str
) -> tuple[SentenceTransformerModel, Any]:
    """Changed: as the embedder loads it from where it was saved, and as the library has it."""
    bert = copy.deepcopy(smaller[0])
    with torch.no_grad():
        change(bert.auto_model)
    changed = SentenceTransformer(modules=[bert, Pooling(384, pooling), Normalize()], device="cpu")
    changed.save(str(folder))
    return SentenceTransformerModel(str(folder), number_format="fp32"), changed


def nothing(_: Any) -> None:
    pass


def steep(bert: Any) -> None:
    bert.encoder.layer[0].attention.self.query.weight *= 1_000


@pytest.mark.parametrize(
    ("pooling", "change", "is_packed"),
    [("cls", nothing, True), ("max", nothing, False), ("mean", steep, False)],
    ids=["another pooling that it knows", "a pooling that it does not know", "scores out of range"],
)
def test_other_models_work_by_our_own_pass_or_by_the_librarys(
    smaller: Any, tmp_path: Path, pooling: str, change: Callable[[Any], None], is_packed: bool
) -> None:
    mine, changed = variant(smaller, tmp_path, change, pooling)
    assert mine.is_packed is is_packed
    texts = [*TEXTS[:9], *TEXTS[9::4]]
    assert float(cosines(mine.encode(texts), changed.encode(texts)).min()) >= 0.9999


def low(bert: Any) -> None:
    """All scores of the first layer are below what an exponential is still a float of."""
    of_attention = bert.encoder.layer[0].attention.self
    of_attention.query.bias[::HEAD] = 26
    of_attention.key.bias[::HEAD] = -26


@pytest.mark.parametrize("change", [steep, low])
@pytest.mark.parametrize("number_format", ["fp32", "bf16", "int8"])
def test_scores_out_of_range_go_through_a_pass_that_keeps_in_it(
    smaller: Any, number_format: str, change: Callable[[Any], None]
) -> None:
    if number_format == "int8" and not has_int8():
        pytest.skip("this processor has no int8")
    dtype = torch.float32 if number_format == "fp32" else torch.bfloat16
    changed, texts = copy.deepcopy(smaller).to(dtype), [*TEXTS[:6], *TEXTS[7::5]]
    with torch.inference_mode():
        change(changed[0].auto_model)
        known = bert_of(list(changed))
        assert known
        bert = pack(known, dtype, steps_of_the_default() if number_format == "int8" else None)
        assert bert
        ids = [changed.tokenizer(text)["input_ids"] for text in texts]
        for text in ids:  # each by itself, as one is enough for all that share its pass
            with pytest.raises(OverflowError):
                bert([text], again=False)
        found = bert(ids).numpy()
    least = 0.95 if number_format == "int8" else 0.999
    assert float(cosines(found, changed.encode(texts)).min()) >= least


def steps_of_the_default() -> dict[str, torch.Tensor]:
    """Which has the layers of `smaller`."""
    with np.load(sentence_transformer.STEPS / f"{fingerprint(find_model(DEFAULT_MODEL))}.npz") as steps:
        return {name: torch.from_numpy(steps[name]) for name in steps.files}


def test_steps_of_a_model_that_has_none_are_refused(smaller: Any, tmp_path: Path) -> None:
    smaller.save(str(tmp_path))
    with pytest.raises(EmbedderUnavailable, match="RAG_EMBEDDER__NUMBER_FORMAT"):
        SentenceTransformerModel(str(tmp_path), number_format="int8")


def test_a_tokenizer_that_can_not_be_read_leaves_texts_to_the_library(
    smaller: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Any) -> Any:
        raise Exception("Custom PreTokenizer cannot be read")

    monkeypatch.setattr(sentence_transformer, "_tokenizer_of", refuse)
    mine, changed = variant(smaller, tmp_path, nothing, "mean")
    assert not mine.is_packed
    assert float(cosines(mine.encode(TEXTS[:12]), changed.encode(TEXTS[:12])).min()) >= 0.9999
