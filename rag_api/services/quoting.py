"""Quotations that stand in for a language model that has failed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from rag_api.core.ports import LanguageModel, Piece, Sampling
from rag_api.core.prompts import Prompt
from rag_api.services.comparing import Comparer


class StandIn:
    """Compares sentences and question when it is its turn: as long as others answer, nobody needs to."""

    def __init__(self, quoting: LanguageModel, comparer: Comparer) -> None:
        self._quoting = quoting
        self._comparer = comparer
        self.name = quoting.name

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        comparison = prompt.comparison or await self._comparer.compare(None, prompt.question, prompt.passages)
        async with aclosing(self._quoting.stream(replace(prompt, comparison=comparison), sampling)) as pieces:
            async for piece in pieces:
                yield piece
