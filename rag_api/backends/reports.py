"""Reports of evaluations, a folder each: its figures in one file, and in two others what also shows texts.

A name begins with the moment, so that names are in order of time. The last ones are kept.
"""

import re
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import orjson

Whole: TypeAlias = Literal["report.json", "report.html"]
WHOLE: tuple[Whole, ...] = ("report.json", "report.html")
FIGURES = "figures.json"
KEPT = 100
_NAME = re.compile(r"eval_\d{8}T\d{12}")


class ReportFiles:
    def __init__(self, folder: Path, *, kept: int = KEPT) -> None:
        self._folder = folder
        self._kept = kept

    def keep(self, figures: Mapping[str, Any], whole: Mapping[Whole, str]) -> str:
        """The new report's name. It is there as a whole or not at all; those beyond `kept` go, the oldest first."""
        name = f"eval_{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
        partial = self._folder / f"{name}.partial"
        partial.mkdir(parents=True, mode=0o700)
        for file, text in whole.items():
            (partial / file).write_text(text, "utf-8")
        (partial / FIGURES).write_bytes(orjson.dumps(figures))
        partial.rename(self._folder / name)
        for old in self.names()[self._kept :]:
            shutil.rmtree(self._folder / old, ignore_errors=True)
        return name

    def names(self) -> list[str]:
        """The newest first."""
        if not self._folder.is_dir():
            return []
        return sorted((path.name for path in self._folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)

    def figures(self, name: str) -> dict[str, Any] | None:
        """None for a report that is not there."""
        if not _NAME.fullmatch(name):
            return None
        try:
            found: dict[str, Any] = orjson.loads((self._folder / name / FIGURES).read_bytes())
        except FileNotFoundError:
            return None
        return found

    def whole(self, name: str, file: Whole) -> Path | None:
        """None once its texts are forgotten."""
        path = self._folder / name / file
        return path if path.is_file() else None

    def forget_texts(self, names: list[str] | None = None) -> None:
        """Of all reports unless some are named. Their figures stay."""
        for name in self.names() if names is None else names:
            for file in WHOLE:
                (self._folder / name / file).unlink(missing_ok=True)
