"""Hits → passages that fit a prompt, and a prompt that fits a language model's window. Pure."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ingest.sentences import sentence_spans
from rag_api.core.hits import Hit, Passage
from rag_api.core.prompts import Message, PastTurn, Prompt
from rag_api.errors import QuestionTooLong

Render: TypeAlias = Callable[[Sequence[Passage], Sequence[PastTurn]], Prompt]
MESSAGE_TOKENS = 8  # what a server's own template puts around a message
REPLY_TOKENS = 8  # and before the answer
LEAST_TOKENS = 64  # for passages; with less a question can't be answered from them
HISTORY_SHARE = 0.25  # of what the question leaves


@dataclass(frozen=True, slots=True)
class Window:
    """What a language model reads and writes in one go, in tokens; `reserve` is for what it writes.

    `count` gives the tokens of a text, or more.
    """

    tokens: int
    reserve: int
    count: Callable[[str], int]

    def room(self, max_tokens: int | None = None) -> int:
        """For a prompt, when the answer may have that many; an answer gets at most half of the window."""
        return self.tokens - min(max_tokens or self.reserve, self.tokens // 2)

    def taken(self, messages: Iterable[Message]) -> int:
        return REPLY_TOKENS + sum(self.count(message.text) + MESSAGE_TOKENS for message in messages)

    def surely_holds(self, prompt: Prompt, room: float) -> bool:
        """Without counting, as no token is less than a byte."""
        texts = [message.text for message in prompt.messages]
        return REPLY_TOKENS + sum(len(text.encode("utf-8", "replace")) + MESSAGE_TOKENS for text in texts) <= room

    def holds(self, prompt: Prompt, room: float) -> bool:
        return self.surely_holds(prompt, room) or self.taken(prompt.messages) <= room

    def admit(self, prompt: Prompt, *, max_tokens: int | None) -> None:
        """A prompt without passages and history. Raises QuestionTooLong where it leaves no room for them."""
        if not self.surely_holds(prompt, self.room(max_tokens) - LEAST_TOKENS):
            self.left(prompt, max_tokens=max_tokens)

    def left(self, prompt: Prompt, *, max_tokens: int | None) -> int:
        """By a prompt without passages and history, for them. Raises QuestionTooLong."""
        room, taken = self.room(max_tokens), self.taken(prompt.messages)
        if taken + LEAST_TOKENS > room:
            raise QuestionTooLong(taken, room, self.tokens)
        return room - taken


def fit(
    render: Render,
    passages: Sequence[Passage],
    history: Sequence[PastTurn],
    *,
    window: Window,
    max_tokens: int | None = None,
) -> Prompt:
    """The prompt with the latest turns and the best passages for which there is room; a first passage that is too long
    is cut. All is counted as rendered. Raises QuestionTooLong."""
    bare = render((), ())
    left = window.left(bare, max_tokens=max_tokens)
    spare = window.taken(bare.messages) + HISTORY_SHARE * left
    turns = newest(history, lambda some: window.holds(render((), some), spare))

    def fits(some: Sequence[Passage]) -> bool:
        return window.holds(render(some, turns), window.room(max_tokens))

    if fits(passages):
        return render(passages, turns)
    count = bisect_left(range(1, len(passages)), x=True, key=lambda n: not fits(passages[:n]))
    if count:
        return render(passages[:count], turns)
    first = passages[0]
    length = bisect_left(range(1, len(first.chunk.text)), x=True, key=lambda n: not fits([_cut(first, n)]))
    return render([_cut(first, length)] if length else [], turns)


def newest(history: Sequence[PastTurn], fits: Callable[[Sequence[PastTurn]], bool]) -> Sequence[PastTurn]:
    """The latest turns that fit, in their order."""
    for at in range(len(history)):
        if fits(history[at:]):
            return history[at:]
    return ()


def pack_history(history: Sequence[PastTurn], *, budget_chars: int) -> Sequence[PastTurn]:
    """The latest turns that fit whole, in their order."""
    return newest(history, lambda some: sum(len(turn.question) + len(turn.text) for turn in some) <= budget_chars)


def pack(hits: Sequence[Hit], *, budget_chars: int) -> list[Passage]:
    """The best hits as passages numbered from 1, as many as fit."""
    return fitting(
        [Passage(n, hit.chunk, hit.score, hit.scores.dense, hit.scores.lexical) for n, hit in enumerate(hits, start=1)],
        budget_chars=budget_chars,
    )


def fitting(passages: Sequence[Passage], *, budget_chars: int) -> list[Passage]:
    """The first of them, as many as fit; the very first always does."""
    for at, passage in enumerate(passages):
        budget_chars -= len(passage.chunk.text)
        if at and budget_chars < 0:
            return list(passages[:at])
    return list(passages)


def _cut(passage: Passage, length: int) -> Passage:
    """Its first characters, up to the end of a sentence if that keeps half of them."""
    chunk = passage.chunk
    ends = [span.end for span in sentence_spans(chunk.text[:length])][:-1]
    end = ends[-1] if ends and 2 * ends[-1] >= length else length
    return replace(passage, chunk=replace(chunk, end=chunk.start + end, text=chunk.text[:end]))
