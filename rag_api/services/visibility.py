"""What a principal may see. The rest is not there for it: it gets the same error as for what never was."""

from collections.abc import Awaitable, Collection, Mapping, Sequence
from functools import partial

from rag_api.core.events import Started, documents_in
from rag_api.core.principals import Principal
from rag_api.db import collections, conversations, documents, jobs
from rag_api.db.database import Database
from rag_api.db.rows import JobRow, Page, encode_cursor
from rag_api.errors import (
    AnswerNotFound,
    AnswerRedacted,
    CollectionNotFound,
    ConversationNotFound,
    DocumentNotFound,
    JobNotFound,
)
from rag_api.services.runs import Runs
from rag_api.services.sifting import sifted

INGEST = "ingest"  # the kind of jobs that are not admins' alone


class Visibility:
    def __init__(self, db: Database, answer_log: Database, runs: Runs) -> None:
        self._db = db
        self._answer_log = answer_log
        self._runs = runs

    async def admit(self, who: Principal, named: Mapping[str, str]) -> None:
        """`named`: what a request is about, by the names that paths have for it: collection, document_id, job_id,
        answer_id, conversation_id. Raises NotFound for what it may not see, and AnswerRedacted."""
        if who.role == "admin":
            return
        collection = named.get("collection")
        if collection is not None and not who.enters(collection):
            raise CollectionNotFound(collection)
        if "document_id" in named:
            hidden = await self.hidden_documents(who, [named["document_id"]])
            if hidden:
                raise DocumentNotFound(named["document_id"], collection or "")
        if "job_id" in named:
            await self._admit_to_job(who, named["job_id"])
        if "answer_id" in named:
            await self._admit_to_answer(who, named["answer_id"])
        if "conversation_id" in named:
            await self.admit_to_conversation(who, named["conversation_id"])

    async def hidden_documents(self, who: Principal, document_ids: Collection[str]) -> set[str]:
        """Those that it may not see; what is deleted is not told here."""
        if who.groups is None or not document_ids:
            return set()
        acls = await self._db.ask(documents.acls, document_ids)
        return {document_id for document_id, acl in acls.items() if not who.sees(acl)}

    async def admit_to_conversation(self, who: Principal, conversation_id: str) -> None:
        if not who.owns(await self._answer_log.ask(conversations.owner, conversation_id)):
            raise ConversationNotFound(conversation_id)

    async def jobs(self, who: Principal, *, state: str | None, limit: int, cursor: str | None) -> Page[JobRow]:
        """The newest first."""
        if who.role == "admin":
            return await self._db.ask(jobs.page, state=state, limit=limit, cursor=cursor)

        def pages(*, limit: int, cursor: str | None) -> Awaitable[Page[JobRow]]:
            return self._db.ask(jobs.page, state=state, limit=limit, cursor=cursor, kind=INGEST)

        return await sifted(pages, partial(self._seen_jobs, who), _cursor, limit=limit, cursor=cursor)

    async def _admit_to_job(self, who: Principal, job_id: str) -> None:
        row = await self._db.ask(jobs.get, job_id)
        if row is None or row.kind != INGEST or not await self._seen_jobs(who, [row]):
            raise JobNotFound(job_id)

    async def _seen_jobs(self, who: Principal, rows: Sequence[JobRow]) -> list[JobRow]:
        """A bulk load tells of documents that may be limited each by itself: it is its owner's, for who is limited."""
        names = await self._db.ask(collections.names_of, {row.collection_id for row in rows if row.collection_id})
        hidden = await self.hidden_documents(who, {row.document_id for row in rows if row.document_id})
        return [
            row
            for row in rows
            if (who.collections is None or names.get(row.collection_id or "") in who.collections)
            and (row.owner == who.id or (who.sees(row.acl) and (row.document_id is not None or who.groups is None)))
            and row.document_id not in hidden
        ]

    async def _admit_to_answer(self, who: Principal, answer_id: str) -> None:
        run = await self._runs.get(answer_id)
        owner = begun.owner if isinstance(begun := run.log[0], Started) else ""
        if not who.owns(owner) or not who.enters(run.collection):
            raise AnswerNotFound(answer_id)
        if await self.hidden_documents(who, documents_in(run.log)):
            raise AnswerRedacted


def _cursor(row: JobRow) -> str:
    return encode_cursor("jobs", row.created_at, row.id)
