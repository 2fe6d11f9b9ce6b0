"""Linear layers with weights in the layout that the processor multiplies best.

`Linear` is of bf16 or fp32. `Int8Linear` takes and gives bf16 and multiplies int8, after SmoothQuant (Xiao et al. 2023,
https://arxiv.org/abs/2211.10438): each channel of its input has a step of its own, found once on texts (`steps`), and
the weights are multiplied by these steps, each row of them rounded to its own scale. What is beyond 127 steps is cut.
`Int8FeedForward` has GELU's output in bytes of one step, but for a few channels whose large numbers would take all
others' bits: those go through bf16, after LLM.int8() (Dettmers et al. 2022, https://arxiv.org/abs/2208.07339).
Operators of torch that are not part of its documented interface: `are_available` tells whether they are there.
"""

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

Tensor: TypeAlias = torch.Tensor
Matrix: TypeAlias = tuple[Tensor, Tensor]  # weight of shape (out, in), and bias
_mkldnn: Any = torch.ops.mkldnn
_onednn: Any = torch.ops.onednn
ZERO = 128  # of unsigned bytes, which processors multiply with signed ones
LARGEST, LARGEST_BYTE = 127, 255
GELU_LEAST = 0.17  # GELU gives nothing below -0.17


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
class _Int8:
    """Multiplies bytes."""

    weight: Tensor
    scales: Tensor
    zeros: Tensor
    bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, *, rows: int) -> "_Int8":
        scales = weight.abs().amax(1).clamp_min(1e-12) / LARGEST
        integers = (weight / scales[:, None]).round().to(torch.int8)
        packed = _onednn.qlinear_prepack(integers, [rows, weight.shape[1]])
        return cls(packed, scales, torch.zeros(len(weight), dtype=torch.int32), bias.float())

    def bf16(self, x: Tensor) -> Tensor:
        y: Tensor = _onednn.qlinear_pointwise(x, 1.0, ZERO, *self._own, 1.0, 0, torch.bfloat16, "none", [], "none")
        return y

    def gelu(self, x: Tensor, step: float, zero: int) -> Tensor:
        """GELU of it, in bytes."""
        y: Tensor = _onednn.qlinear_pointwise(x, 1.0, ZERO, *self._own, step, zero, torch.uint8, "gelu", [], "none")
        return y

    def plus(self, x: Tensor, residual: Tensor, step: float = 1.0, zero: int = ZERO) -> Tensor:
        y: Tensor = _onednn.qlinear_pointwise.binary(
            x, step, zero, *self._own[:3], residual, self.bias,
            1.0, 0, torch.bfloat16, 1.0, 0, "add", 1.0, "none", [], "none",
        )  # fmt: skip
        return y

    @property
    def _own(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.weight, self.scales, self.zeros, self.bias


@dataclass(frozen=True, slots=True)
class Int8Linear:
    matrix: _Int8
    steps_a_unit: Tensor

    @classmethod
    def of(cls, matrix: Matrix, steps: Tensor, *, rows: int) -> "Int8Linear":
        """`steps` of shape (in): by how much a channel's input differs from one integer to the next."""
        weight, bias = matrix
        with warnings.catch_warnings(action="ignore"):
            _quantized(bias)  # which says once in a process that a later torch will not have it
        return cls(_Int8.of(weight * steps, bias, rows=rows), 1 / steps)

    def __call__(self, x: Tensor) -> Tensor:
        return self.matrix.bf16(self.quantized(x))

    def plus(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.matrix.plus(self.quantized(x), residual)

    def quantized(self, x: Tensor) -> Tensor:
        return _quantized(torch.mul(x, self.steps_a_unit))


@dataclass(frozen=True, slots=True)
class Int8FeedForward:
    up: Int8Linear
    down: _Int8
    step: float
    zero: int
    few: FeedForward

    @classmethod
    def of(cls, up: Matrix, down: Matrix, up_steps: Tensor, down_steps: Tensor, *, rows: int) -> "Int8FeedForward":
        """`down_steps`: the same for all channels but those few that stay bf16, which have 0."""
        few = (down_steps == 0).nonzero()[:, 0]
        step = float(down_steps.max())
        into_few = Linear.of((up[0][few], up[1][few]), torch.bfloat16, rows=rows)
        from_few = Linear.of((down[0][:, few], torch.zeros_like(down[1])), torch.bfloat16, rows=rows)
        others = (down[0] * (down_steps > 0)).float()
        return cls(
            Int8Linear.of(up, up_steps, rows=rows),
            _Int8.of(others, down[1], rows=rows),
            step,
            round(GELU_LEAST / step),
            FeedForward(into_few, from_few),
        )

    def plus(self, x: Tensor) -> Tensor:
        """`x`, to which this of it is added."""
        hidden = self.up.matrix.gelu(self.up.quantized(x), self.step, self.zero)
        return self.down.plus(hidden, self.few.plus(x), self.step, self.zero)


def _quantized(x: Tensor) -> Tensor:
    """The nearest integers plus `ZERO`, cut to a byte."""
    found = torch.quantize_per_tensor(x, 1.0, ZERO, torch.quint8)
    bare = torch.empty(0, dtype=torch.uint8)  # the same memory, by the type that operators on integers take
    return bare.set_(found.untyped_storage(), 0, found.shape, found.stride())


def are_available(*, int8: bool) -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if int8 and not (hasattr(_onednn, "qlinear_prepack") and "binary" in _overloads("qlinear_pointwise")):
        return False
    return available and hasattr(_mkldnn, "_reorder_linear_weight")


def _overloads(name: str) -> list[str]:
    found: list[str] = getattr(_onednn, name).overloads() if hasattr(_onednn, name) else []
    return found
