"""Bodies about documents, in and out. Their names are the contract."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, model_validator

from rag_api.db.rows import DocumentRow
from rag_api.services.uploads import UploadRow
from rag_api.web.schemas import ErrorOut, In


class DocumentIn(In):
    """A document without a file: its text, or where on the web it is."""

    text: Annotated[str, StringConstraints(min_length=1)] | None = None
    url: Annotated[str, StringConstraints(min_length=1, max_length=4_000)] | None = Field(
        None, examples=["https://example.org/handbook.html"]
    )
    title: str = ""
    source: str = ""
    metadata: dict[str, Any] = Field(default_factory=dict)
    acl: list[str] = Field(default_factory=list)

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "DocumentIn":
        if (self.text is None) == (self.url is None):
            raise ValueError("give either `text` or `url`")
        return self


class DocumentPatch(In):
    """What is given replaces what was."""

    title: Annotated[str, StringConstraints(min_length=1)] | None = None
    metadata: dict[str, Any] | None = None
    acl: list[str] | None = None


class UploadOut(BaseModel):
    document_id: str | None
    filename: str
    job_id: str | None
    status: Literal["queued", "unchanged", "rejected"]
    error: ErrorOut | None = None

    @classmethod
    def of(cls, row: UploadRow) -> "UploadOut":
        return cls.model_validate(row, from_attributes=True)


class UploadsOut(BaseModel):
    documents: list[UploadOut]


class DocumentOut(BaseModel):
    document_id: str
    source: str
    title: str
    media_type: str
    version: int
    status: str
    chunks: int
    bytes: int
    pages: int | None
    metadata: Mapping[str, Any]
    acl: Sequence[str]
    sha256: str
    created_at: str
    updated_at: str
    error: ErrorOut | None

    @classmethod
    def of(cls, row: DocumentRow) -> "DocumentOut":
        return cls.model_validate(row, from_attributes=True)


class VersionOut(BaseModel):
    version: int
    status: Literal["queued", "ready", "failed"]
    is_current: bool = Field(description="whether it is the one that is found and served")
    media_type: str
    chunks: int
    bytes: int
    sha256: str
    created_at: str
    error: ErrorOut | None


class ChunkOut(BaseModel):
    chunk_id: str
    index: int
    start: int
    end: int
    page: int | None
    section: str
    text: str


class ReceiptOut(BaseModel):
    document_id: str
    chunks: int
    vectors: int
    bytes: int
    purged: bool


class ReceiptsOut(BaseModel):
    count: int
    documents: list[ReceiptOut]
