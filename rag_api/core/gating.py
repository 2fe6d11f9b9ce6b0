"""Whether the passages that were found can hold the answer at all. Pure.

Purpose: say "I don't know" where nothing that was found is about the question, on one scale for every collection.
Mechanism: figures of a question and its passages, each 0 to 1 or near it, and a logistic function of them whose weights
`python -m bench.gate` fits on questions with and without an answer. A cosine means little by itself: how near
a question comes to texts that have nothing to do with it depends on the embedder, and on how many texts there are and
of how many things they speak. So each is counted from `Background.unrelated`, what questions about something else
reach in this very index, as far as 1, what a text reaches with itself.
Does not promise to see through a question that asks for something close to what a passage says.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from rag_api.core.calibrating import Background
from rag_api.core.extracting import Comparison, asked_kind
from rag_api.core.hits import Passage
from rag_api.core.languages import guess_language
from rag_api.core.words import roots

CAUTIOUS_THRESHOLD = 0.08  # for a language that the weights were not fitted on
FITTED_LANGUAGE = "en"
NO_KIND = 0.5
Caution: TypeAlias = Literal["embedder", "language"]
Weights: TypeAlias = tuple[tuple[float, ...], float]
# weights of closeness, sentence, kind, held, and what is added; where passages alone were looked at, of closeness,
# held, missing: beside sentences, what is missing says nothing more
WITH_SENTENCES: Weights = ((4.8, 3.2, 0.6, 2.5), -3.65)
PASSAGES_ALONE: Weights = ((6.13, 2.10, -1.89), -1.51)
WORDS_ALONE: Weights = ((7.25,), -2.25)  # refuses half as much as the others do, where there are no cosines to go by


@dataclass(frozen=True, slots=True)
class Evidence:
    """closeness: of the nearest passage; sentence: of the nearest sentence, its title mostly left out; quoted: of the
    one that would be quoted first; all relative.

    words: the greatest share that the lexical index gave a passage, None where it gave none; kind: 1 when the quoted
    sentence holds a number, date, name or place as asked for, 0 when not, 0.5 when none is asked
    for; held, missing: how much the question's rare words are in the nearest passage and not, those of its title left
    out, 0 to below 1. sentence, quoted and kind are None where passages alone were looked at.
    """

    closeness: float
    sentence: float | None
    quoted: float | None
    kind: float | None
    held: float
    missing: float
    words: float | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """`score`: 0 to 1, how likely the passages are to hold the answer if every second question had one.

    evidence: the fields of Evidence by name; caution: why little is refused: `embedder`, its cosines don't tell the
    collection's texts apart, so words alone count; `language`, the question is in none that the weights were fitted on,
    so the threshold is lower than the one that was set."""

    score: float
    threshold: float
    passed: bool
    evidence: Mapping[str, float | None]
    caution: Caution | None = None


def doubt(question: str, background: Background) -> Caution | None:
    """Why a score of this question in this generation can't be trusted."""
    if not background.is_trusted:
        return "embedder"
    return None if guess_language(question) == FITTED_LANGUAGE else "language"


def weigh(
    question: str, passages: Sequence[Passage], background: Background, comparison: Comparison | None = None
) -> Evidence | None:
    """None where no passage has a similarity: without the vector index nothing can be said."""
    known = [passage for passage in passages if passage.similarity is not None]
    if not known:
        return None
    nearest = max(known, key=lambda passage: passage.similarity or 0.0)
    chunk = nearest.chunk
    asked = roots(question) - roots(chunk.title)
    there = roots(f"{chunk.section} {chunk.text}")
    held = sum(background.rarity(root) for root in asked & there)
    missing = sum(background.rarity(root) for root in asked - there)
    sentence, quoted, kind = (
        (None, None, None) if comparison is None else _of_sentences(question, comparison, background)
    )
    return Evidence(
        closeness=background.relative(nearest.similarity or 0.0),
        sentence=sentence,
        quoted=quoted,
        kind=kind,
        held=held / (1 + held),
        missing=missing / (1 + missing),
        words=max((passage.lexical for passage in passages if passage.lexical is not None), default=None),
    )


def judge(evidence: Evidence, *, threshold: float, caution: Caution | None = None) -> Gate:
    seen = evidence
    model = PASSAGES_ALONE
    figures: tuple[float, ...] = (seen.closeness, seen.held, seen.missing)
    if caution == "embedder":
        model, figures = WORDS_ALONE, (seen.words or 0.0,)
    elif seen.sentence is not None and seen.kind is not None:
        model, figures = WITH_SENTENCES, (seen.closeness, seen.sentence, seen.kind, seen.held)
    if caution == "language":
        threshold = min(threshold, CAUTIOUS_THRESHOLD)
    weights, added = model
    score = _logistic(added + sum(weight * figure for weight, figure in zip(weights, figures, strict=True)))
    told = {name: None if value is None else round(value, 4) for name, value in asdict(evidence).items()}
    return Gate(round(score, 4), threshold, score >= threshold, told, caution)


def _of_sentences(question: str, comparison: Comparison, background: Background) -> tuple[float, float, float]:
    """sentence, quoted and kind, as in Evidence."""
    wanted, best = asked_kind(question), comparison.best(question)
    if best is None:
        return 0.0, 0.0, NO_KIND
    kind = NO_KIND if wanted is None else float(bool(wanted.search(best.text)))
    quoted = comparison.bare[comparison.candidates.index(best)]
    return background.relative(max(comparison.bare)), background.relative(quoted), kind


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))
