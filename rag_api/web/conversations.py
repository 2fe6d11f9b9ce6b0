from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, Field

from rag_api.db.conversations import ConversationRow, FeedbackRow
from rag_api.web.deps import ADMIN, READER, Cursor, Limit, Reader, Wired
from rag_api.web.schemas import In, PageOut, answer_out

router = APIRouter(prefix="/conversations", tags=["conversations"], dependencies=[Depends(READER)])
feedback = APIRouter(tags=["feedback"])
Rating = Literal[1, -1]
RatingQuery = Annotated[Rating | None, BeforeValidator(lambda raw: {"1": 1, "-1": -1}.get(raw, raw)), Query()]


class ConversationIn(In):
    title: str = Field("", max_length=500, examples=["Opening hours"])


class ConversationOut(BaseModel):
    conversation_id: str
    title: str
    created_at: str
    updated_at: str = Field(description="when it was last spoken in")

    @classmethod
    def of(cls, row: ConversationRow) -> "ConversationOut":
        return cls(conversation_id=row.id, title=row.title, created_at=row.created_at, updated_at=row.updated_at)


class FeedbackIn(In):
    rating: Rating = Field(description="1: good, -1: bad")
    comment: str = Field("", max_length=10_000)


class FeedbackOut(BaseModel):
    answer_id: str
    rating: int
    comment: str
    created_at: str
    answer: dict[str, Any] = Field(description="question, text, passages and citations with their verdicts")

    @classmethod
    def of(cls, row: FeedbackRow) -> "FeedbackOut":
        return cls.model_validate(row, from_attributes=True)


@router.get("")
async def list_conversations(
    who: Reader, services: Wired, limit: Limit = 100, cursor: Cursor = None
) -> PageOut[ConversationOut]:
    """The one that was spoken in last comes first."""
    page = await services.conversations.page(limit=limit, cursor=cursor, who=who)
    return PageOut(items=[ConversationOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("", status_code=201)
async def create_conversation(who: Reader, services: Wired, body: ConversationIn | None = None) -> ConversationOut:
    return ConversationOut.of(await services.conversations.create(body.title if body else "", who=who))


@router.get("/{conversation_id}")
async def get_conversation(conversation_id: str, who: Reader, services: Wired) -> dict[str, Any]:
    """With its answers, those of all branches, as they were asked; `parent_id` is the one that each goes on from."""
    row, answers = await services.conversations.get(conversation_id, who=who)
    return ConversationOut.of(row).model_dump() | {"answers": [answer_out(answer) for answer in answers]}


@router.patch("/{conversation_id}")
async def rename_conversation(conversation_id: str, body: ConversationIn, services: Wired) -> ConversationOut:
    return ConversationOut.of(await services.conversations.rename(conversation_id, body.title))


@router.delete("/{conversation_id}")
async def delete_conversation(conversation_id: str, services: Wired) -> dict[str, Any]:
    """With everything that was said in it."""
    await services.conversations.delete(conversation_id)
    return {"conversation_id": conversation_id}


@feedback.post("/answers/{answer_id}/feedback", dependencies=[Depends(READER)])
async def rate_answer(answer_id: str, body: FeedbackIn, services: Wired) -> dict[str, Any]:
    """The last rating of an answer counts."""
    row = await services.feedback.rate(answer_id, body.rating, body.comment)
    return {"answer_id": row.answer_id, "rating": row.rating, "comment": row.comment}


@feedback.get("/feedback", dependencies=[Depends(ADMIN)])
async def list_feedback(
    services: Wired,
    rating: RatingQuery = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> PageOut[FeedbackOut]:
    """The last one first."""
    page = await services.feedback.page(rating=rating, limit=limit, cursor=cursor)
    return PageOut(items=[FeedbackOut.of(row) for row in page.items], next_cursor=page.next_cursor)


@feedback.get("/feedback/questions", response_class=StreamingResponse, dependencies=[Depends(ADMIN)])
async def export_feedback(services: Wired, rating: RatingQuery = 1) -> StreamingResponse:
    """Rated questions as JSON lines, for `rag eval`; by default those whose answers were good."""
    return StreamingResponse(services.feedback.questions(rating=rating), media_type="application/x-ndjson")
