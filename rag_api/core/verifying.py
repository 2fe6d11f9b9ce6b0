"""Which words of a passage support a sentence of the answer, and how well. Pure.

The score is the share of the claim's content words that one sentence of the passage holds, cut for each contradiction
that words alone show: a number that the sentence has not, a word that one of them denies and the other does not, a name
that neither passage nor title has. How well that tells right from wrong: docs/decisions/0016-verdicts.md.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from ingest.documents import Span
from ingest.sentences import sentence_spans
from rag_api.core.words import content_words, distinct_words, numbers


class Verdict(StrEnum):
    SUPPORTED = "supported"
    PARTIAL = "partial"
    UNSUPPORTED = "unsupported"


SUPPORTED_FROM = 0.6
PARTIAL_FROM = 0.3
OTHER_NUMBER = 0.25
DENIED = 0.25
UNKNOWN_NAME = 0.5
DENIED_WORDS = 3  # after a negation, that it is about
FACTUAL_WORDS = 3
_NAME = re.compile(r"(?<![.!?:\n“\"(\[*•-])(?<![.!?:\n] )(?<=\s)[^\W\d_a-zß-öø-ÿ][^\W\d_]{2,}")
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)?|[.!?;:,()\n]")
_NEGATION = re.compile(
    r"(?i)not|never|no|none|nobody|nothing|neither|nor|without|cannot|.+n['’]t|kein\w*|nicht|nie|ohne"
)
_COUNTS = {
    word: str(count)
    for count, word in enumerate("two three four five six seven eight nine ten eleven twelve".split(), start=2)
}


@dataclass(frozen=True, slots=True)
class Support:
    """The span of the passage's text that comes closest, with a score from 0 to 1."""

    span: Span
    score: float
    verdict: Verdict


@dataclass(frozen=True)
class Said:
    """What a stretch of text says, as far as words show."""

    text: str

    @cached_property
    def words(self) -> set[str]:
        return distinct_words(self.text)

    @cached_property
    def numbers(self) -> set[str]:
        return numbers(self.text) | {_COUNTS[word] for word in _words(self.text) if word in _COUNTS}

    @cached_property
    def denied(self) -> set[str]:
        """The content words that stand right after a negation, up to the next comma or stop."""
        found: set[str] = set()
        left = 0
        for token in _TOKEN.findall(self.text):
            if _NEGATION.fullmatch(token):
                left = DENIED_WORDS
            elif not token[0].isalnum():
                left = 0
            elif left and (word := content_words(token)):
                found.update(word)
                left -= 1
        return found

    @cached_property
    def names(self) -> set[str]:
        """Words written large that begin no sentence."""
        return {word for name in _NAME.findall(self.text) for word in content_words(name)}


class Evidence:
    """A passage, read once for any number of claims. `title` may name what the text only refers to."""

    def __init__(self, text: str, title: str = "") -> None:
        self.text = text
        self._words = distinct_words(text)
        self._known = self._words | distinct_words(title)

    @cached_property
    def _sentences(self) -> Sequence[tuple[Span, Said]]:
        return [(span, Said(span.of(self.text))) for span in sentence_spans(self.text)]

    def support(self, said: Said) -> Support:
        """The sentence that supports the claim best. One that shares nothing with any gives the whole span and 0."""
        best = Support(Span(0, len(self.text)), 0.0, Verdict.UNSUPPORTED)
        if self._words.isdisjoint(said.words):
            return best
        known = UNKNOWN_NAME if said.names - self._known else 1.0
        for span, sentence in self._sentences:
            score = known * len(said.words & sentence.words) / len(said.words)
            if score > best.score:
                score *= _agreement(said, sentence)
            if score > best.score:
                best = Support(span, score, _verdict(score))
        return best


def support(claim: str, passage: str, title: str = "") -> Support:
    return Evidence(passage, title).support(Said(claim))


def uncited(answer: str, cited: Iterable[Span]) -> list[Span]:
    """The sentences of an answer that state something and that no citation stands for."""
    covered = list(cited)
    return [
        span
        for span in sentence_spans(answer)
        if not any(one.start < span.end and span.start < one.end for one in covered) and _states(span.of(answer))
    ]


def _states(sentence: str) -> bool:
    return not sentence.rstrip().endswith(("?", ":")) and len(distinct_words(sentence)) >= FACTUAL_WORDS


def _agreement(claim: Said, sentence: Said) -> float:
    """1 where nothing contradicts."""
    factor = 1.0
    if claim.numbers - sentence.numbers:
        factor *= OTHER_NUMBER
    shared = claim.words & sentence.words
    if (claim.denied ^ sentence.denied) & shared:
        factor *= DENIED
    return factor


def _words(text: str) -> list[str]:
    return [token.casefold() for token in _TOKEN.findall(text)]


def _verdict(score: float) -> Verdict:
    if score >= SUPPORTED_FROM:
        return Verdict.SUPPORTED
    return Verdict.PARTIAL if score >= PARTIAL_FROM else Verdict.UNSUPPORTED
