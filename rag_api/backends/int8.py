"""A BERT's layers of int8, which take and give bf16.

After SmoothQuant (Xiao et al. 2023, https://arxiv.org/abs/2211.10438): each channel of a matrix's input has a step of
its own, found once on texts (`steps`), and the weights are multiplied by these steps, each row of them rounded to its
own scale. What is beyond 127 steps is cut. GELU's output is in bytes of one step, but for a few channels whose large
numbers would take all others' bits: those go through bf16, after LLM.int8() (Dettmers et al. 2022,
https://arxiv.org/abs/2208.07339).

All layers are one function, so that TorchScript can compile it: hundreds of small operators then follow each other
without Python and its lock in between. Where torch has no TorchScript, which is named as going away, the same function
runs as it is: a pass then takes 3 ms more, as Python tries an operator's overloads one after the other.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import torch

from rag_api.backends.attention import Run, Tensor, attend
from rag_api.backends.linear import Linear, Matrix, Norm
from rag_api.telemetry import log

_mkldnn: Any = torch.ops.mkldnn
_onednn: Any = torch.ops.onednn
ZERO = 128  # of unsigned bytes, which processors multiply with signed ones
LARGEST, LARGEST_BYTE = 127, 255
GELU_LEAST = 0.17  # GELU gives nothing below -0.17


class Int8(NamedTuple):
    """A matrix that multiplies bytes. `steps`: how many a unit of each channel of its input there are."""

    weight: Tensor
    scales: Tensor
    zeros: Tensor
    bias: Tensor
    steps: Tensor


class Int8Layer(NamedTuple):
    """`few_…`: weight and bias for the channels of GELU's output that stay bf16. The others are bytes of `step`, 0
    being `zero`."""

    query_key_value: Int8
    attended: Int8
    attended_norm: Norm
    up: Int8
    step: float
    zero: int
    few_up: tuple[Tensor, Tensor]
    few_down: tuple[Tensor, Tensor]
    down: Int8
    norm: Norm


Through: TypeAlias = Callable[[Tensor, list[Int8Layer], list[Run], int, bool], tuple[Tensor, Tensor]]


class Int8Layers:
    def __init__(self, layers: Sequence[Int8Layer], heads: int) -> None:
        self._layers, self._heads = list(layers), heads
        self._through = compiled()

    def __call__(self, x: Tensor, runs: list[Run], *, in_range: bool) -> tuple[Tensor, Tensor]:
        """See `linear.Layers`."""
        return self._through(x, self._layers, runs, self._heads, in_range)


def int8_layer(
    matrices: Mapping[str, Matrix], steps: Mapping[str, Tensor], norms: tuple[Norm, Norm], *, rows: int
) -> Int8Layer:
    """Both by name: "query_key_value", "attended", "up", "down". `steps` of shape (in): by how much a channel's input
    differs from one integer to the next; of "down" the same for all but the few that stay bf16, which have 0. `rows`:
    of the inputs that it shall be quick for."""
    few = (steps["down"] == 0).nonzero()[:, 0]
    step = float(steps["down"].max())
    (up, up_bias), (down, down_bias) = matrices["up"], matrices["down"]
    few_up = Linear.of((up[few], up_bias[few]), torch.bfloat16, rows=rows)
    few_down = Linear.of((down[:, few], torch.zeros_like(down_bias)), torch.bfloat16, rows=rows)
    others = (down * (steps["down"] > 0)).float()
    one = torch.ones(1)
    with warnings.catch_warnings(action="ignore"):
        _bytes(one, one, torch.empty(1))  # which says once in a process that a later torch will not have it
    return Int8Layer(
        query_key_value=_int8(matrices["query_key_value"], steps["query_key_value"], rows=rows),
        attended=_int8(matrices["attended"], steps["attended"], rows=rows),
        attended_norm=norms[0],
        up=_int8(matrices["up"], steps["up"], rows=rows),
        step=step,
        zero=round(GELU_LEAST / step),
        few_up=(few_up.weight, few_up.bias),
        few_down=(few_down.weight, few_down.bias),
        down=_int8((others, down_bias), torch.ones(others.shape[1]), rows=rows),
        norm=norms[1],
    )


def _int8(matrix: Matrix, steps: Tensor, *, rows: int) -> Int8:
    weight, bias = matrix[0] * steps, matrix[1]
    scales = weight.abs().amax(1).clamp_min(1e-12) / LARGEST
    integers = (weight / scales[:, None]).round().to(torch.int8)
    packed = _onednn.qlinear_prepack(integers, [rows, weight.shape[1]])
    return Int8(packed, scales, torch.zeros(len(weight), dtype=torch.int32), bias.float(), 1 / steps)


def through(x: Tensor, layers: list[Int8Layer], runs: list[Run], heads: int, in_range: bool) -> tuple[Tensor, Tensor]:
    """See `linear.Layers`."""
    sums = torch.zeros([])
    scratch = torch.empty(x.shape, dtype=torch.float32)  # one for all, which stays in the processor's cache
    for layer in layers:
        context, total = attend(_bf16(x, layer.query_key_value, scratch), runs, heads, in_range)
        sums = sums + total
        x = _normed(_plus(_bytes(context, layer.attended.steps, scratch), layer.attended, x), layer.attended_norm)
        few = _few_plus(x, layer)
        x = _normed(_plus(_gelu(x, layer, scratch), layer.down, few, layer.step, layer.zero), layer.norm)
    return x, sums


@cache
def compiled() -> Through:
    try:
        with warnings.catch_warnings(action="ignore"):
            made: Through = torch.jit.script(through)
            reason = "it is switched off" if made is through else ""
    except Exception as error:  # noqa: BLE001 - whatever a later torch says: it is the same without
        made, reason = through, str(error)
    if reason:
        log(__name__).warning("layers are not compiled by TorchScript, which is slower", reason=reason)
    return made


def _bytes(x: Tensor, steps: Tensor, scratch: Tensor, zero: int = ZERO) -> Tensor:
    """The nearest integers plus `ZERO`, cut to a byte, by way of fp32 in `scratch`. They are read where they lie:
    `int_repr` would copy them, which takes longer than all that comes before."""
    scratch.copy_(x).mul_(steps)
    quantized = torch.quantize_per_tensor(scratch, 1.0, zero, torch.quint8)
    found = torch.empty([0], dtype=torch.uint8)
    found.set_(quantized, 0, quantized.size(), quantized.stride())  # type: ignore[call-overload]
    return found


def _bf16(x: Tensor, m: Int8, scratch: Tensor, zero: int = ZERO) -> Tensor:
    given = _bytes(x, m.steps, scratch)
    y: Tensor = _onednn.qlinear_pointwise(
        given, 1.0, zero, m.weight, m.scales, m.zeros, m.bias, 1.0, 0, torch.bfloat16, "none", [], "none"
    )
    return y


def _gelu(x: Tensor, layer: Int8Layer, scratch: Tensor, zero: int = ZERO) -> Tensor:
    """In bytes, of what comes out of the wide matrix."""
    m = layer.up
    y: Tensor = _onednn.qlinear_pointwise(
        _bytes(x, m.steps, scratch), 1.0, zero, m.weight, m.scales, m.zeros, m.bias,
        layer.step, layer.zero, torch.uint8, "gelu", [], "none",
    )  # fmt: skip
    return y


def _plus(x: Tensor, m: Int8, residual: Tensor, step: float = 1.0, zero: int = ZERO) -> Tensor:
    y: Tensor = _onednn.qlinear_pointwise(
        x, step, zero, m.weight, m.scales, m.zeros, residual, m.bias,
        1.0, 0, torch.bfloat16, 1.0, 0, "add", 1.0, "none", [], "none",
    )  # fmt: skip
    return y


def _few_plus(x: Tensor, layer: Int8Layer) -> Tensor:
    hidden = _mkldnn._linear_pointwise(x, layer.few_up[0], layer.few_up[1], "gelu", [], "none")
    y: Tensor = _mkldnn._linear_pointwise(hidden, x, layer.few_down[0], layer.few_down[1], "add")
    return y


def _normed(x: Tensor, norm: Norm) -> Tensor:
    return torch.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.epsilon)


def are_available() -> bool:
    if not hasattr(_onednn, "qlinear_prepack"):
        return False
    return "binary" in _onednn.qlinear_pointwise.overloads() if hasattr(_onednn, "qlinear_pointwise") else False
