"""The catalogue's tables. Times are UTC in ISO 8601; JSON columns hold what the API shows."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# once-only facts about this home, such as "the samples are queued"
facts = Table("facts", metadata, Column("name", String, primary_key=True), Column("value", String, nullable=False))

collections = Table(
    "collections",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("metadata", JSON, nullable=False),
    Column("generation_id", String, nullable=False),  # the generation that answers
    Column("previous_generation_id", String),  # the one that answered before, kept for the way back
    Column("created_at", String, nullable=False),
    Column("deleted_at", String),
    # counts the changes of what a search may find, one a transaction; and the latest that has left no row (`scopes`)
    Column("changed", Integer, nullable=False, server_default="0"),
    Column("forgotten", Integer, nullable=False, server_default="0"),
    Column("prompts", JSON(none_as_null=True)),  # templates of its own by name; NULL: none
    Index("uq_collections_name", "name", unique=True, sqlite_where=text("deleted_at IS NULL"),
          postgresql_where=text("deleted_at IS NULL")),
)  # fmt: skip

generations = Table(
    "generations",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id"), nullable=False, index=True),
    # unset until the first document or question meets the embedder
    Column("model", String),
    Column("fingerprint", String),
    Column("dimension", Integer),
    Column("splitter", String),
    # while its vector index is filled anew from the catalogue: how far that is; NULL when the index is whole
    Column("rebuilt", Integer),
    Column("to_rebuild", Integer),
    Column("created_at", String, nullable=False),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String, primary_key=True),
    Column("collection_id", ForeignKey("collections.id"), nullable=False),
    Column("source", String, nullable=False),
    Column("current", Integer),  # the pointer: the published version, or NULL
    Column("newest", Integer, nullable=False),
    Column("created_at", String, nullable=False),
    Column("updated_at", String, nullable=False),
    Column("deleted_at", String),
    Column("changed", Integer, nullable=False, server_default="0"),  # its collection's count when it last changed
    Index("uq_documents_source", "collection_id", "source", unique=True, sqlite_where=text("deleted_at IS NULL"),
          postgresql_where=text("deleted_at IS NULL")),
    Index("ix_documents_collection_id_id", "collection_id", "id"),
    Index("ix_documents_collection_id_changed", "collection_id", "changed", "id"),
)  # fmt: skip

versions = Table(
    "versions",
    metadata,
    Column("document_id", ForeignKey("documents.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("status", String, nullable=False),  # queued, ready, failed, superseded
    Column("sha256", String, nullable=False),
    Column("file", String),  # the original bytes, relative to the home's files; NULL for a line of a bulk load
    Column("bulk_job_id", String, index=True),  # the bulk load that it is a line of
    Column("bytes", BigInteger, nullable=False),
    Column("media_type", String, nullable=False),
    Column("title", String, nullable=False),
    Column("embedded_title", String, nullable=False, server_default=""),  # what goes before each chunk in the indexes
    Column("pages", Integer),
    Column("chunks", Integer, nullable=False, default=0),
    Column("metadata", JSON, nullable=False),
    Column("acl", JSON, nullable=False),
    Column("error_code", String),
    Column("error_message", Text),
    Column("created_at", String, nullable=False),
    Column("reap", Boolean, nullable=False, default=False),  # nobody may see it any more: remove what it left
    Index("ix_versions_reap", "document_id", "number", sqlite_where=text("reap"), postgresql_where=text("reap")),
)

texts = Table(
    "texts",
    metadata,
    Column("document_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    Column("sections", JSON),  # [[start, [heading, …]], …]; NULL in texts written before it was kept
    Column("pages", JSON),  # [[start, number], …]
)

# the versions whose every chunk is in all three: the catalogue, the vector index and the lexical index
indexed = Table(
    "indexed",
    metadata,
    Column("generation_id", String, primary_key=True),
    Column("document_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("chunks", Integer, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("generation_id", String, primary_key=True),
    Column("document_id", String, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("index", Integer, primary_key=True),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
    Column("section", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("text_hash", LargeBinary, nullable=False, server_default=text("''")),
    Column("vector", LargeBinary, nullable=False),  # float32, little endian
    Index("ix_chunks_text_hash", "generation_id", "text_hash"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False, server_default="ingest"),  # ingest, reindex, purge
    Column("collection_id", String),  # NULL for a purge
    Column("generation_id", String),  # what a reindex builds
    Column("document_id", String, index=True),  # NULL for a bulk load
    Column("version", Integer),
    Column("source", String, nullable=False),
    Column("title", String, nullable=False),  # as the uploader gave it, or empty
    Column("media_type", String, nullable=False),
    Column("file", String, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("acl", JSON, nullable=False),
    Column("state", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("chunks_done", Integer, nullable=False, default=0),
    Column("chunks_total", Integer, nullable=False, default=0),
    Column("documents_done", Integer, nullable=False, default=0),
    Column("documents_total", Integer, nullable=False, default=0),
    Column("failures", JSON, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("error_code", String),
    Column("error_message", Text),
    Column("cancel", Boolean, nullable=False, default=False),
    Column("worker", String),
    Column("lease_until", String),
    Column("run_after", String, nullable=False),
    Column("created_at", String, nullable=False),
    Column("started_at", String),
    Column("finished_at", String),
    Column("owner", String, nullable=False, server_default=""),  # who queued it
    Column("groups", JSON(none_as_null=True)),  # of the owner; NULL: it sees every document
    Index("ix_jobs_state", "state", "run_after"),
)

# who takes jobs; a row that is old is of a worker that is gone
workers = Table(
    "workers",
    metadata,
    Column("id", String, primary_key=True),
    Column("seen_at", String, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("prefix", String, nullable=False, index=True),
    Column("hash", String, nullable=False),
    Column("role", String, nullable=False),
    Column("collections", JSON(none_as_null=True)),  # NULL: all
    Column("groups", JSON, nullable=False),
    Column("created_at", String, nullable=False),
    Column("last_used_at", String),
    Column("expires_at", String),
    Column("revoked_at", String),
)
