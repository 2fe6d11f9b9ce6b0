"""What a front end asks of the language model itself, beside the documents."""

import time
from collections.abc import Sequence
from contextlib import aclosing

from ingest.documents import new_id
from rag_api.core.events import Started
from rag_api.core.ports import LanguageModel, Piece, Sampling
from rag_api.core.prompts import Message, Prompt
from rag_api.core.tasks import reply_by_rule
from rag_api.services.runs import Run, Runs
from rag_api.services.writing import Writer

RULES = "rules"


class Tasks:
    """`model` None: replies are made by rule, as they are when a model is replaced by quotations."""

    def __init__(self, runs: Runs, model: LanguageModel | None) -> None:
        self._runs = runs
        self._model = model

    def reply(self, collection: str, messages: Sequence[Message], sampling: Sampling, *, owner: str) -> Run:
        """A run without retrieval: the model gets the messages as they are. Raises TooBusy."""
        began = time.perf_counter()
        task, answer_id = messages[-1].text, new_id("ans")

        async def work(run: Run) -> None:
            writer = Writer(run, (), began, shows_reasoning=False)
            if not await self._ask(Prompt(tuple(messages), task, ()), sampling, writer):
                writer.take(Piece(reply_by_rule(task)))
            writer.finish("answered")

        name = self._model.name if self._model else RULES
        return self._runs.start(answer_id, work, Started(answer_id, None, collection, name, task, owner=owner))

    async def _ask(self, prompt: Prompt, sampling: Sampling, writer: Writer) -> bool:
        """Whether a model has replied."""
        if not self._model:
            return False
        writer.model = self._model.name
        async with aclosing(self._model.stream(prompt, sampling)) as pieces:
            async for piece in pieces:
                if piece.turn and piece.turn.quotes:
                    writer.take(Piece(turn=piece.turn))
                    return False
                writer.take(piece)
        return True
