"""What was said earlier: turns of a conversation, and how a follow-up question becomes one that stands alone."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, TypeVar

from rag_api.core.citing import without_markers
from rag_api.core.condensing import standalone
from rag_api.core.events import Answer, documents_in, fold
from rag_api.core.packing import Window, newest
from rag_api.core.ports import LanguageModel, Sampling
from rag_api.core.principals import Principal
from rag_api.core.prompts import PastTurn, Prompt, Prompts
from rag_api.db import answers, conversations
from rag_api.db.conversations import ConversationRow
from rag_api.db.database import Database
from rag_api.db.rows import Page
from rag_api.errors import AnswerNotFound, LanguageModelError
from rag_api.services.journal import Journal
from rag_api.services.runs import Runs
from rag_api.services.visibility import Visibility
from rag_api.telemetry import log

T = TypeVar("T")
TITLE_CHARS = 80
CONDENSED_CHARS = 1_000
CONDENSED_TOKENS = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which conversation a question is asked, and what was said before it, the latest last."""

    conversation_id: str | None = None
    parent_id: str | None = None
    history: tuple[PastTurn, ...] = ()


@dataclass(frozen=True, slots=True)
class ConversationOptions:
    """`condense`: by the language model where there is one (auto), by rule, or off; within `condense_s`."""

    turns: int
    condense: Literal["auto", "rule", "off"]
    condense_s: float


class Conversations:
    def __init__(
        self,
        store: Database,
        journal: Journal,
        runs: Runs,
        visibility: Visibility,
        *,
        model: LanguageModel | None,
        window: Window,
        options: ConversationOptions,
    ) -> None:
        self._store = store
        self._journal = journal
        self._runs = runs
        self._visibility = visibility
        self._model = model
        self._window = window
        self._options = options

    async def create(self, title: str = "", *, who: Principal) -> ConversationRow:
        return await self._store.change(conversations.create, title[:TITLE_CHARS], who.id)

    async def page(self, *, limit: int, cursor: str | None, who: Principal) -> Page[ConversationRow]:
        owner = None if who.role == "admin" else who.id
        return await self._store.ask(conversations.page, limit=limit, cursor=cursor, owner=owner)

    async def get(self, conversation_id: str, *, who: Principal) -> tuple[ConversationRow, list[Answer]]:
        """With its turns, those of all branches, in the order in which they were asked; without those that rest on what
        it may not see any more."""
        await self._journal.flush()
        row = await self._store.ask(conversations.get, conversation_id)
        found = await self._store.ask(conversations.turns, conversation_id)
        return row, await self._said([turn.answer_id for turn in found], who)

    async def rename(self, conversation_id: str, title: str) -> ConversationRow:
        return await self._store.change(conversations.change, conversation_id, title=title)

    async def delete(self, conversation_id: str) -> None:
        """With all that was said in it; what is being said is stopped."""
        await self._store.ask(conversations.get, conversation_id)
        await self._runs.forget_conversation(conversation_id)
        await self._journal.flush()
        await self._store.change(conversations.remove, conversation_id)

    async def place(
        self,
        conversation_id: str | None,
        question: str,
        *,
        who: Principal,
        again: str | None = None,
        said: Sequence[PastTurn] = (),
    ) -> Place:
        """Where the question is asked: after the last turn, or `again`, beside a turn that is there.

        `conversation_id` "new" begins one; without it, the turns before are what was `said` elsewhere.
        Raises ConversationNotFound and AnswerNotFound.
        """
        if conversation_id is None:
            return Place(history=tuple(self._latest(said)))
        if conversation_id == "new":
            return Place((await self.create(question, who=who)).id)
        await self._visibility.admit(who, {"conversation_id": conversation_id})
        await self._journal.flush()
        row = await self._store.ask(conversations.get, conversation_id)
        found = await self._store.ask(conversations.turns, conversation_id)
        await self._store.change(conversations.change, row.id)
        parents = {turn.answer_id: turn.parent_id for turn in found}
        if again is not None and again not in parents:
            raise AnswerNotFound(again)
        parent = parents[again] if again is not None else found[-1].answer_id if found else None
        branch = self._latest(conversations.chain(found, parent))
        given = [answer for answer in await self._said(branch, who) if answer.question]
        past = tuple(PastTurn(answer.question, without_markers(answer.text)) for answer in given)
        return Place(row.id, parent, past)

    async def condense(
        self, question: str, history: Sequence[PastTurn], prompts: Prompts, *, by_rule: bool = False
    ) -> str:
        """The question as the index is asked: with what it leans on in the turns before."""
        if not history or self._options.condense == "off":
            return question
        if self._model and self._options.condense == "auto" and not by_rule:
            room = self._window.room(CONDENSED_TOKENS)
            turns = newest(history, lambda some: self._window.holds(prompts.condense(question, some), room))
            try:
                if turns and (said := await self._condensed(self._model, prompts.condense(question, turns))):
                    return said
            except (LanguageModelError, TimeoutError) as error:
                log(__name__).warning("condensing by rule", reason=str(error) or "the language model took too long")
        return standalone(question, [turn.question for turn in history])

    async def _condensed(self, model: LanguageModel, prompt: Prompt) -> str:
        pieces: list[str] = []
        async with (
            asyncio.timeout(self._options.condense_s),
            aclosing(model.stream(prompt, Sampling(0, CONDENSED_TOKENS))) as stream,
        ):
            async for piece in stream:
                if piece.turn:
                    pieces.clear()
                pieces.append(piece.text)
        lines = "".join(pieces).strip().splitlines()
        return lines[-1].strip()[:CONDENSED_CHARS] if lines else ""

    def _latest(self, turns: Sequence[T]) -> Sequence[T]:
        return turns[max(0, len(turns) - self._options.turns) :]

    async def _said(self, answer_ids: Sequence[str], who: Principal) -> list[Answer]:
        """What is left of them: a redacted one is not."""
        found = [await self._store.ask(answers.load, answer_id) for answer_id in answer_ids]
        said = [events for _, events in filter(None, found) if events]
        hidden = await self._visibility.hidden_documents(who, {one for log in said for one in documents_in(log)})
        folded = [fold(log) for log in said if not hidden & documents_in(log)]
        return [answer for answer in folded if who.enters(answer.collection)]
