"""Counting as an embedder counts: a tokenizer gives the offsets of a text's tokens."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

Tokenizer: TypeAlias = Callable[[str], Sequence[tuple[int, int]]]

_UNSPACED = (
    "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"  # scripts in which a character may be a token
)
_SMALL_PIECE = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]{{1,4}}|[^\w\s]")


def estimate_tokens(text: str) -> Sequence[tuple[int, int]]:
    """For an embedder whose tokenizer is not known: pieces of at most four letters."""
    return [match.span() for match in _SMALL_PIECE.finditer(text)]


def load_tokenizer(path: Path | None) -> Tokenizer:
    """From a `tokenizer.json`, without special tokens; None gives the estimate."""
    if path is None:
        return estimate_tokens
    from tokenizers import Tokenizer as HuggingFaceTokenizer  # a parser's child loads it, nobody else needs it

    tokenizer = HuggingFaceTokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def offsets(text: str) -> Sequence[tuple[int, int]]:
        found: Sequence[tuple[int, int]] = tokenizer.encode(text, add_special_tokens=False).offsets
        return found

    return offsets
