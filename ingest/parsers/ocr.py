"""Text recognition by the `tesseract` program: pictures in, paragraphs out.

It runs with this process's cap on memory and limits of its own on time, on one thread, and dies with its parent.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ingest.documents import Block
from ingest.errors import BrokenDocument, NoTextLayer, ParserTimedOut

ADVICE = "install tesseract-ocr and set RAG_INGEST__OCR=true, or run it through text recognition (OCR) first"
PR_SET_PDEATHSIG = 1
_PAGE_S = 60
_NO_LANGUAGES = frozenset({"osd", "equ", "snum"})


@dataclass(frozen=True, slots=True)
class Tesseract:
    """`on_page` is told of each picture that is done: a scan of many pages takes long and is alive."""

    on_page: Callable[[], None] = lambda: None
    page_s: float = _PAGE_S

    def __call__(self, picture: bytes, name: str) -> list[str]:
        """Paragraphs in reading order, page after page; pages end with a form feed."""
        command = ["tesseract", "stdin", "stdout", "-l", _languages()]
        try:
            done = subprocess.run(
                command,
                input=picture,
                capture_output=True,
                timeout=self.page_s,
                env={**os.environ, "OMP_THREAD_LIMIT": "1"},
                preexec_fn=_limit,
                check=True,
            )
        except FileNotFoundError as error:
            raise NoTextLayer(f"'{name}' is a picture of text, and tesseract is missing: {ADVICE}") from error
        except subprocess.TimeoutExpired as error:
            raise ParserTimedOut(f"'{name}': recognising a page took longer than {self.page_s:.0f} s") from error
        except subprocess.CalledProcessError as error:
            reason = error.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise BrokenDocument(f"'{name}' can't be read as a picture ({reason}): save it again") from error
        self.on_page()
        return done.stdout.decode("utf-8", "replace").split("\f")


def page_blocks(text: str, page: int) -> list[Block]:
    """A paragraph for each stretch between empty lines."""
    paragraphs = (paragraph.strip() for paragraph in text.replace("\r", "").split("\n\n"))
    return [Block(paragraph, page=page) for paragraph in paragraphs if any(map(str.isalnum, paragraph))]


@lru_cache(maxsize=1)
def _languages() -> str:
    """All that are installed: who installs a language wants it read."""
    try:
        listed = subprocess.run(["tesseract", "--list-langs"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "eng"
    found = [name for name in listed.stdout.split("\n")[1:] if name and Path(name).name not in _NO_LANGUAGES]
    return "+".join(sorted(found, key=lambda name: (name != "eng", name))) or "eng"


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (2 * _PAGE_S, 2 * _PAGE_S))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
