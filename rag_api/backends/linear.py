"""A BERT's layers of bf16 or fp32, with weights in the layout that the processor multiplies best.

Operators of torch that are not part of its documented interface: `are_available` tells whether they are there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import torch
from torch.nn.functional import layer_norm

from rag_api.backends.attention import Run, Tensor, attend

Matrix: TypeAlias = tuple[Tensor, Tensor]  # weight of shape (out, in), and bias
_mkldnn: Any = torch.ops.mkldnn


class Norm(NamedTuple):
    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class Linear:
    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, matrix: Matrix, dtype: torch.dtype, *, rows: int) -> "Linear":
        """`rows`: of the inputs that it shall be quick for."""
        weight, bias = matrix
        return cls(_mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), rows), bias.to(dtype))

    def __call__(self, x: Tensor, activation: str = "none") -> Tensor:
        y: Tensor = _mkldnn._linear_pointwise(x, self.weight, self.bias, activation, [], "none")
        return y

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        y: Tensor = _mkldnn._linear_pointwise.binary(x, residual, self.weight, self.bias, "add")
        return y


@dataclass(frozen=True, slots=True)
class FeedForward:
    up: Linear
    down: Linear

    def plus(self, x: Tensor) -> Tensor:
        """`x`, to which this of it is added."""
        return self.down.plus(self.up(x, "gelu"), x)


@dataclass(frozen=True, slots=True)
class Layer:
    query_key_value: Linear
    attended: Linear
    attended_norm: Norm
    feed_forward: FeedForward
    norm: Norm


@dataclass(frozen=True, slots=True)
class Layers:
    layers: Sequence[Layer]
    heads: int

    def __call__(self, x: Tensor, runs: list[Run], *, in_range: bool) -> tuple[Tensor, Tensor]:
        """What comes out of the last; and a number that is finite if all of attention's are, see `attend`."""
        sums = torch.zeros(())
        for layer in self.layers:
            context, total = attend(layer.query_key_value(x), runs, self.heads, in_range)
            sums = sums + total
            x = layer.attended_norm(layer.attended.plus(context, x))
            x = layer.norm(layer.feed_forward.plus(x))
        return x, sums


def are_available() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(_mkldnn, "_reorder_linear_weight")
