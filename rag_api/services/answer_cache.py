"""Answers that were given to the same question over the same documents.

The key holds everything that an answer follows from: the collection's state (which every publication, deletion and
change of metadata or threshold counts up), the generation, filter, groups, history, instructions, model, parameters and
prompts. So nothing in here can be stale; what no key leads to any more is pushed out.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from ingest.ports import Vectors
from rag_api.core.events import Done, Event, Reset, Retrieved, Started, TextAppended, documents_in, fold
from rag_api.core.ports import Embedders
from rag_api.core.words import numbers
from rag_api.errors import Unavailable
from rag_api.telemetry import CACHE_ASKED

CacheMode: TypeAlias = Literal["off", "exact", "near"]
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """`similarity`: the cosine from which questions are one in mode near."""

    mode: CacheMode
    entries: int
    chars: int
    age_s: float
    similarity: float


@dataclass(frozen=True, slots=True)
class _Kept:
    events: tuple[Event, ...]
    documents: set[str]
    chars: int
    since: float
    vector: Vectors | None


class AnswerCache:
    def __init__(self, embedders: Embedders, *, options: CacheOptions) -> None:
        self._embedders = embedders
        self._options = options
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._chars = 0

    @property
    def is_on(self) -> bool:
        return self._options.mode != "off"

    async def find(
        self, scope: str, question: str, *, model: str | None
    ) -> tuple[Sequence[Event] | None, Vectors | None]:
        """The events of an answer to the question, or in mode near to one like it, without the first; and the
        question's vector, where it was wanted."""
        found, vector = self._fresh((scope, _plain(question))), None
        if found is None and self._options.mode == "near":
            vector = await self._vector(question, model)
            found = self._near(scope, question, vector) if vector is not None else None
        CACHE_ASKED.labels("hit" if found else "miss").inc()
        return found.events if found else None, vector

    def keep(self, scope: str, question: str, log: Sequence[Event], vector: Vectors | None) -> None:
        """A run's log, if it ended well, by the model that was asked: who stood in for it did so this once."""
        answer, begun, end = fold(log), log[0], log[-1]
        if not isinstance(begun, Started) or not isinstance(end, Done) or end.outcome == "cancelled":
            return
        if any(isinstance(one, Reset) for one in log) or end.model not in (None, begun.model):
            return
        text = [TextAppended(0, answer.text)] if answer.text else []
        again = replace(end, cached=True, usage=None)
        events: tuple[Event, ...] = (Retrieved(answer.passages), *text, *answer.citations, again)
        chars = len(answer.text) + sum(len(passage.chunk.text) for passage in answer.passages)
        place = scope, _plain(question)
        self._forget(place)
        self._kept[place] = _Kept(events, documents_in(log), chars, time.monotonic(), vector)
        self._chars += chars
        while len(self._kept) > self._options.entries or self._chars > self._options.chars:
            self._forget(next(iter(self._kept)))

    def redact(self, document_id: str) -> None:
        """Nothing in here shows the document any more."""
        for place in [place for place, kept in self._kept.items() if document_id in kept.documents]:
            self._forget(place)

    def _fresh(self, place: tuple[str, str]) -> _Kept | None:
        kept = self._kept.get(place)
        if kept and time.monotonic() - kept.since > self._options.age_s:
            self._forget(place)
            return None
        if kept:
            self._kept.move_to_end(place)
        return kept

    def _near(self, scope: str, question: str, vector: Vectors) -> _Kept | None:
        """The nearest by cosine whose numbers are the same: those a vector hardly sees."""
        best, best_similarity = None, self._options.similarity
        for place, kept in self._kept.items():
            if place[0] == scope and kept.vector is not None and numbers(place[1]) == numbers(question):
                similarity = float(np.dot(vector, kept.vector))
                if similarity >= best_similarity:
                    best, best_similarity = place, similarity
        return self._fresh(best) if best else None

    async def _vector(self, question: str, model: str | None) -> Vectors | None:
        try:
            return await self._embedders.of(model).embed_query(question)
        except Unavailable:  # then it is asked anew, which says what is wrong
            return None

    def _forget(self, place: tuple[str, str]) -> None:
        if kept := self._kept.pop(place, None):
            self._chars -= kept.chars


def _plain(question: str) -> str:
    return _SPACE.sub(" ", question).strip()
