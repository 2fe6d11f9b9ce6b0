"""From a SentenceTransformer's modules to our own forward pass (`forward`), where it knows the architecture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from rag_api.backends import int8, linear
from rag_api.backends.attention import Tensor
from rag_api.backends.forward import BIN, PackedBert
from rag_api.backends.int8 import Int8Layer, Int8Layers, int8_layer
from rag_api.backends.linear import FeedForward, Layer, Layers, Linear, Matrix, Norm

Weights: TypeAlias = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Shape:
    """`epsilon`: of its norms."""

    layers: int
    heads: int
    epsilon: float
    pooling: str


@dataclass(frozen=True, slots=True)
class Bert:
    """`weights`: by the names that transformers gives them."""

    shape: Shape
    weights: Weights


def bert_of(modules: Sequence[Any]) -> Bert | None:
    """A SentenceTransformer's modules, where they are a BERT, pooled, and no more."""
    names = [type(module).__name__ for module in modules]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None
    bert, pooling = modules[0].auto_model, modules[1].pooling_mode
    if type(bert).__name__ != "BertModel" or pooling not in ("mean", "cls"):
        return None
    config = bert.config
    absolute = getattr(config, "position_embedding_type", "absolute") == "absolute"
    if config.hidden_act != "gelu" or not absolute or config.is_decoder:
        return None
    shape = Shape(config.num_hidden_layers, config.num_attention_heads, config.layer_norm_eps, pooling)
    return Bert(shape, bert.state_dict())


def pack(bert: Bert, dtype: torch.dtype, steps: Mapping[str, Tensor] | None = None) -> PackedBert | None:
    """Its forward pass, or None where torch lacks what that wants.

    `steps`: of the matrices' inputs, by the names of `matrices`, where these shall be int8; else they are of `dtype`.
    """
    if not linear.are_available() or (steps is not None and not int8.are_available()):
        return None
    shape, weights = bert.shape, _in_fp32(bert)
    types = weights["embeddings.token_type_embeddings.weight"]
    return PackedBert(
        words=(weights["embeddings.word_embeddings.weight"] + types[0]).to(dtype),
        positions=weights["embeddings.position_embeddings.weight"].to(dtype),
        norm=_norm(weights, "embeddings.LayerNorm", shape, dtype),
        layers=_layers(weights, shape, dtype) if steps is None else _int8_layers(weights, shape, dtype, steps),
        pooling=shape.pooling,
    )


def matrices(bert: Bert) -> dict[str, Matrix]:
    """Weights and biases, in fp32: "0.query_key_value", "0.attended", "0.up", "0.down", "1.query_key_value"…"""
    weights = _in_fp32(bert)
    return {
        f"{i}.{name}": matrix
        for i in range(bert.shape.layers)
        for name, matrix in _of_layer(weights, i, bert.shape).items()
    }


def _in_fp32(bert: Bert) -> Weights:
    return {name: weight.float() for name, weight in bert.weights.items()}


def _layers(weights: Weights, shape: Shape, dtype: torch.dtype) -> Layers:
    def layer(i: int) -> Layer:
        own = {name: Linear.of(one, dtype, rows=BIN) for name, one in _of_layer(weights, i, shape).items()}
        attended, norm = _norms(weights, i, shape, dtype)
        return Layer(own["query_key_value"], own["attended"], attended, FeedForward(own["up"], own["down"]), norm)

    return Layers([layer(i) for i in range(shape.layers)], shape.heads)


def _int8_layers(weights: Weights, shape: Shape, dtype: torch.dtype, steps: Mapping[str, Tensor]) -> Int8Layers:
    def layer(i: int) -> Int8Layer:
        own = _of_layer(weights, i, shape)
        its = {name: steps[f"{i}.{name}"] for name in own}
        return int8_layer(own, its, _norms(weights, i, shape, dtype), rows=BIN)

    return Int8Layers([layer(i) for i in range(shape.layers)], shape.heads)


def _norms(weights: Weights, i: int, shape: Shape, dtype: torch.dtype) -> tuple[Norm, Norm]:
    """After attention, and at the end."""
    at = f"encoder.layer.{i}."
    attended, last = (f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm")
    return _norm(weights, attended, shape, dtype), _norm(weights, last, shape, dtype)


def _of_layer(weights: Weights, i: int, shape: Shape) -> dict[str, Matrix]:
    """A layer's matrices. What scores are divided by is in the query's part of the first."""
    at = f"encoder.layer.{i}"
    parts = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
    width = len(weights[f"{parts[0]}.weight"])
    scales = ((width // shape.heads) ** -0.5, 1.0, 1.0)
    return {
        "query_key_value": _matrix(weights, parts, scales),
        "attended": _matrix(weights, [f"{at}.attention.output.dense"]),
        "up": _matrix(weights, [f"{at}.intermediate.dense"]),
        "down": _matrix(weights, [f"{at}.output.dense"]),
    }


def _matrix(weights: Weights, names: Sequence[str], scales: Sequence[float] = (1.0,)) -> Matrix:
    """Weight and bias of these one below the other."""
    weight, bias = (
        torch.cat([weights[f"{name}.{kind}"] * scale for name, scale in zip(names, scales, strict=True)])
        for kind in ("weight", "bias")
    )
    return weight, bias


def _norm(weights: Weights, name: str, shape: Shape, dtype: torch.dtype) -> Norm:
    return Norm(weights[f"{name}.weight"].to(dtype), weights[f"{name}.bias"].to(dtype), shape.epsilon)
