"""The tables of the answers' log. Another layout gets other names, and begins an empty log."""

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.schema import CreateIndex, CreateTable

from rag_api.db.database import Connection

metadata = MetaData()

runs = Table(
    "answer_runs_1",
    metadata,
    Column("answer_id", String, primary_key=True),
    Column("collection", String, nullable=False),
    Column("conversation_id", String),
    Column("parent_id", String),  # the answer that this one goes on from
    Column("state", String, nullable=False),
    Column("started_at", String, nullable=False),
    Index("ix_answer_runs_1_state", "state", "started_at"),
    Index("ix_answer_runs_1_conversation", "conversation_id", "started_at"),
)
batches = Table(
    "answer_events_1",
    metadata,
    Column("answer_id", ForeignKey("answer_runs_1.answer_id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),  # of the first event in it
    Column("events", LargeBinary, nullable=False),
)
shown = Table(
    "answer_documents_1",
    metadata,
    Column("answer_id", ForeignKey("answer_runs_1.answer_id", ondelete="CASCADE"), primary_key=True),
    Column("document_id", String, primary_key=True),
    Index("ix_answer_documents_1_document", "document_id"),
)
ends = Table(  # what is counted of an answer: nothing that was said, so it outlives that
    "answer_ends_1",
    metadata,
    Column("answer_id", String, primary_key=True),
    Column("day", String, nullable=False),  # in UTC
    Column("outcome", String, nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cost", Float),
    Column("first_text_ms", Float),
    Column("total_ms", Float),
    Index("ix_answer_ends_1_day", "day"),
)
conversations = Table(
    "answer_conversations_1",
    metadata,
    Column("id", String, primary_key=True),
    Column("title", Text, nullable=False),
    Column("created_at", String, nullable=False),
    Column("updated_at", String, nullable=False),
    Index("ix_answer_conversations_1_updated", "updated_at", "id"),
)
owners = Table(  # who began a conversation; one without a row was begun when nobody had a name
    "answer_conversation_owners_1",
    metadata,
    Column("conversation_id", ForeignKey("answer_conversations_1.id", ondelete="CASCADE"), primary_key=True),
    Column("owner", String, nullable=False),
    Index("ix_answer_conversation_owners_1_owner", "owner"),
)
feedback = Table(
    "answer_feedback_1",
    metadata,
    Column("answer_id", String, primary_key=True),
    Column("rating", Integer, nullable=False),
    Column("comment", Text, nullable=False),
    Column("created_at", String, nullable=False),
    Column("answer", LargeBinary, nullable=False),  # what was rated, as it was then
    Index("ix_answer_feedback_1_created", "created_at", "answer_id"),
)


async def create(db: Connection) -> None:
    """What is not there yet."""
    for table in metadata.sorted_tables:
        await db.execute(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            await db.execute(CreateIndex(index, if_not_exists=True))
