"""How a server is asked: what `--set` and `--against` say."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

MODES = ("hybrid", "dense", "lexical")
DEFAULT_MODE = MODES[0]
MOST_HITS = 100
_NEXT_PAIR = re.compile(r"[,;\s]+(?=[a-z_]+=)")


@dataclass(frozen=True, slots=True)
class Configuration:
    """`top_k` is of searches; `mode`, `dense_weight` and `filter` of both; `passages` and what follows of answers;
    None: the server's own."""

    collection: str = "default"
    top_k: int = 10
    mode: str = DEFAULT_MODE
    dense_weight: float | None = None
    filter: Mapping[str, Any] | None = None
    passages: int | None = None
    model: str | None = None
    instructions: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None

    def search_options(self) -> dict[str, Any]:
        given = {"top_k": self.top_k, "mode": self.mode, "dense_weight": self.dense_weight, "filter": self.filter}
        return {name: value for name, value in given.items() if value is not None}

    def answer_options(self) -> dict[str, Any]:
        names = ("dense_weight", "filter", "model", "instructions", "temperature", "max_tokens")
        mode = None if self.mode == DEFAULT_MODE else self.mode
        given = {"top_k": self.passages, "mode": mode} | {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value is not None}

    def as_json(self) -> dict[str, Any]:
        """What differs from the server's own ways, and the names that every run has."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in given.items() if value is not None}


def configured(base: Configuration, settings: Iterable[str]) -> Configuration:
    """`base` with each `name=value`, several of which may share a text. Raises ValueError."""
    changes: dict[str, Any] = {}
    for text in settings:
        for pair in _NEXT_PAIR.split(text.strip()):
            name, separator, value = pair.partition("=")
            if not separator:
                raise ValueError(f"{pair!r} is no setting; write name=value, such as mode=dense")
            if name not in _READERS:
                near = difflib.get_close_matches(name, _READERS, n=1, cutoff=0)[0]
                raise ValueError(f"there is no setting {name!r} of searches and answers; the nearest is {near!r}")
            if name in changes:
                raise ValueError(f"{name} is set twice")
            changes[name] = _READERS[name](name, value.strip())
    return replace(base, **changes)


def _integer(low: int, high: int) -> Callable[[str, str], int]:
    def read(name: str, value: str) -> int:
        if not re.fullmatch(r"\d{1,9}", value, re.ASCII) or not low <= int(value) <= high:
            raise ValueError(f"{name} must be a whole number from {low:,} to {high:,}, not {value!r}")
        return int(value)

    return read


def _number(low: float, high: float) -> Callable[[str, str], float]:
    def read(name: str, value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = float("nan")
        if not low <= found <= high:
            raise ValueError(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        return found

    return read


def _mode(name: str, value: str) -> str:
    if value not in MODES:
        raise ValueError(f"{name} must be one of {', '.join(MODES)}, not {value!r}")
    return value


def _filter(name: str, value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError as error:
        raise ValueError(f'{name} must be JSON such as {{"year": 2024}} ({error})') from error
    if not isinstance(found, dict):
        raise ValueError(f'{name} must be an object of JSON such as {{"year": 2024}}')
    return found


def _text(name: str, value: str) -> str:
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


_READERS: Mapping[str, Callable[[str, str], Any]] = {
    "collection": _text,
    "top_k": _integer(1, MOST_HITS),
    "mode": _mode,
    "dense_weight": _number(0, 1),
    "filter": _filter,
    "passages": _integer(1, MOST_HITS),
    "model": _text,
    "instructions": _text,
    "temperature": _number(0, 2),
    "max_tokens": _integer(1, 1_000_000),
}
