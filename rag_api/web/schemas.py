"""Bodies, in and out. Their names are the contract."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ingest.documents import json_problem
from rag_api.core.events import Answer, Citation
from rag_api.core.explaining import Explanation
from rag_api.core.hits import Hit, Passage, Scores
from rag_api.db.rows import CollectionRow, JobRow, error_of
from rag_api.services.gatekeeper import GateMode, GateState

T = TypeVar("T")
NAME_PATTERN = "^[a-z0-9][a-z0-9_-]{0,62}$"
Question = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Templates = dict[str, Annotated[str, StringConstraints(max_length=20_000)]]
OWN_PROMPTS = "templates to use instead of those of the service, by name; null or {}: none"


class In(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, raw: Any) -> Any:
        if problem := json_problem(raw):
            raise ValueError(problem)
        return raw


class PageOut(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None


class CollectionIn(In):
    name: Annotated[str, StringConstraints(pattern=NAME_PATTERN)] = Field(examples=["handbook"])
    description: str = ""
    metadata: dict[str, Any] = {}
    embedder: str | None = Field(None, min_length=1, max_length=500, description="a model; unset: that of the settings")
    prompts: Templates | None = Field(None, description=OWN_PROMPTS)


class CollectionPatch(In):
    description: str | None = None
    metadata: dict[str, Any] | None = None
    answer_threshold: float | None = Field(
        None, ge=0, le=1, description="the gate's score below which answers are refused; null: that of the settings"
    )
    prompts: Templates | None = Field(None, description=OWN_PROMPTS)


class CollectionOut(BaseModel):
    name: str
    description: str
    metadata: Mapping[str, Any]
    embedder: str | None = Field(description="the model of the index in use; null until a document or default meets it")
    created_at: str
    prompts: Mapping[str, str] = Field(description="templates of its own, by name")

    @classmethod
    def of(cls, row: CollectionRow) -> "CollectionOut":
        return cls(
            name=row.name,
            description=row.description,
            metadata=row.metadata,
            embedder=row.embedder,
            created_at=row.created_at,
            prompts=row.prompts or {},
        )


class GateOut(BaseModel):
    mode: Literal["auto", "strict", "off"]
    threshold: float
    is_own: bool = Field(description="whether the threshold is the collection's own")
    unrelated: float | None = Field(None, description="cosine that unrelated questions reach; null before a question")
    chunks: int | None = Field(None, description="how many there were when that was measured")
    measured_at: str | None = None
    separation: float | None = Field(None, description="how far its sentences stand out; null: default model")
    drawn: int | None = Field(None, description="of how many sentences that is the median")
    is_trusted: bool | None = Field(None, description="false: too few stand out, and next to nothing is refused")

    @classmethod
    def of(cls, mode: GateMode, state: GateState) -> "GateOut":
        seen = asdict(state.measured) if state.measured else {}
        return cls.model_validate(seen | {"mode": mode, "threshold": state.threshold, "is_own": state.is_own})


class CollectionWithGateOut(CollectionOut):
    gate: GateOut


class ErrorOut(BaseModel):
    code: str
    message: str


class ReindexIn(In):
    embedder: str | None = Field(None, min_length=1, max_length=500, description="a model; unset: that of the settings")
    back: bool = Field(False, description="return to the previous index instead")


class JobOut(BaseModel):
    job_id: str
    kind: Literal["ingest", "reindex", "purge"]
    document_id: str | None
    source: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: str
    chunks_done: int
    chunks_total: int
    documents_done: int
    documents_total: int
    failures: Sequence[Mapping[str, Any]]
    attempts: int
    error: ErrorOut | None
    created_at: str
    started_at: str | None
    finished_at: str | None

    @classmethod
    def of(cls, row: JobRow) -> "JobOut":
        names = [name for name in cls.model_fields if name not in ("job_id", "error")]
        error = error_of(row.error_code, row.error_message)
        return cls.model_validate({name: getattr(row, name) for name in names} | {"job_id": row.id, "error": error})


class SearchIn(In):
    query: Question = Field(examples=["Who approves expenses?"])
    top_k: int = Field(10, ge=1, le=100)
    filter: dict[str, Any] | None = Field(None, examples=[{"year": {"$gte": 2024}}])
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    dense_weight: float | None = Field(None, ge=0, le=1, description="of the dense score in hybrid mode")
    explain: bool = Field(False, description="also tell of every candidate, and how long each stage took")


class AskIn(In):
    question: Question = Field(examples=["Who has to approve an expense of more than £400?"])
    collection: str = "default"
    filter: dict[str, Any] | None = None
    top_k: int | None = Field(None, ge=1, le=100)
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"
    dense_weight: float | None = Field(None, ge=0, le=1, description="of the dense score in hybrid mode")
    stream: bool = True
    model: str | None = Field(None, max_length=200, description="that is to answer, of GET /models; unset: the first")
    instructions: str | None = Field(None, max_length=20_000, description="added to the system prompt")
    temperature: float | None = Field(None, ge=0, le=2)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    conversation_id: str | None = Field(None, max_length=200, description='of one that is there, or "new"')
    again: str | None = Field(None, max_length=200, description="an answer of the conversation to give anew, beside it")
    reasoning: bool = Field(False, description="also show what the language model thinks aloud, if it does")


def hit_out(hit: Hit) -> dict[str, Any]:
    chunk = hit.chunk
    return {
        "rank": hit.rank,
        "score": hit.score,
        "scores": scores_out(hit.scores),
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "version": chunk.version,
        "title": chunk.title,
        "source": chunk.source,
        "page": chunk.page,
        "section": chunk.section,
        "start": chunk.start,
        "end": chunk.end,
        "text": chunk.text,
        "metadata": chunk.metadata,
        "also": [
            {"document_id": holder.document_id, "source": holder.source, "title": holder.title} for holder in hit.also
        ],
    }


def scores_out(scores: Scores) -> dict[str, float | None]:
    return {"dense": scores.dense, "lexical": scores.lexical, "fused": scores.fused, "rerank": scores.rerank}


def explanation_out(explanation: Explanation) -> dict[str, Any]:
    candidates = [
        {
            "chunk_id": one.chunk_id,
            "scores": scores_out(one.scores),
            "ranks": {
                "dense": one.dense_rank,
                "lexical": one.lexical_rank,
                "fused": one.fused_rank,
                "rerank": one.rerank_rank,
            },
            "fate": one.fate,
        }
        for one in explanation.candidates
    ]
    return {"candidates": candidates, "timings_ms": explanation.timings_ms}


def passage_out(passage: Passage) -> dict[str, Any]:
    chunk = passage.chunk
    return {
        "n": passage.n,
        "chunk_id": chunk.chunk_id,
        "document_id": chunk.document_id,
        "version": chunk.version,
        "title": chunk.title,
        "source": chunk.source,
        "page": chunk.page,
        "section": chunk.section,
        "start": chunk.start,
        "end": chunk.end,
        "score": passage.score,
        "text": chunk.text,
    }


def citation_out(citation: Citation) -> dict[str, Any]:
    return {name: getattr(citation, name) for name in Citation.__dataclass_fields__ if name != "type"}


def answer_out(answer: Answer) -> dict[str, Any]:
    """The fold of the events, as JSON."""
    error = answer.error
    return {
        "answer_id": answer.answer_id,
        "conversation_id": answer.conversation_id,
        "parent_id": answer.parent_id,
        "question": answer.question,
        "prompts": answer.prompts,
        "collection": answer.collection,
        "model": answer.model,
        "text": answer.text,
        **({"reasoning": answer.reasoning} if answer.reasoning else {}),
        "outcome": answer.outcome,
        "finish_reason": answer.finish_reason,
        "citations": [citation_out(citation) for citation in answer.citations],
        "passages": [passage_out(passage) for passage in answer.passages],
        "usage": answer.usage,
        "timings_ms": answer.timings_ms,
        "grounding": answer.grounding,
        "gate": answer.gate,
        "cached": answer.cached,
        "error": {"code": error.code, "message": error.message} if error else None,
    }
