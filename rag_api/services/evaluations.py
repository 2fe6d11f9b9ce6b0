"""Reports of `rag eval` as they were kept: figures for good, texts for as long as their documents are there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from rag_api.db import documents
from rag_api.db.database import Database
from rag_api.db.rows import Page
from rag_api.errors import ContentGone, EvaluationNotFound, InvalidCursor

Whole: TypeAlias = Literal["report.json", "report.html"]


class Reports(Protocol):
    """All by the names of the reports, of which the newest comes first."""

    def names(self) -> list[str]: ...

    def figures(self, name: str) -> dict[str, Any] | None: ...

    def whole(self, name: str, file: Whole) -> Path | None: ...

    def forget_texts(self, names: list[str] | None = None) -> None: ...


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`is_whole`: what shows texts has not been removed."""

    evaluation_id: str
    is_whole: bool
    figures: Mapping[str, Any]


class Evaluations:
    def __init__(self, db: Database, reports: Reports) -> None:
        self._db = db
        self._reports = reports

    async def page(self, *, limit: int, cursor: str | None) -> Page[Evaluation]:
        """The newest first; the cursor is the last one's id."""
        return await asyncio.to_thread(self._page, limit, cursor)

    async def whole(self, evaluation_id: str, file: Whole) -> Path:
        """A report with its texts. Raises EvaluationNotFound, and ContentGone once a document of it is deleted."""
        found = await asyncio.to_thread(self._reports.figures, evaluation_id)
        if found is None:
            raise EvaluationNotFound(evaluation_id)
        shown = found["documents"]
        async with self._db.read() as db:
            is_stale = len(await documents.alive(db, shown)) < len(shown)
        if is_stale:
            await asyncio.to_thread(self._reports.forget_texts, [evaluation_id])
        path = None if is_stale else await asyncio.to_thread(self._reports.whole, evaluation_id, file)
        if path is None:
            raise ContentGone(
                f"the report {evaluation_id!r} showed texts of documents that have been deleted since; its figures are "
                "in the list of evaluations, and rag eval makes a new one"
            )
        return path

    def _page(self, limit: int, cursor: str | None) -> Page[Evaluation]:
        names = self._reports.names()
        if cursor:
            if not cursor.startswith("eval_"):
                raise InvalidCursor(cursor)
            names = [name for name in names if name < cursor]
        found = [self._evaluation(name) for name in names[:limit]]
        return Page([one for one in found if one], names[limit - 1] if len(names) > limit else None)

    def _evaluation(self, name: str) -> Evaluation | None:
        """None for one that was pushed out meanwhile."""
        found = self._reports.figures(name)
        is_whole = self._reports.whole(name, "report.json") is not None
        return Evaluation(name, is_whole, found) if found else None
