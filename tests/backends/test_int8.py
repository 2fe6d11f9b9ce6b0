"""A layer of int8 against the same in fp32, compiled and as it is."""

from dataclasses import dataclass

import pytest
import torch
from torch.nn.functional import gelu, layer_norm, linear

from rag_api.backends import int8
from rag_api.backends.attention import Tensor, attend, runs_of
from rag_api.backends.int8 import GELU_LEAST, LARGEST, LARGEST_BYTE, Int8Layer, Int8Layers, int8_layer
from rag_api.backends.linear import Matrix, Norm
from rag_api.backends.sentence_transformer import has_int8

WIDTH, WIDER, HEADS = 96, 384, 3
RUNS = runs_of([5, 20, 20, 70])
ROWS = RUNS[-1].stop + 16
FEW = [5, 200]
EPSILON = 1e-12
pytestmark = pytest.mark.skipif(not has_int8(), reason="this processor has no int8")


@dataclass(frozen=True)
class Known:
    """A layer in fp32, and what its matrices are given for `x`."""

    x: Tensor
    matrices: dict[str, Matrix]
    given: dict[str, Tensor]
    found: Tensor

    def error(self, found: Tensor) -> float:
        used = slice(RUNS[-1].stop)
        return float((found[used].float() - self.found[used]).norm() / self.found[used].norm())

    def int8(self, few: list[int]) -> Int8Layer:
        steps = {name: one.abs().amax(0) / LARGEST for name, one in self.given.items()}
        chosen = torch.tensor(few, dtype=torch.int64)
        others = self.given["down"].amax(0).index_fill(0, chosen, 0)
        step = float(others.max() + GELU_LEAST) / LARGEST_BYTE
        steps["down"] = torch.full_like(others, step).index_fill(0, chosen, 0)
        norm = Norm(torch.ones(WIDTH).bfloat16(), torch.zeros(WIDTH).bfloat16(), EPSILON)
        return int8_layer(self.matrices, steps, (norm, norm), rows=ROWS)


@pytest.fixture
def known() -> Known:
    """Two channels of GELU's output are forty times as large as the others."""
    torch.manual_seed(1)
    shapes = {"query_key_value": (3 * WIDTH, WIDTH), "attended": (WIDTH, WIDTH), "up": (WIDER, WIDTH),
              "down": (WIDTH, WIDER)}  # fmt: skip
    own = {name: (torch.randn(shape) / shape[1] ** 0.5, torch.randn(shape[0]) / 10) for name, shape in shapes.items()}
    own["up"][0][FEW] *= 40
    own["down"][0][:, FEW] /= 40
    x = torch.randn(ROWS, WIDTH).bfloat16()
    context, _ = attend(linear(x.float(), *own["query_key_value"]), RUNS, HEADS, False)
    middle = layer_norm(x + linear(context, *own["attended"]), [WIDTH], eps=EPSILON)
    hidden = gelu(linear(middle, *own["up"]))
    found = layer_norm(middle + linear(hidden, *own["down"]), [WIDTH], eps=EPSILON)
    return Known(x, own, {"query_key_value": x.float(), "attended": context, "up": middle, "down": hidden}, found)


def test_a_layer_finds_what_it_finds_in_fp32(known: Known) -> None:
    found, sums = Int8Layers([known.int8(FEW)], HEADS)(known.x, RUNS, in_range=False)
    assert found.dtype == torch.bfloat16
    assert known.error(found) < 0.03
    assert sums.isfinite()


def test_channels_of_large_numbers_take_no_bits_of_the_others(known: Known) -> None:
    found, _ = Int8Layers([known.int8([one + 1 for one in FEW])], HEADS)(known.x, RUNS, in_range=False)
    assert known.error(found) > 0.06


@pytest.mark.parametrize("in_range", [False, True])
def test_compiled_layers_find_the_same_bits(known: Known, in_range: bool) -> None:
    layers = [known.int8(FEW)] * 2
    assert int8.compiled() is not int8.through
    for _ in range(3):  # the first times it looks at what it is given
        compiled = int8.compiled()(known.x, layers, RUNS, HEADS, in_range)
        bare = int8.through(known.x, layers, RUNS, HEADS, in_range)
        assert all(torch.equal(one, other) for one, other in zip(compiled, bare, strict=True))


def test_without_a_compiler_the_layers_run_as_they_are(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise RuntimeError("there is no TorchScript any more")

    expected, _ = Int8Layers([known.int8(FEW)], HEADS)(known.x, RUNS, in_range=False)
    int8.compiled.cache_clear()
    monkeypatch.setattr(torch.jit, "script", refuse)
    try:
        found, _ = Int8Layers([known.int8(FEW)], HEADS)(known.x, RUNS, in_range=False)
        assert int8.compiled() is int8.through
    finally:
        int8.compiled.cache_clear()
    assert torch.equal(found, expected)
