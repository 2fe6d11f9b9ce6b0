"""What MCP's tools take and give. The descriptions are read by language models, which call them."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from rag_api.core.events import Answer, Citation
from rag_api.core.hits import Hit, Passage
from rag_api.services.library import DEFAULT_COLLECTION
from rag_api.web.document_schemas import DocumentOut
from rag_api.web.schemas import In, Question

MOST_CHARS = 200_000

Collection = Annotated[str, Field(description="the collection's name")]
Filter = Annotated[
    dict[str, Any],
    Field(
        description="conditions on metadata, document_id, source, title, media_type, created_at, such as "
        '{"year": {"$gte": 2024}}; also $in $nin $ne $gt $lt $lte $and $or; {} for none'
    ),
]


def uri_of(collection: str, document_id: str) -> str:
    return f"rag://{quote(collection, safe='')}/{quote(document_id, safe='')}"


class SearchArgs(In):
    query: Question = Field(description="what to look for: a question or a few words")
    collection: Collection = DEFAULT_COLLECTION
    top_k: int = Field(10, ge=1, le=100, description="how many hits at most")
    filter: Filter = Field(default_factory=dict)
    mode: Literal["hybrid", "dense", "lexical"] = "hybrid"


class AskArgs(In):
    question: Question
    collection: Collection = DEFAULT_COLLECTION
    top_k: int | None = Field(None, ge=1, le=100, description="how many passages to answer from")
    filter: Filter = Field(default_factory=dict)
    instructions: str | None = Field(None, max_length=20_000, description="how to answer, such as the language or form")


class ListDocumentsArgs(In):
    collection: Collection = DEFAULT_COLLECTION
    status: Literal["queued", "ready", "failed"] | None = None
    limit: int = Field(50, ge=1, le=1_000, description="how many at most")
    cursor: str | None = Field(None, description="next_cursor of the page before")


class GetDocumentArgs(In):
    document_id: str = Field(
        min_length=1, max_length=200, description="as a hit, a citation or list_documents names it"
    )
    collection: Collection = DEFAULT_COLLECTION
    start: int = Field(0, ge=0, le=2**31 - 1, description="the first character of the text")
    length: int = Field(20_000, ge=1, le=MOST_CHARS, description="how many characters of it at most")


class FoundOut(BaseModel):
    """Where something stands: characters start to end of the document's text."""

    uri: str
    document_id: str
    title: str
    source: str
    page: int | None
    section: str
    start: int
    end: int


class HitOut(FoundOut):
    rank: int
    score: float
    text: str
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, collection: str, hit: Hit) -> "HitOut":
        chunk = hit.chunk
        return cls(
            uri=uri_of(collection, chunk.document_id),
            document_id=chunk.document_id,
            title=chunk.title,
            source=chunk.source,
            page=chunk.page,
            section=chunk.section,
            start=chunk.start,
            end=chunk.end,
            rank=hit.rank,
            score=hit.score,
            text=chunk.text,
            metadata=chunk.metadata,
        )


class HitsOut(BaseModel):
    hits: list[HitOut]
    degraded: list[str] = Field(description="indexes that could not be asked")


class CitationOut(FoundOut):
    n: int = Field(description="its number in the text, as [n]")
    quote: str
    verdict: str = Field(description="whether the quote bears the sentence: supported, partial or unsupported")

    @classmethod
    def of(cls, collection: str, citation: Citation, passage: Passage) -> "CitationOut":
        chunk = passage.chunk
        return cls(
            uri=uri_of(collection, citation.document_id),
            document_id=citation.document_id,
            title=chunk.title,
            source=chunk.source,
            page=citation.page,
            section=chunk.section,
            start=citation.start,
            end=citation.end,
            n=citation.n,
            quote=citation.quote,
            verdict=citation.verdict,
        )


class AskOut(BaseModel):
    answer_id: str
    outcome: str | None = Field(description="answered, no_answer (the documents do not say it) or cancelled")
    text: str
    model: str
    citations: list[CitationOut]

    @classmethod
    def of(cls, answer: Answer) -> "AskOut":
        passages = {passage.n: passage for passage in answer.passages}
        return cls(
            answer_id=answer.answer_id,
            outcome=answer.outcome,
            text=answer.text,
            model=answer.model,
            citations=[CitationOut.of(answer.collection, cited, passages[cited.n]) for cited in answer.citations],
        )


class ListedOut(DocumentOut):
    uri: str


class DocumentsOut(BaseModel):
    documents: list[ListedOut]
    next_cursor: str | None


class DocumentTextOut(BaseModel):
    document: ListedOut
    start: int
    end: int
    length: int = Field(description="characters that the whole text has")
    text: str
