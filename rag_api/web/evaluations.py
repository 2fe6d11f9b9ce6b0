from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from rag_api.services.evaluations import Evaluation
from rag_api.web.deps import ADMIN, Cursor, Limit, Wired
from rag_api.web.schemas import PageOut

router = APIRouter(prefix="/evaluations", tags=["evaluations"], dependencies=[Depends(ADMIN)])

# a page without scripts that is of no origin, whatever the texts in it may be
ALONE = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class FigureOut(BaseModel):
    name: str
    label: str
    unit: Literal["share", "ms"]
    value: float
    low: float = Field(description="of the 95 % interval")
    high: float
    questions: int


class DifferenceOut(BaseModel):
    name: str
    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    pairs: int = Field(description="questions that have a value on both sides")
    mark: Literal["better", "worse", "undecided"]


class FindingOut(BaseModel):
    name: str
    is_ok: bool
    said: str


class MeasuredOut(BaseModel):
    """A run with its figures."""

    name: str
    server: str
    made_at: str
    configuration: Mapping[str, Any]
    concurrency: int
    with_answers: bool
    figures: Sequence[FigureOut]
    counts: Mapping[str, Any]


class EvaluationOut(MeasuredOut):
    evaluation_id: str
    origin: str = Field(description="where the questions come from")
    seed: int
    notes: Sequence[str] = Field(description="what a reader must know before believing a figure")
    differences: Sequence[DifferenceOut]
    gate: Sequence[FindingOut]
    against: MeasuredOut | None
    is_whole: bool = Field(description="false: a document of it was deleted, and its texts with that")

    @classmethod
    def of(cls, one: Evaluation) -> "EvaluationOut":
        return cls.model_validate({**one.figures, "evaluation_id": one.evaluation_id, "is_whole": one.is_whole})


@router.get("")
async def list_evaluations(services: Wired, limit: Limit = 100, cursor: Cursor = None) -> PageOut[EvaluationOut]:
    """The figures of what `rag eval` measured, the last one first."""
    page = await services.evaluations.page(limit=limit, cursor=cursor)
    return PageOut(items=[EvaluationOut.of(one) for one in page.items], next_cursor=page.next_cursor)


@router.get("/{evaluation_id}", response_class=FileResponse)
async def get_evaluation(evaluation_id: str, services: Wired) -> FileResponse:
    """The whole report as `rag eval --json` writes it: each question with its hits, answer and times."""
    path = await services.evaluations.whole(evaluation_id, "report.json")
    return FileResponse(path, media_type="application/json", headers={"Cache-Control": "no-store"})


@router.get("/{evaluation_id}/page", response_class=FileResponse)
async def get_page(evaluation_id: str, services: Wired) -> FileResponse:
    """The same as the page that `rag eval --html` writes, which loads nothing and runs nothing."""
    path = await services.evaluations.whole(evaluation_id, "report.html")
    return FileResponse(path, media_type="text/html", headers=ALONE)
