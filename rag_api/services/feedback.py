"""What people think of answers, kept with what was answered and from what, and given back as questions to evaluate."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import orjson

from rag_api.core.events import Answer
from rag_api.db import conversations
from rag_api.db.conversations import FeedbackRow
from rag_api.db.database import Database
from rag_api.db.rows import Page
from rag_api.errors import InvalidRequest
from rag_api.services.runs import Runs

ROWS_AT_ONCE = 100


class Feedback:
    def __init__(self, store: Database, runs: Runs) -> None:
        self._store = store
        self._runs = runs

    async def rate(self, answer_id: str, rating: int, comment: str) -> FeedbackRow:
        """The last rating counts. Raises what `Runs.get` raises, and InvalidRequest for an answer that still runs."""
        run = await self._runs.get(answer_id)
        if not run.is_over:
            raise InvalidRequest(f"answer {answer_id!r} is still being given; rate it when it is over")
        return await self._store.change(conversations.rate, answer_id, rating, comment, _kept(run.answer()))

    async def page(self, *, rating: int | None, limit: int, cursor: str | None) -> Page[FeedbackRow]:
        return await self._store.ask(conversations.ratings, rating=rating, limit=limit, cursor=cursor)

    async def questions(self, *, rating: int | None) -> AsyncGenerator[bytes, None]:
        """One line of JSON for each rated answer, as `rag eval` reads them.

        What a good answer cites is what is expected; of a bad one only the question is known.
        """
        cursor: str | None = None
        while True:
            page = await self.page(rating=rating, limit=ROWS_AT_ONCE, cursor=cursor)
            for row in page.items:
                yield orjson.dumps(_question(row)) + b"\n"
            cursor = page.next_cursor
            if cursor is None:
                return


def _question(row: FeedbackRow) -> Mapping[str, Any]:
    answer = row.answer
    asked = {"question": answer["question"], "collection": answer["collection"], "rating": row.rating}
    noted = {"comment": row.comment} if row.comment else {}
    if row.rating < 0:
        return asked | noted
    if answer["outcome"] == "no_answer":
        return asked | noted | {"answerable": False}
    good = [citation for citation in answer["citations"] if citation["verdict"] == "supported"]
    cited = {citation["document_id"] for citation in good}
    sources = {p["source"] for p in answer["passages"] if p["document_id"] in cited}
    phrases = [citation["quote"] for citation in good[:1]]
    return asked | noted | {"answerable": True, "sources": sorted(sources), "phrases": phrases}


def _kept(answer: Answer) -> Mapping[str, Any]:
    return {
        "question": answer.question,
        "collection": answer.collection,
        "model": answer.model,
        "outcome": answer.outcome,
        "text": answer.text,
        "grounding": answer.grounding,
        "passages": [
            {
                "n": passage.n,
                "document_id": passage.chunk.document_id,
                "source": passage.chunk.source,
                "title": passage.chunk.title,
                "start": passage.chunk.start,
                "end": passage.chunk.end,
                "text": passage.chunk.text,
            }
            for passage in answer.passages
        ],
        "citations": [
            {name: getattr(citation, name) for name in ("n", "document_id", "quote", "verdict", "score")}
            for citation in answer.citations
        ],
    }
