"""Which sentences of the passages answer a question. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingest.documents import Span
from ingest.ports import Vectors
from ingest.sentences import sentence_spans
from rag_api.core.hits import Passage
from rag_api.core.words import content_words, distinct_words, inverse_document_frequencies

WORDS_WEIGHT = 0.3
PASSAGE_WEIGHT = 0.5
MARGIN = 0.5  # a further sentence may be this much worse than the best one
KIND_BONUS = 0.15
NEWS_BONUS = 0.1
NEWS_WORDS = 8
EMPTY_WORDS_PENALTY = 0.3
SHORT_CHARS = 60
MAX_CANDIDATES = 120
MAX_SENTENCE_CHARS = 700
TITLE_SHARE = 0.3  # of a title in its sentences' vectors that `take_out_titles` subtracts

_NUMBER = (
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|hundred|thousand|million)\b"
)
_MONTH = r"January|February|March|April|May|June|July|August|September|October|November|December"
# what a question begins with or asks for, and what a sentence that answers it holds
_KINDS = tuple(
    (re.compile(asked, re.IGNORECASE), re.compile(held))
    for asked, held in (
        (r"\bhow (?:many|much|long|far|old|high|deep|fast|often|big|tall|large|wide|quickly|soon)\b", _NUMBER),
        (
            r"\b(?:what|which) (?:\w+ )?(?:number|price|cost|percentage|share|speed|height|age|level|extension)\b",
            _NUMBER,
        ),
        (
            r"\bwhen\b|\b(?:what|which|on what) (?:year|date|day|month|time)\b",
            rf"\d{{3,4}}|\d(?:st|nd|rd|th)\b|{_MONTH}|day\b",
        ),
        (r"\bwho(?:se|m)?\b", r"\b[A-Z][\w'’-]+ (?:[a-z]{2,3} )?[A-Z][\w'’-]+"),
        (r"\bwhere\b", r"\b(?:in|at|on|near|from|of|to) (?:the )?[A-Z]"),
    )
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence of a passage, its white space made single; `span` counts in the passage's text."""

    passage: Passage
    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Sentences with their cosines to the question.

    similarities: of "title: sentence"; bare: the same with most of the title taken out of it.
    """

    candidates: tuple[Candidate, ...]
    similarities: tuple[float, ...]
    bare: tuple[float, ...]

    def best(self, question: str) -> Candidate | None:
        return next(iter(choose(question, self, count=1)), None)


def find_candidates(passages: Sequence[Passage]) -> list[Candidate]:
    """The sentences of the passages in their order; of passages without any, the beginning of the first."""
    found: list[Candidate] = []
    for passage in passages:
        text = passage.chunk.text
        for span in sentence_spans(text):
            sentence = " ".join(span.of(text).split())
            if len(sentence) <= MAX_SENTENCE_CHARS and any(character.isalnum() for character in sentence):
                found.append(Candidate(passage, span, sentence))
    return found[:MAX_CANDIDATES] or [_whole(passage) for passage in passages[:1]]


def take_out_titles(similarities: Vectors, titles: Vectors, of_titles: Vectors) -> Vectors:
    """Cosines of the question to sentences, part of each sentence's title subtracted from its vector; all shape (n,).

    similarities: question and "title: sentence"; titles: question and title; of_titles: "title: sentence" and title.
    """
    rest = 1 - (2 * TITLE_SHARE - TITLE_SHARE**2) * of_titles**2
    bare: Vectors = (similarities - TITLE_SHARE * of_titles * titles) / np.sqrt(np.maximum(rest, 1e-6))
    return bare


def choose(question: str, comparison: Comparison, *, count: int) -> list[Candidate]:
    """The best sentences, best first, at most `count`, none twice.

    score = cosine(question, sentence) + 0.3 × share of the question's words in the sentence, weighed by how rare they
    are among the candidates, + 0.5 × cosine(question, passage), + 0.15 when the sentence holds a thing of the kind that
    is asked for (a number, a date, a name, a place), + 0.1 as far as it has 8 words that the question has not: what
    only repeats the question answers nothing. The weights were found by measurement (docs/decisions/0013-gate.md).
    """
    candidates, similarities = comparison.candidates, comparison.similarities
    kind = asked_kind(question)
    said = [distinct_words(item.text) for item in candidates]
    words = [has.union(content_words(item.passage.chunk.title)) for has, item in zip(said, candidates, strict=True)]
    rarity = inverse_document_frequencies(words)
    asked = distinct_words(question)
    wanted = {word: rarity.get(word, 0.0) for word in asked}
    total = sum(wanted.values()) or 1.0
    scores = [
        similarity
        + WORDS_WEIGHT * sum(weight for word, weight in wanted.items() if word in has) / total
        + PASSAGE_WEIGHT * (item.passage.similarity or 0.0)
        + (KIND_BONUS if kind and kind.search(item.text) else 0.0)
        + NEWS_BONUS * min(len(new - asked), NEWS_WORDS) / NEWS_WORDS
        - _penalty(item.text)
        for item, similarity, has, new in zip(candidates, similarities, words, said, strict=True)
    ]
    order = sorted(range(len(candidates)), key=lambda i: -scores[i])
    chosen: dict[str, Candidate] = {}
    for i in order:
        if len(chosen) == count or scores[i] < scores[order[0]] - MARGIN:
            break
        chosen.setdefault(candidates[i].text.casefold(), candidates[i])
    return list(chosen.values())


def asked_kind(question: str) -> re.Pattern[str] | None:
    """A pattern of the kind of thing that a question asks for, as far as its words say."""
    return next((held for asked, held in _KINDS if asked.search(question)), None)


def _penalty(text: str) -> float:
    """Headings and questions come close to a question and answer nothing."""
    is_heading = len(text) < SHORT_CHARS and text[-1] not in ".!…。！”\"')" and ":" not in text
    return EMPTY_WORDS_PENALTY if is_heading or text.endswith("?") else 0.0


def _whole(passage: Passage) -> Candidate:
    text = passage.chunk.text[:MAX_SENTENCE_CHARS]
    return Candidate(passage, Span(0, len(text)), " ".join(text.split()))
