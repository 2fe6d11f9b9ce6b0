"""From a SentenceTransformer's modules to our own forward pass (`forward`), where it knows the architecture."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch

from rag_api.backends.forward import BIN, Layer, Norm, PackedBert
from rag_api.backends.linear import Int8Linear, Linear, Tensor, are_available

Weights: TypeAlias = dict[str, Tensor]
Matrix: TypeAlias = tuple[Tensor, Tensor]  # weight and bias


def pack(modules: Sequence[Any], dtype: torch.dtype, steps: Mapping[str, Tensor] | None = None) -> PackedBert | None:
    """The forward pass of a SentenceTransformer's modules, or None where they are not a BERT, pooled and no more.

    `steps`: of the layers that shall be int8, by the names of `matrices`; the others are of `dtype`.
    """
    names = [type(module).__name__ for module in modules]
    if names not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        return None
    bert, pooling = modules[0].auto_model, modules[1].pooling_mode
    if type(bert).__name__ != "BertModel" or pooling not in ("mean", "cls") or not are_available(int8=bool(steps)):
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
        layers=[_layer(weights, i, config, dtype, steps or {}) for i in range(config.num_hidden_layers)],
        heads=config.num_attention_heads,
        pooling=pooling,
    )


def matrices(modules: Sequence[Any]) -> dict[str, Matrix]:
    """Weights and biases, in fp32, of the layers that may be int8: "0.query_key_value", "0.up", "1.query_key_value"…"""
    bert = modules[0].auto_model
    weights = _weights(bert)
    return {
        f"{i}.{name}": matrix
        for i in range(bert.config.num_hidden_layers)
        for name, matrix in _of_normalised(weights, i, bert.config).items()
    }


def _weights(bert: Any) -> Weights:
    return {name: weight.float() for name, weight in bert.state_dict().items()}


def _layer(weights: Weights, i: int, config: Any, dtype: torch.dtype, steps: Mapping[str, Tensor]) -> Layer:
    at = f"encoder.layer.{i}."

    def linear(name: str) -> Linear:
        return Linear.of(*_matrix(weights, [f"{at}{name}.dense"]), dtype, rows=BIN)

    def quicker(name: str, matrix: Matrix) -> Linear | Int8Linear:
        its_steps = steps.get(f"{i}.{name}")
        if its_steps is None:
            return Linear.of(*matrix, dtype, rows=BIN)
        return Int8Linear.of(*matrix, its_steps, rows=BIN)

    may_be_int8 = {name: quicker(name, matrix) for name, matrix in _of_normalised(weights, i, config).items()}
    return Layer(
        query_key_value=may_be_int8["query_key_value"],
        attended=linear("attention.output"),
        attended_norm=_norm(weights, f"{at}attention.output.LayerNorm", config, dtype),
        up=may_be_int8["up"],
        down=linear("output"),
        norm=_norm(weights, f"{at}output.LayerNorm", config, dtype),
    )


def _of_normalised(weights: Weights, i: int, config: Any) -> dict[str, Matrix]:
    """A layer's matrices whose input is normalised. What scores are divided by is in the query's part of the first."""
    at = f"encoder.layer.{i}"
    parts = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
    scales = ((config.hidden_size // config.num_attention_heads) ** -0.5, 1.0, 1.0)
    return {
        "query_key_value": _matrix(weights, parts, scales),
        "up": _matrix(weights, [f"{at}.intermediate.dense"]),
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
