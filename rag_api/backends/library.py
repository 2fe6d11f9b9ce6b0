"""A model as sentence-transformers has it, and a process that tells what it found there and ends (`reading`)."""

import json
import os
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from ingest.ports import Vectors
from rag_api.backends.apart import is_child_of
from rag_api.errors import EmbedderUnavailable
from rag_api.telemetry import log

PROBES = (
    "How many dimensions does this make?",
    "Ferries, 1921–1938: “naïve” 東京 \N{SMILING FACE WITH SMILING EYES} " + "the crossing takes an hour. " * 60,
    "",
)
UNLOADABLE = 3  # the status of a process that finds no model that can be loaded
_ABOUT, _WEIGHTS = "about.json", "weights.pt"

Dtype: TypeAlias = Literal["float32", "bfloat16"]


class Library:
    """Loads at once (seconds; blocks). Several threads may `encode`."""

    def __init__(self, folder: Path, dtype: Dtype) -> None:
        """Raises EmbedderUnavailable."""
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(1)
        try:
            self._model: Any = SentenceTransformer(
                str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)}
            ).eval()
        except Exception as error:  # it raises what each format of weights raises
            raise EmbedderUnavailable(f"the embedding model in {folder} can't be loaded: {error}") from error
        self._torch = torch
        self._tokenizing = threading.Lock()  # the tokenizer refuses a second thread while it sets its lengths
        self.prompts: dict[str, str] = {name: words or "" for name, words in (self._model.prompts or {}).items()}
        self.max_length = int(self._model.max_seq_length or 0)  # tokens, special ones among them; 0: it does not say

    def encode(self, texts: list[str]) -> Vectors:
        """Of shape (len(texts), dimension), of any norm."""
        with self._torch.inference_mode():
            with self._tokenizing:
                features = self._model.preprocess(texts)
            vectors: Vectors = self._model(features)["sentence_embedding"].float().numpy()
            return vectors

    def known(self) -> "Known | None":
        """What our own pass wants, where it knows the architecture."""
        from rag_api.backends.packing import bert_of

        bert = bert_of(list(self._model))
        backend = getattr(self._model.tokenizer, "backend_tokenizer", None)
        if bert is None or backend is None or not self.max_length:
            return None
        try:
            tokenizer = str(backend.to_str())
        except Exception as error:  # noqa: BLE001 - it raises nothing narrower, and the library serves
            log(__name__).warning("the tokenizer will not be copied", reason=str(error))
            return None
        return Known(bert, tokenizer, self.max_length, self.prompts, self.encode(list(PROBES)))


@dataclass(frozen=True, slots=True)
class Known:
    """`bert`: see `packing`. `tokenizer`: a `tokenizers.Tokenizer` as JSON. `probed`: the library's vectors of
    `PROBES`, of any norm."""

    bert: Any
    tokenizer: str
    max_length: int
    prompts: dict[str, str]
    probed: Vectors

    def write(self, folder: Path) -> None:
        import torch

        torch.save(dict(self.bert.weights), folder / _WEIGHTS)
        about = {
            "shape": asdict(self.bert.shape),
            "tokenizer": self.tokenizer,
            "max_length": self.max_length,
            "prompts": self.prompts,
            "probed": self.probed.tolist(),
        }
        (folder / _ABOUT).write_text(json.dumps(about), "utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Known | None":
        """None where our own pass knows nothing of it."""
        import torch

        from rag_api.backends.packing import Bert, Shape

        if not (folder / _ABOUT).exists():
            return None
        about = json.loads((folder / _ABOUT).read_text("utf-8"))
        return cls(
            Bert(Shape(**about["shape"]), torch.load(folder / _WEIGHTS, weights_only=True)),
            about["tokenizer"],
            about["max_length"],
            about["prompts"],
            np.array(about["probed"], dtype=np.float32),
        )


def main() -> None:
    """`python -m rag_api.backends.library FOLDER DTYPE INTO PID`: tells what is in a model's folder. It ends when the
    process that began it does, on Linux."""
    folder, dtype, into, parent = sys.argv[1:]
    if sys.platform == "linux" and not is_child_of(int(parent)):
        return
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        known = Library(Path(folder), "float32" if dtype == "float32" else "bfloat16").known()
    except EmbedderUnavailable as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(UNLOADABLE)
    if known:
        known.write(Path(into))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # to take the library down object by object takes a third as long as to load it


if __name__ == "__main__":
    main()
