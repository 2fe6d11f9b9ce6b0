"""Answers without a language model: the sentences of the passages that come closest to the question, each with its [n].

Nothing is invented, nothing leaves the machine, and every sentence is a quotation.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import numpy as np

from ingest.documents import Span
from ingest.sentences import sentence_spans
from rag_api.core.extracting import Candidate, choose
from rag_api.core.hits import Passage
from rag_api.core.ports import Embedder, Piece, Sampling
from rag_api.core.prompts import Prompt

MAX_CANDIDATES = 120
MAX_SENTENCE_CHARS = 700
PARAGRAPH = "\n\n"


@dataclass(frozen=True, slots=True)
class ExtractiveModel:
    """`sentences`: how many an answer has at most. Below `min_similarity` of the best passage it says nothing."""

    embedder: Embedder
    sentences: int
    min_similarity: float
    name: str = "extractive"

    async def stream(self, prompt: Prompt, sampling: Sampling) -> AsyncGenerator[Piece, None]:
        known = [passage.similarity for passage in prompt.passages if passage.similarity is not None]
        candidates = _candidates(prompt.passages)[:MAX_CANDIDATES]
        # without any similarity the vector index was away, which says nothing about the passages
        if not candidates or (known and max(known) < self.min_similarity):
            yield Piece(finish_reason="no_answer")
            return
        query = await self.embedder.embed_query(prompt.question)
        vectors = await self.embedder.embed_documents(
            [f"{item.passage.chunk.title}: {item.text}" for item in candidates]
        )
        similarities = [float(value) for value in np.asarray(vectors) @ query]
        for i, item in enumerate(choose(prompt.question, candidates, similarities, count=self.sentences)):
            # a paragraph each: a quoted row or heading has no full stop to end it
            yield Piece(f"{PARAGRAPH if i else ''}{item.text} [{item.passage.n}]")
        yield Piece(finish_reason="stop")


def _candidates(passages: Sequence[Passage]) -> list[Candidate]:
    found: list[Candidate] = []
    for passage in passages:
        text = passage.chunk.text
        for span in sentence_spans(text):
            sentence = " ".join(span.of(text).split())
            if len(sentence) <= MAX_SENTENCE_CHARS and any(character.isalnum() for character in sentence):
                found.append(Candidate(passage, span, sentence))
    return found or [_whole(passage) for passage in passages[:1]]


def _whole(passage: Passage) -> Candidate:
    text = passage.chunk.text[:MAX_SENTENCE_CHARS]
    return Candidate(passage, Span(0, len(text)), " ".join(text.split()))
