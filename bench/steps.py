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
from rag_api.backends.forward import Layer, PackedBert
from rag_api.backends.linear import LARGEST, Tensor
from rag_api.backends.packing import matrices, pack
from rag_api.backends.sentence_transformer import STEPS, find_model, fingerprint
from rag_api.core.defaults import DEFAULT_MODEL

EVAL = Path(__file__).parent.parent.parent / "shared" / "eval"
SETS = ("nq", "scifact", "squad2")
TEXTS, OTHERS = 80, 400  # of each set: to find steps, to be neighbours
CHARS = 1_200
ROWS = 80  # of a pass that are looked at
EXPONENT = 0.7  # of SmoothQuant; cosines were .9991 with 0.5, .9994 with 0.6 and 0.9, .9995 from 0.7 to 0.8
NEIGHBOURS = 10


class Seen:
    """A layer that keeps some of the rows that it was given."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self.rows: list[Tensor] = []

    def __call__(self, x: Tensor, activation: str = "none") -> Tensor:
        some = x[torch.randperm(len(x))[:ROWS]]
        self.rows.append(some[some.isfinite().all(1)])  # a pass that left the range of floats is done again
        y: Tensor = self._layer(x, activation)
        return y


def steps_of(weight: Tensor, x: Tensor) -> Tensor:
    """So that the largest number seen in any channel is the last that is not cut."""
    largest, largest_weight = x.abs().amax(0).clamp_min(1e-5), weight.abs().amax(0).clamp_min(1e-5)
    smooth = largest**EXPONENT / largest_weight ** (1 - EXPONENT)
    return smooth * (x / smooth).abs().max() / LARGEST


def find(model: Any, texts: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    bert = packed(model, torch.float32)
    layers = [watched(layer) for layer in bert.layers]
    dataclasses.replace(bert, layers=layers)(texts)
    found: dict[str, Tensor] = {}
    for name, (weight, _) in matrices(list(model)).items():
        i, _, kind = name.partition(".")
        found[name] = steps_of(weight, torch.cat(getattr(layers[int(i)], kind).rows))
    return found


def watched(layer: Layer) -> Layer:
    spies: dict[str, Any] = {"query_key_value": Seen(layer.query_key_value), "up": Seen(layer.up)}
    return dataclasses.replace(layer, **spies)


def packed(model: Any, dtype: torch.dtype, steps: dict[str, Tensor] | None = None) -> PackedBert:
    bert = pack(list(model), dtype, steps)
    if bert is None:
        raise SystemExit("this model goes through the library, which takes no steps")
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
    torch.manual_seed(0)
    with torch.inference_mode():
        ids = model.tokenizer(first, truncation=True, max_length=model.max_seq_length)["input_ids"]
        steps = find(model, ids)
        STEPS.mkdir(exist_ok=True)
        np.savez(STEPS / f"{fingerprint(folder)}.npz", **{name: one.numpy() for name, one in steps.items()})
        ids = model.tokenizer(others, truncation=True, max_length=model.max_seq_length)["input_ids"]
        passes = (packed(model, torch.float32), packed(model, torch.bfloat16), packed(model, torch.bfloat16, steps))
        fp32, bf16, int8 = (torch.nn.functional.normalize(one(ids)).numpy() for one in passes)
    print("bf16:", compare(fp32, bf16))
    print("int8:", compare(fp32, int8))


if __name__ == "__main__":
    main()
