"""Answers without a language model: the sentences of the passages that come closest to the question, each with its [n].

Nothing is invented, nothing leaves the machine, and every sentence is a quotation.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from rag_api.core.extracting import choose
from rag_api.core.ports import Piece, Sampling
from rag_api.core.prompts import Prompt

PARAGRAPH = "\n\n"


@dataclass(frozen=True, slots=True)
class ExtractiveModel:
    """`sentences`: how many an answer has at most. Wants prompts with a comparison."""

    sentences: int
    name: str = "extractive"

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        chosen = choose(prompt.question, prompt.comparison, count=self.sentences) if prompt.comparison else []
        for i, item in enumerate(chosen):
            # a paragraph each: a quoted row or heading has no full stop to end it
            yield Piece(f"{PARAGRAPH if i else ''}{item.text} [{item.passage.n}]")
        yield Piece(finish_reason="stop" if chosen else "no_answer")
