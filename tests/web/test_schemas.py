"""What routes answer with, made of the catalogue's rows."""

import warnings
from dataclasses import fields

from rag_api.db.rows import JobRow
from rag_api.web.schemas import JobOut

FAILED = {"id": "job_1", "kind": "ingest", "source": "a.pdf", "state": "failed", "stage": "parse",
          "failures": [{"source": "a", "code": "broken_document", "message": "it is"}], "attempts": 3,
          "error_code": "broken_document", "error_message": "it can't be parsed",
          "created_at": "2025-03-01T09:00:00.000+00:00"}  # fmt: skip
ZERO = ("chunks_done", "chunks_total", "documents_done", "documents_total")


def test_a_failed_job_is_told_without_a_warning() -> None:
    row = JobRow(**{field.name: FAILED.get(field.name, 0 if field.name in ZERO else None) for field in fields(JobRow)})
    with warnings.catch_warnings(action="error"):
        out = JobOut.of(row)
        told = JobOut.model_validate_json(out.model_dump_json())
    assert told == out
    assert told.error
    assert (told.error.code, told.error.message) == ("broken_document", "it can't be parsed")
