"""Finds the steps of int8 layers for a model, and tells what they change: `python -m bench.steps [--model M]`.

The result goes to `rag_api/backends/steps/`, under the fingerprint of the model's weights, and the embedder takes it
where the processor multiplies int8. Texts of the evaluation sets show what each channel of a layer's input holds.
Neighbours are those among other texts; vectors of fp32 and bf16 differ in theirs as well.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from bench.figures import lines
from ingest.ports import Vectors
from rag_api.backends.attention import Tensor
from rag_api.backends.forward import PackedBert
from rag_api.backends.int8 import GELU_LEAST, LARGEST, LARGEST_BYTE
from rag_api.backends.linear import FeedForward, Layer, Layers
from rag_api.backends.packing import Bert, bert_of, matrices, pack
from rag_api.backends.sentence_transformer import STEPS, find_model, fingerprint
from rag_api.core.defaults import DEFAULT_MODEL

EVAL = Path(__file__).parent.parent.parent / "shared" / "eval"
SETS = ("nq", "scifact", "squad2")
TEXTS, OTHERS = 80, 400  # of each set: to find steps, to be neighbours
CHARS = 1_200
SMALLEST = 1e-5
FEW = 16  # channels of GELU's output that stay bf16
EXPONENTS = {"query_key_value": 1.0, "attended": 0.7, "up": 0.7}  # of SmoothQuant; the best of 0.5, 0.7, 0.85 and 1
NEIGHBOURS = 10
ODD = (
    "", "a", "Yes.", "1", "?", "!!! ??? ... --- ", "-----" * 60, "a " * 200, "x" * 5_000, "12345 67890 " * 30,
    "0.5% " * 90, "Ω≈ç√∫˜µ", "船は正午に出ます。", "船" * 300, "и корабль плывёт в порт", "मेरी नाव",
    "Grüße, 1921–1938 ½ ﬁne \N{SLEUTH OR SPY}", "SELECT * FROM t WHERE a = 'b';", "http://example.org/a/b?c=d&e=f",
    "| a | b |\n|---|---|\n| 1 | 2 |", "\t{}[]();\n" * 40,
)  # fmt: skip


class Seen:
    """A layer that keeps the largest number that each channel was given."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.largest = torch.full((1,), SMALLEST)

    def __call__(self, x: Tensor, activation: str = "none") -> Tensor:
        self._look(x)
        y: Tensor = self._layer(x, activation)
        return y

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        self._look(x)
        y: Tensor = self._layer.plus(x, residual)
        return y

    def _look(self, x: Tensor) -> None:
        of_floats = x[x.isfinite().all(1)]  # a pass that left their range is done again
        if len(of_floats):
            self.largest = torch.maximum(self.largest, of_floats.abs().amax(0))


def steps_of(weight: Tensor, largest: Tensor, exponent: float) -> Tensor:
    """So that the largest number seen in any channel is the last that is not cut."""
    smooth = largest**exponent / weight.abs().amax(0).clamp_min(SMALLEST) ** (1 - exponent)
    return smooth * (largest / smooth).max() / LARGEST


def steps_of_gelu(largest: Tensor) -> Tensor:
    """One step for all channels but those of the largest numbers, which get 0."""
    few = largest.argsort(descending=True)[:FEW]
    others = largest.index_fill(0, few, 0)
    return torch.full_like(largest, float(others.max() + GELU_LEAST) / LARGEST_BYTE).index_fill(0, few, 0)


def find(model: Bert, texts: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    bert = packed(model, torch.float32)
    assert isinstance(bert.layers, Layers)
    spies = [watching(layer) for layer in bert.layers.layers]
    watched_ones = [watched(*both) for both in zip(bert.layers.layers, spies, strict=True)]
    dataclasses.replace(bert, layers=dataclasses.replace(bert.layers, layers=watched_ones))(texts)
    found: dict[str, Tensor] = {}
    for name, (weight, _) in matrices(model).items():
        i, _, kind = name.partition(".")
        largest = spies[int(i)][kind].largest
        found[name] = steps_of_gelu(largest) if kind == "down" else steps_of(weight, largest, EXPONENTS[kind])
    return found


def watching(layer: Layer) -> dict[str, Any]:
    whole: Any = layer.feed_forward
    parts = {"query_key_value": layer.query_key_value, "attended": layer.attended, "up": whole.up, "down": whole.down}
    return {name: Seen(part) for name, part in parts.items()}


def watched(layer: Layer, spies: dict[str, Any]) -> Layer:
    return dataclasses.replace(
        layer,
        query_key_value=spies["query_key_value"],
        attended=spies["attended"],
        feed_forward=FeedForward(spies["up"], spies["down"]),
    )


def packed(model: Bert, dtype: torch.dtype, steps: dict[str, Tensor] | None = None) -> PackedBert:
    bert = pack(model, dtype, steps)
    if bert is None:
        raise SystemExit("torch lacks what int8 wants here")
    return bert


def compare(fp32: Vectors, other: Vectors) -> str:
    cosines = np.sum(fp32 * other, axis=1)
    near = [np.argsort(-(vectors @ vectors.T), axis=1)[:, 1 : NEIGHBOURS + 1] for vectors in (fp32, other)]
    same = np.mean([len(set(a) & set(b)) / NEIGHBOURS for a, b in zip(*near, strict=True)])
    return f"cosine {cosines.mean():.5f}, least {cosines.min():.5f}; {100 * (1 - same):.1f} % of neighbours are others"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--eval", type=Path, default=EVAL)
    chosen = parser.parse_args()
    folder = find_model(chosen.model)
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True).eval()
    first, others = [], []
    for name in SETS:
        texts = [f"{one['title']}\n{one['text']}"[:CHARS] for one in lines(chosen.eval / name / "corpus.jsonl")]
        questions = [one["text"] for one in lines(chosen.eval / name / "queries.jsonl")]
        first += texts[:TEXTS] + questions[:TEXTS]
        others += texts[TEXTS : TEXTS + OTHERS]
    with torch.inference_mode():
        ids = model.tokenizer([*first, *ODD], truncation=True, max_length=model.max_seq_length)["input_ids"]
        bert = bert_of(list(model))
        if bert is None:
            raise SystemExit("this model goes through the library, which takes no steps")
        steps = find(bert, ids)
        STEPS.mkdir(exist_ok=True)
        np.savez(STEPS / f"{fingerprint(folder)}.npz", **{name: one.numpy() for name, one in steps.items()})
        ids = model.tokenizer(others, truncation=True, max_length=model.max_seq_length)["input_ids"]
        passes = (packed(bert, torch.float32), packed(bert, torch.bfloat16), packed(bert, torch.bfloat16, steps))
        fp32, bf16, int8 = (torch.nn.functional.normalize(one(ids)).numpy() for one in passes)
    print("bf16:", compare(fp32, bf16))
    print("int8:", compare(fp32, int8))


if __name__ == "__main__":
    main()
