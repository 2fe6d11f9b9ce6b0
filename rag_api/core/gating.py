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
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from rag_api.core.extracting import Comparison, asked_kind
from rag_api.core.hits import Passage
from rag_api.core.words import content_words

# about as many things as there are questions: what a collection comes near by chance
UNRELATED_QUESTIONS = (
    "How long do I have to boil an egg so that the yolk stays soft?",
    "Who won the last football championship?",
    "What is the capital of Mongolia?",
    "How do I change a flat tyre on a bicycle?",
    "When was the first bridge over the river built?",
    "Which vitamin is good for the eyes?",
    "How much does a train ticket to the coast cost?",
    "Why does the sky turn red in the evening?",
    "Who composed the music of the opera about the barber?",
    "How do I sort a list of numbers in a program?",
    "What are the symptoms of an inflamed appendix?",
    "Where do swallows spend the winter?",
    "How many players are in a volleyball team?",
    "What is the penalty for parking in front of a driveway?",
    "When should roses be pruned?",
    "Who invented the sewing machine?",
    "How is the interest on a savings account taxed?",
    "Which planet has the most moons?",
    "What language do they speak in Brazil?",
    "How do I remove red wine from a carpet?",
    "Who painted the ceiling of the chapel?",
    "How deep is the deepest lake in the world?",
    "What is the difference between a virus and a bacterium?",
    "When does the school year begin?",
    "How can I reset the password of my router?",
    "Which king was beheaded after the revolution?",
    "What does a notary charge for a will?",
    "How do bees find their way back to the hive?",
    "Who wrote the novel about the white whale?",
    "How many grams of sugar are in a glass of lemonade?",
    "Where was the peace treaty signed?",
    "What is the boiling point of nitrogen?",
    "How do I train a puppy not to bite?",
    "Which actor played the spy in the first film?",
    "What is the minimum wage for apprentices?",
    "How is glass made?",
    "Who discovered the structure of DNA?",
    "What should I pack for a week in the mountains?",
    "How fast can a cheetah run?",
    "When did people begin to bake bread?",
)
DEFAULT_THRESHOLD = 0.28
FEWEST_TEXTS = 200  # few texts can't show which words are common: as if there were so many, the others without them
NO_KIND = 0.5
ENDINGS = ("ings", "ing", "ed", "ers", "er", "es", "e", "ly")
ROOT_LEAST_CHARS = 4
ROOT_CHARS = 7
Weights: TypeAlias = tuple[tuple[float, ...], float]
# weights of closeness, sentence, kind, held, and what is added; where passages alone were looked at, of closeness,
# held, missing: beside sentences, what is missing says nothing more
WITH_SENTENCES: Weights = ((4.52, 3.54, 0.59, 2.10), -3.61)
PASSAGES_ALONE: Weights = ((6.17, 1.94, -1.86), -1.45)


@dataclass(frozen=True, slots=True)
class Background:
    """What a generation is like where no question leads.

    unrelated: the cosine that a question about something else reaches with its nearest chunk, the median of many;
    texts, frequencies: of how many chunks the words were counted, and in how many each root is.
    """

    unrelated: float
    texts: int
    frequencies: Mapping[str, int]

    def relative(self, cosine: float) -> float:
        """0 for what is as near as anything, 1 for the same text."""
        return (cosine - self.unrelated) / max(1 - self.unrelated, 1e-6)

    def rarity(self, root: str) -> float:
        """1 for a word that no text has, 0 for one that all have."""
        texts = max(self.texts, FEWEST_TEXTS) + 1
        return math.log(texts / (self.frequencies.get(root, 0) + 0.5)) / math.log(texts / 0.5)


@dataclass(frozen=True, slots=True)
class Evidence:
    """closeness: of the nearest passage; sentence: of the nearest sentence, its title mostly left out; both relative.

    kind: 1 when the best sentence holds a number, date, name or place as asked for, 0 when not, 0.5 when none is asked
    for; held, missing: how much the question's rare words are in the nearest passage and not, those of its title left
    out, 0 to below 1. sentence and kind are None where passages alone were looked at.
    """

    closeness: float
    sentence: float | None
    kind: float | None
    held: float
    missing: float


@dataclass(frozen=True, slots=True)
class Gate:
    """`score`: 0 to 1, how likely the passages are to hold the answer if every second question had one.

    evidence: the fields of Evidence by name."""

    score: float
    threshold: float
    passed: bool
    evidence: Mapping[str, float | None]


def count_words(texts: Iterable[str]) -> Counter[str]:
    """In how many of the texts each root is."""
    return Counter(root for text in texts for root in set(roots(text)))


def roots(text: str) -> list[str]:
    """The beginnings of its words, each once, so that "filming" meets "film" and "filmed"."""
    return list(dict.fromkeys(_root(word) for word in content_words(text)))


def weigh(
    question: str, passages: Sequence[Passage], background: Background, comparison: Comparison | None = None
) -> Evidence | None:
    """None where no passage has a similarity: without the vector index nothing can be said."""
    known = [passage for passage in passages if passage.similarity is not None]
    if not known:
        return None
    nearest = max(known, key=lambda passage: passage.similarity or 0.0)
    chunk = nearest.chunk
    asked = set(roots(question)) - set(roots(chunk.title))
    there = set(roots(f"{chunk.section} {chunk.text}"))
    held = sum(background.rarity(root) for root in asked & there)
    missing = sum(background.rarity(root) for root in asked - there)
    sentence, kind = (None, None) if comparison is None else _of_sentences(question, comparison, background)
    return Evidence(
        closeness=background.relative(nearest.similarity or 0.0),
        sentence=sentence,
        kind=kind,
        held=held / (1 + held),
        missing=missing / (1 + missing),
    )


def judge(evidence: Evidence, *, threshold: float) -> Gate:
    if evidence.sentence is None or evidence.kind is None:
        model: Weights = PASSAGES_ALONE
        figures: tuple[float, ...] = (evidence.closeness, evidence.held, evidence.missing)
    else:
        model = WITH_SENTENCES
        figures = (evidence.closeness, evidence.sentence, evidence.kind, evidence.held)
    weights, added = model
    score = _logistic(added + sum(weight * figure for weight, figure in zip(weights, figures, strict=True)))
    seen = {name: None if value is None else round(value, 4) for name, value in asdict(evidence).items()}
    return Gate(round(score, 4), threshold, score >= threshold, seen)


def _of_sentences(question: str, comparison: Comparison, background: Background) -> tuple[float, float]:
    wanted, best = asked_kind(question), comparison.best(question)
    if best is None:
        return 0.0, NO_KIND
    kind = NO_KIND if wanted is None else float(bool(wanted.search(best.text)))
    return background.relative(max(comparison.bare)), kind


def _root(word: str) -> str:
    """Without an ending, if 4 letters are left, and cut: a stem that says which words are rare, and no more."""
    ending = next((end for end in ENDINGS if word.endswith(end) and len(word) - len(end) >= ROOT_LEAST_CHARS), "")
    return word[: len(word) - len(ending)][:ROOT_CHARS]


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, value))))
