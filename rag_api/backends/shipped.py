"""What our own forward pass wants of the default model, without sentence-transformers, which takes seconds to load.

Weights and tokenizer come from the model's own files. The rest, the library's vectors of some texts among it, is in
`shipped/`, under a hash of those files: of any other model, or of the same with another file, nothing is known.
`python -m bench.shipped` writes it.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from rag_api.backends.library import Dtype, Known

SHIPPED = Path(__file__).parent / "shipped"
_WEIGHTS, _TOKENIZER = "model.safetensors", "tokenizer.json"


def find_shipped(folder: Path, fingerprint: str) -> Path | None:
    """What is known of the model in a folder, if it is that one. `fingerprint`: of its weights."""
    if not any(SHIPPED.glob(f"{fingerprint}-*")):
        return None
    file = _file(folder, fingerprint)
    return file if file.exists() else None


def read_shipped(file: Path, folder: Path, dtype: Dtype) -> Known:
    import torch
    from safetensors.torch import load_file

    from rag_api.backends.packing import Bert, Shape

    about = json.loads(file.read_text("utf-8"))
    mapped = load_file(folder / _WEIGHTS)  # whoever reads on in what is cut off meanwhile would be killed
    weights = {name: weight.to(getattr(torch, dtype), copy=True) for name, weight in mapped.items()}
    return Known(
        Bert(Shape(**about["shape"]), weights),
        (folder / _TOKENIZER).read_text("utf-8"),
        about["max_length"],
        about["prompts"],
        np.array(about["probed"], dtype=np.float32),
    )


def ship(known: Known, folder: Path, fingerprint: str) -> Path:
    """What is known of the model in a folder, whose weights and tokenizer stay there."""
    file = _file(folder, fingerprint)
    about = {
        "shape": asdict(known.bert.shape),
        "max_length": known.max_length,
        "prompts": known.prompts,
        "probed": [[float(f"{number:.6g}") for number in vector] for vector in known.probed],
    }
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(about) + "\n", "utf-8")
    return file


def _file(folder: Path, fingerprint: str) -> Path:
    """By all that the vectors depend on."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*.json") if path.is_file()):
        digest.update(f"\n{file.relative_to(folder)} {file.stat().st_size}\n".encode() + file.read_bytes())
    return SHIPPED / f"{fingerprint}-{digest.hexdigest()[:16]}.json"
