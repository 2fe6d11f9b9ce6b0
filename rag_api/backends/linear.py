"""Linear layers with weights in the layout that the processor multiplies best.

`Linear` is of bf16 or fp32. `Int8Linear` takes and gives bf16 and multiplies int8, after SmoothQuant (Xiao et al. 2023,
https://arxiv.org/abs/2211.10438): each channel of its input has a step of its own, found once on texts (`steps`), and
the weights are multiplied by these steps, each row of them rounded to its own scale. What is beyond 127 steps is cut.
Operators of torch that are not part of its documented interface: `are_available` tells whether they are there.
"""

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

Tensor: TypeAlias = torch.Tensor
_mkldnn: Any = torch.ops.mkldnn
_onednn: Any = torch.ops.onednn
ZERO = 128  # of unsigned bytes, which processors multiply with signed ones
LARGEST = 127


@dataclass(frozen=True, slots=True)
class Linear:
    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, dtype: torch.dtype, *, rows: int) -> "Linear":
        """`weight` of shape (out, in); `rows`: of the inputs that it shall be quick for."""
        return cls(_mkldnn._reorder_linear_weight(weight.to(dtype).contiguous(), rows), bias.to(dtype))

    def __call__(self, x: Tensor, activation: str = "none") -> Tensor:
        y: Tensor = _mkldnn._linear_pointwise(x, self.weight, self.bias, activation, [], "none")
        return y

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        y: Tensor = _mkldnn._linear_pointwise.binary(x, residual, self.weight, self.bias, "add")
        return y


@dataclass(frozen=True, slots=True)
class Int8Linear:
    weight: Tensor
    scales: Tensor
    zeros: Tensor
    bias: Tensor
    steps_a_unit: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, steps: Tensor, *, rows: int) -> "Int8Linear":
        """`steps` of shape (in): by how much a channel's input differs from one integer to the next."""
        with warnings.catch_warnings(action="ignore"):
            _quantized(bias)  # which says once in a process that a later torch will not have it
        scales, integers = _rounded(weight * steps)
        packed = _onednn.qlinear_prepack(integers.to(torch.int8), [rows, weight.shape[1]])
        return cls(packed, scales, torch.zeros(len(weight), dtype=torch.int32), bias.float(), 1 / steps)

    def __call__(self, x: Tensor, activation: str = "none") -> Tensor:
        y: Tensor = _onednn.qlinear_pointwise(
            _quantized(torch.mul(x, self.steps_a_unit)), 1.0, ZERO, self.weight, self.scales, self.zeros, self.bias,
            1.0, 0, torch.bfloat16, activation, [], "none",
        )  # fmt: skip
        return y


def _quantized(x: Tensor) -> Tensor:
    """The nearest integers plus `ZERO`, cut to a byte."""
    found = torch.quantize_per_tensor(x, 1.0, ZERO, torch.quint8)
    bare = torch.empty(0, dtype=torch.uint8)  # the same memory, by the type that operators on integers take
    return bare.set_(found.untyped_storage(), 0, found.shape, found.stride())


def _rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """A scale for each row, of shape (out), and integers that make `weight` when they are multiplied by it."""
    scales = weight.abs().amax(1).clamp_min(1e-12) / LARGEST
    return scales, (weight / scales[:, None]).round()


def are_available(*, int8: bool) -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    names = ("qlinear_prepack", "qlinear_pointwise") if int8 else ()
    return available and hasattr(_mkldnn, "_reorder_linear_weight") and all(hasattr(_onednn, name) for name in names)
