"""From a SentenceTransformer's modules to our own forward pass (`forward`), where it knows the architecture."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch

from rag_api.backends.forward import BIN, Layer, Norm, PackedBert
from rag_api.backends.linear import (
    FeedForward,
    Int8FeedForward,
    Int8Linear,
    Linear,
    Matrix,
    Tensor,
    are_available,
)

Weights: TypeAlias = dict[str, Tensor]


def pack(modules: Sequence[Any], dtype: torch.dtype, steps: Mapping[str, Tensor] | None = None) -> PackedBert | None:
    """The forward pass of a SentenceTransformer's modules, or None where they are not a BERT, pooled and no more.

    `steps`: of the matrices' inputs, by the names of `matrices`, where these shall be int8; else they are of `dtype`.
    """
    names = [type(module).__name__ for module in modules]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None
    bert, pooling = modules[0].auto_model, modules[1].pooling_mode
    if (
        type(bert).__name__ != "BertModel"
        or pooling not in ("mean", "cls")
        or not are_available(int8=steps is not None)
    ):
        return None
    config = bert.config
    absolute = getattr(config, "position_embedding_type", "absolute") == "absolute"
    if config.hidden_act != "gelu" or not absolute or config.is_decoder:
        return None
    weights = _weights(bert)
    types = weights["embeddings.token_type_embeddings.weight"]
    return PackedBert(
        words=(weights["embeddings.word_embeddings.weight"] + types[0]).to(dtype),
        positions=weights["embeddings.position_embeddings.weight"].to(dtype),
        norm=_norm(weights, "embeddings.LayerNorm", config, dtype),
        layers=[_layer(weights, i, config, dtype, steps) for i in range(config.num_hidden_layers)],
        heads=config.num_attention_heads,
        pooling=pooling,
    )


def matrices(modules: Sequence[Any]) -> dict[str, Matrix]:
    """Weights and biases, in fp32: "0.query_key_value", "0.attended", "0.up", "0.down", "1.query_key_value"…"""
    bert = modules[0].auto_model
    weights = _weights(bert)
    return {
        f"{i}.{name}": matrix
        for i in range(bert.config.num_hidden_layers)
        for name, matrix in _of_layer(weights, i, bert.config).items()
    }


def _weights(bert: Any) -> Weights:
    return {name: weight.float() for name, weight in bert.state_dict().items()}


def _layer(weights: Weights, i: int, config: Any, dtype: torch.dtype, steps: Mapping[str, Tensor] | None) -> Layer:
    at = f"encoder.layer.{i}."
    own = _of_layer(weights, i, config)
    norms = {
        "attended_norm": _norm(weights, f"{at}attention.output.LayerNorm", config, dtype),
        "norm": _norm(weights, f"{at}output.LayerNorm", config, dtype),
    }
    if steps is None:
        linear = {name: Linear.of(matrix, dtype, rows=BIN) for name, matrix in own.items()}
        feed_forward = FeedForward(linear["up"], linear["down"])
        return Layer(linear["query_key_value"], linear["attended"], feed_forward=feed_forward, **norms)
    its = {name: steps[f"{i}.{name}"] for name in own}
    return Layer(
        Int8Linear.of(own["query_key_value"], its["query_key_value"], rows=BIN),
        Int8Linear.of(own["attended"], its["attended"], rows=BIN),
        feed_forward=Int8FeedForward.of(own["up"], own["down"], its["up"], its["down"], rows=BIN),
        **norms,
    )


def _of_layer(weights: Weights, i: int, config: Any) -> dict[str, Matrix]:
    """A layer's matrices. What scores are divided by is in the query's part of the first."""
    at = f"encoder.layer.{i}"
    parts = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
    scales = ((config.hidden_size // config.num_attention_heads) ** -0.5, 1.0, 1.0)
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


def _norm(weights: Weights, name: str, config: Any, dtype: torch.dtype) -> Norm:
    return Norm(weights[f"{name}.weight"].to(dtype), weights[f"{name}.bias"].to(dtype), config.layer_norm_eps)
