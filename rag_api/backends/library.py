"""A model as sentence-transformers has it: in this process, or read in one that ends when it has told what it found.

The library and what it brings take 0.2 GB, which whoever serves by our own forward pass need not keep.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

import numpy as np

from ingest.ports import Vectors
from rag_api.errors import EmbedderUnavailable
from rag_api.telemetry import log

PROBES = (
    "How many dimensions does this make?",
    "Ferries, 1921–1938: “naïve” 東京 \N{SMILING FACE WITH SMILING EYES} " + "the crossing takes an hour. " * 60,
    "",
)
READ_S = 300.0  # at most: seconds as a rule
LAYOUT = "1"  # of what is kept
LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers")
SMALL_BYTES = 4 * 1024**2  # larger files, of weights, are known by when they were written
_ABOUT, _WEIGHTS, _SAID = "about.json", "weights.pt", "said.txt"

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


class Reading:
    """Of a model, by another process, which begins at once. Leaving it ends that.

    `kept`: a folder where what was found is kept, so that the next time needs no other process. It is found again for
    the same files of the model and the same libraries.
    """

    def __init__(self, folder: Path, dtype: Dtype, *, kept: Path | None = None) -> None:
        self._folder, self._dtype = folder, dtype
        self._kept = kept / _key(folder, dtype) if kept and _may_be_known(folder) else None
        self._into: TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        if _may_be_known(folder) and not (self._kept and self._kept.exists()):
            self._begin()

    def _begin(self) -> None:
        self._into = _temporary(self._kept.parent if self._kept else None)
        command = [sys.executable, "-m", "rag_api.garbage", __name__, str(self._folder), self._dtype, self._into.name]
        with (Path(self._into.name) / _SAID).open("wb") as said:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._into:
            self._into.cleanup()

    def known(self) -> Known | None:
        """Blocks until it is read. None also where that failed, which the log says: the library is then to tell why."""
        if self._process is None and self._kept:
            if known := _read(self._kept):
                return known
            shutil.rmtree(self._kept, ignore_errors=True)
            self._begin()
        if self._process is None or self._into is None:
            return None
        into = Path(self._into.name)
        try:
            if status := self._process.wait(READ_S):
                _warn(f"status {status}: {_last_line(into / _SAID)}")
                return None
        except subprocess.TimeoutExpired:
            _warn(f"it took longer than {READ_S:.0f} s")
            return None
        known = _read(into)
        if known and self._kept:
            with contextlib.suppress(OSError):  # somebody else was quicker
                into.rename(self._kept)
        return known


def _read(folder: Path) -> Known | None:
    try:
        return Known.read(folder)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the files: it can be read anew
        _warn(str(error))
        return None


def _warn(reason: str) -> None:
    log(__name__).warning("what another process is to tell of the model can't be had", reason=reason)


def _temporary(beside: Path | None) -> "TemporaryDirectory[str]":
    """`beside`, so that it can be renamed; or where there is room and leave to write."""
    try:
        if beside:
            beside.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix="rag-model-", dir=beside, ignore_cleanup_errors=True)
    except OSError:
        return TemporaryDirectory(prefix="rag-model-", ignore_cleanup_errors=True)


def _key(folder: Path, dtype: Dtype) -> str:
    """Of all that what is found depends on."""
    parts = [LAYOUT, dtype, *(f"{name} {version(name)}" for name in LIBRARIES)]
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        known_by = file.stat().st_mtime_ns if file.stat().st_size > SMALL_BYTES else file.read_bytes()
        parts.append(f"{file.relative_to(folder)} {file.stat().st_size} {known_by!r}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _last_line(file: Path) -> str:
    return file.read_text("utf-8", "replace").strip().rpartition("\n")[2]


def _may_be_known(folder: Path) -> bool:
    """Whether it looks like one, so that no model is loaded twice for nothing."""
    try:
        first = json.loads((folder / "modules.json").read_text("utf-8"))[0]
        config = json.loads((folder / first["path"] / "config.json").read_text("utf-8"))
        return bool(config["model_type"] == "bert")
    except (OSError, ValueError, LookupError, TypeError):
        return False


def main() -> None:
    """`python -m rag_api.backends.library FOLDER DTYPE INTO`: tells what is in a model's folder."""
    folder, dtype, into = sys.argv[1:]
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    known = Library(Path(folder), "float32" if dtype == "float32" else "bfloat16").known()
    if known:
        known.write(Path(into))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # to take the library down object by object takes a third as long as to load it


if __name__ == "__main__":
    main()
