"""Layers of int8 against the same in fp32."""

import pytest
import torch

from rag_api.backends.linear import GELU_LEAST, LARGEST, LARGEST_BYTE, Int8FeedForward, Int8Linear, Matrix, Tensor
from rag_api.backends.sentence_transformer import has_int8

ROWS, WIDTH, WIDER = 64, 96, 384
FEW = [5, 200]
pytestmark = pytest.mark.skipif(not has_int8(), reason="this processor has no int8")


@pytest.fixture
def x() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(ROWS, WIDTH).bfloat16()


def matrix(out: int, into: int) -> Matrix:
    return torch.randn(out, into) / into**0.5, torch.randn(out) / 10


def error(found: Tensor, expected: Tensor) -> float:
    assert found.dtype == torch.bfloat16
    return float((found.float() - expected).norm() / expected.norm())


def steps(x: Tensor) -> Tensor:
    return x.float().abs().amax(0) / LARGEST


def test_a_layer_multiplies_and_adds(x: Tensor) -> None:
    own = matrix(WIDER, WIDTH)
    layer = Int8Linear.of(own, steps(x), rows=ROWS)
    expected = torch.nn.functional.linear(x.float(), *own)
    assert error(layer(x), expected) < 0.015
    residual = torch.randn(ROWS, WIDER).bfloat16()
    assert error(layer.plus(x, residual), expected + residual) < 0.015


def test_channels_of_large_numbers_take_no_bits_of_the_others(x: Tensor) -> None:
    up, down = matrix(WIDER, WIDTH), matrix(WIDTH, WIDER)
    up[0][FEW] *= 40
    down[0][:, FEW] /= 40
    hidden = torch.nn.functional.gelu(torch.nn.functional.linear(x.float(), *up))
    expected = x + torch.nn.functional.linear(hidden, *down)

    def with_few(few: list[int]) -> Tensor:
        chosen = torch.tensor(few)
        others = hidden.amax(0).index_fill(0, chosen, 0)
        down_steps = torch.full_like(others, float(others.max() + GELU_LEAST) / LARGEST_BYTE).index_fill(0, chosen, 0)
        return Int8FeedForward.of(up, down, steps(x), down_steps, rows=ROWS).plus(x)

    assert error(with_few(FEW), expected) < 0.015
    assert error(with_few([one + 1 for one in FEW]), expected) > 0.05
