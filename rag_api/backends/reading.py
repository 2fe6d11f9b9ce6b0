"""What our own forward pass wants of a model: of the default one it is `shipped`; another process reads it of others.

That one has sentence-transformers, and ends: the library and what it brings take 0.2 GB, which whoever serves by our
own forward pass need not keep.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from rag_api.backends.library import UNLOADABLE, Dtype, Known
from rag_api.backends.shipped import read_shipped
from rag_api.telemetry import log

READ_S = 300.0  # at most: seconds as a rule
LAYOUT = "1"  # of what is kept
LIBRARIES = ("torch", "transformers", "sentence-transformers", "tokenizers")
SMALL_BYTES = 4 * 1024**2  # larger files, of weights, are known by when they were written
UNREAD_S = 90 * 86_400.0  # what nobody has read for so long goes when another model comes
_PARTIAL = "rag-model-"
_SAID = "said.txt"


class Reading:
    """Of a model, by another process where one is needed, which begins at once. Leaving it ends that.

    `kept`: a folder where what was found is kept, so that the next time needs no other process. It is found again for
    the same files of the model and the same libraries. `shipped`: see there; a model that has it needs neither.
    """

    def __init__(self, folder: Path, dtype: Dtype, *, kept: Path | None = None, shipped: Path | None = None) -> None:
        self._folder, self._dtype, self._shipped = folder, dtype, shipped
        is_likely = not shipped and _may_be_known(folder)  # so that no other model is loaded twice for nothing
        self._kept = kept / _key(folder, dtype) if kept and is_likely else None
        self._into: TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        if is_likely and not (self._kept and self._kept.exists()):
            self._begin()

    def _begin(self) -> None:
        self._into = _temporary(self._kept.parent if self._kept else None)
        arguments = [str(self._folder), self._dtype, self._into.name, str(os.getpid())]
        command = [sys.executable, "-m", "rag_api.garbage", Known.__module__, *arguments]
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

    def forget(self) -> None:
        """What is kept is of no use."""
        if self._kept:
            shutil.rmtree(self._kept, ignore_errors=True)

    def known(self) -> Known | None:
        """Blocks until it is read. None also where that failed, which the log says: the library is then to tell why."""
        if self._shipped and (known := _tried(partial(read_shipped, self._shipped, self._folder, self._dtype))):
            return known
        if self._process is None and self._kept:
            if known := _read(self._kept):
                with contextlib.suppress(OSError):
                    os.utime(self._kept)
                return known
            self.forget()
            self._begin()
        while self._process and self._into:
            into = Path(self._into.name)
            if self._ended_well(into):
                known = _read(into)
                if known and self._kept:
                    with contextlib.suppress(OSError):  # somebody else was quicker
                        into.rename(self._kept)
                return known
            if self._kept is None:
                break
            self._kept = None  # its disk may be full
            self._into.cleanup()
            self._begin()
        return None

    def _ended_well(self, into: Path) -> bool:
        assert self._process
        try:
            status = self._process.wait(READ_S)
        except subprocess.TimeoutExpired:
            _warn(f"it took longer than {READ_S:.0f} s")
            self._kept = None  # nor would it be quicker elsewhere
            return False
        if status:
            _warn(f"status {status}: {_last_line(into / _SAID)}")
        if status == UNLOADABLE:
            self._kept = None  # there is nothing to write
        return status == 0


def _read(folder: Path) -> Known | None:
    return _tried(partial(Known.read, folder))


def _tried(read: Callable[[], Known | None]) -> Known | None:
    try:
        return read()
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
            _tidy(beside)
        return TemporaryDirectory(prefix=_PARTIAL, dir=beside, ignore_cleanup_errors=True)
    except OSError:
        return TemporaryDirectory(prefix=_PARTIAL, ignore_cleanup_errors=True)


def _tidy(kept: Path) -> None:
    """Of what nobody has read for long, and of readings that were killed."""
    for folder in kept.iterdir():
        age_s = time.time() - folder.stat().st_mtime
        if age_s > (2 * READ_S if folder.name.startswith(_PARTIAL) else UNREAD_S):
            shutil.rmtree(folder, ignore_errors=True)


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
    """Whether it looks like one."""
    try:
        first = json.loads((folder / "modules.json").read_text("utf-8"))[0]
        config = json.loads((folder / first["path"] / "config.json").read_text("utf-8"))
        return bool(config["model_type"] == "bert")
    except (OSError, ValueError, LookupError, TypeError):
        return False
