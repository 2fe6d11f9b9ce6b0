"""Which words of a passage support a sentence of the answer, and how well."""

from dataclasses import dataclass
from enum import StrEnum

from ingest.documents import Span
from ingest.sentences import sentence_spans
from rag_api.core.words import content_words, numbers


class Verdict(StrEnum):
    SUPPORTED = "supported"
    PARTIAL = "partial"
    UNSUPPORTED = "unsupported"


SUPPORTED_FROM = 0.6
PARTIAL_FROM = 0.3


@dataclass(frozen=True, slots=True)
class Support:
    """The span of the passage's text that comes closest, with a score from 0 to 1."""

    span: Span
    score: float
    verdict: Verdict


def support(claim: str, passage: str) -> Support:
    """The sentence of the passage that shares most with the claim.

    The score is the share of the claim's content words that the sentence holds, halved when the claim has a number
    that the sentence has not. A passage without a sentence gives its whole span and 0.
    """
    wanted, wanted_numbers = set(content_words(claim)), numbers(claim)
    best = Support(Span(0, len(passage)), 0.0, Verdict.UNSUPPORTED)
    for span in sentence_spans(passage):
        sentence = span.of(passage)
        if not wanted:
            continue
        score = len(wanted & set(content_words(sentence))) / len(wanted)
        if wanted_numbers - numbers(sentence):
            score /= 2
        if score > best.score:
            best = Support(span, score, _verdict(score))
    return best


def _verdict(score: float) -> Verdict:
    if score >= SUPPORTED_FROM:
        return Verdict.SUPPORTED
    return Verdict.PARTIAL if score >= PARTIAL_FROM else Verdict.UNSUPPORTED
