"""Embedding models for tests: smaller ones made of the default model."""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file

from rag_api.backends.sentence_transformer import find_model
from rag_api.core.defaults import DEFAULT_MODEL

LAYERS = 2


def make_smaller_model(folder: Path) -> Path:
    """The default model without its upper layers: other vectors of the same dimension, which still find things."""
    shutil.copytree(find_model(DEFAULT_MODEL), folder, ignore=shutil.ignore_patterns("*.safetensors", "*.onnx"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": LAYERS}), "utf-8")
    weights = load_file(find_model(DEFAULT_MODEL) / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not _is_upper(name)}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    return folder


def make_cross_encoder(folder: Path, *, labels: int = 1) -> Path:
    """A tiny BERT for pairs of texts, with the default model's tokenizer and weights that are always the same."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(find_model(DEFAULT_MODEL), local_files_only=True)
    torch.manual_seed(7)
    size: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    more: dict[str, Any] = {"intermediate_size": 32, "num_labels": labels, "initializer_range": 0.5}
    config = BertConfig(vocab_size=len(tokenizer), **size, **more)
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _is_upper(name: str) -> bool:
    parts = name.split(".")
    return "layer" in parts and int(parts[parts.index("layer") + 1]) >= LAYERS
