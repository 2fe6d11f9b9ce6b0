"""Questions out of a collection's own text, by rule.

Purpose: figures for those who have no questions yet. A sentence that only one of the documents read has gives a cloze
(a window of it, with a name, a number or a rare word left out) or a query of its rarest words; a title that only one
of them has gives a query too. Seeded: the same documents and seed give the same questions.
Does not promise: that people would ask like this. The words are the document's own, which flatters word matching, so
such figures show changes rather than quality.
"""

import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from ingest.sentences import sentence_spans
from rag_api.client import Client
from rag_api.core.words import STOP_WORDS, content_words, distinct_words, inverse_document_frequencies
from rag_api.evaluation.metrics import flat
from rag_api.evaluation.questions import Question

CHUNKS_READ = 300  # of one document at most
QUESTIONS_A_DOCUMENT = 20
WORDS_IN_SENTENCE = range(8, 45)
FEWEST_CONTENT_WORDS = 5
WINDOW_WORDS = 8  # of a cloze on each side of the gap
KEYWORDS = 4
LETTERS_SHARE = 0.6
GAP = "____"
_WORD = re.compile(r"[^\W_]+(?:[.,'’\-][^\W_]+)*")
_NAME = re.compile(r"(?<=[^.!?:;•]\s)[A-ZÄÖÜÉ][\w’'-]{2,}(?:\s[A-ZÄÖÜÉ][\w’'-]+){0,3}")
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,:]\d+)*(?![\w])")


@dataclass(frozen=True, slots=True)
class Material:
    """What was read of one document."""

    source: str
    title: str
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fact:
    """A sentence, what in it could be asked for, and the passage around it."""

    source: str
    title: str
    sentence: str
    term: str
    passage: str


def read_material(client: Client, collection: str, *, wanted: int, seed: int) -> list[Material]:
    """Documents in an order of chance, as many as questions are wanted. Raises ServerError."""
    rows = sorted(client.documents(collection, status="ready"), key=lambda row: str(row["source"]))
    chosen = random.Random(seed).sample(rows, min(wanted, len(rows)))
    return [
        Material(
            row["source"],
            row["title"] or "",
            tuple(chunk["text"] for chunk in islice(client.chunks(collection, row["document_id"]), CHUNKS_READ)),
        )
        for row in chosen
    ]


def facts(material: Sequence[Material], *, wanted: int, seed: int) -> list[Fact]:
    """Documents take turns; no sentence that two documents share."""
    weights = _weights(material)
    shared = _shared(material)
    chance = random.Random(seed)
    turns: list[list[Fact]] = []
    for one in material:
        found = [fact for fact in _facts(one, weights) if flat(fact.sentence) not in shared]
        turns.append(chance.sample(found, min(len(found), QUESTIONS_A_DOCUMENT)))
    taken = (turn[at] for at in range(QUESTIONS_A_DOCUMENT) for turn in turns if at < len(turn))
    return list(islice(taken, wanted))


def draw(material: Sequence[Material], *, wanted: int, seed: int) -> list[Question]:
    """At most as many as wanted, each another text; fewer when the text does not give more."""
    weights = _weights(material)
    titles = Counter(flat(one.title) for one in material)
    asked: dict[str, Question] = {}
    with_title: set[str] = set()
    for number, fact in enumerate(facts(material, wanted=wanted, seed=seed)):
        is_title = number % 3 == 2 and fact.source not in with_title and titles[flat(fact.title)] == 1
        if is_title and _is_telling(fact.title, fact.source):
            with_title.add(fact.source)
            question = Question(" ".join(fact.title.split()), sources=(fact.source,), kind="title")
        elif number % 3 == 0:
            question = Question(cloze(fact), sources=(fact.source,), phrases=(fact.term,), kind="cloze")
        else:
            keywords = rarest_words(fact.sentence, weights)
            question = Question(keywords, sources=(fact.source,), phrases=(fact.sentence,), kind="keywords")
        asked.setdefault(question.text, question)
    return list(asked.values())


def cloze(fact: Fact) -> str:
    """The words around the gap, a limited number on each side."""
    before, after = re.split(rf"(?<![^\W_]){re.escape(fact.term)}(?![^\W_])", fact.sentence, maxsplit=1)
    words = [*before.split()[-WINDOW_WORDS:], GAP, *after.split()[:WINDOW_WORDS]]
    return " ".join(words)


def rarest_words(sentence: str, weights: Mapping[str, float]) -> str:
    """In the order of the sentence."""
    words = list(dict.fromkeys(word for word in _WORD.findall(sentence) if word.casefold() not in STOP_WORDS))
    chosen = set(sorted(words, key=lambda word: -_weight(word, weights))[:KEYWORDS])
    return " ".join(word for word in words if word in chosen)


def _facts(material: Material, weights: Mapping[str, float]) -> Iterator[Fact]:
    for chunk in material.chunks:
        for span in sentence_spans(chunk):
            sentence = " ".join(span.of(chunk).split())
            if is_informative(sentence):
                yield Fact(material.source, material.title, sentence, term_of(sentence, weights), chunk)


def is_informative(sentence: str) -> bool:
    """Prose of some length that ends as sentences do."""
    letters = sum(char.isalpha() for char in sentence)
    return (
        len(sentence.split()) in WORDS_IN_SENTENCE
        and sentence.lstrip("\"'“‘«(")[:1].isalnum()
        and sentence.rstrip("\"'”’»)").endswith((".", "!", "?", "。"))
        and letters >= LETTERS_SHARE * len(sentence)
        and len(distinct_words(sentence)) >= FEWEST_CONTENT_WORDS
    )


def term_of(sentence: str, weights: Mapping[str, float]) -> str:
    """What a question may ask for: a name, else a number, else the rarest word; what comes twice gives itself away."""
    for pattern in (_NAME, _NUMBER):
        terms: list[str] = pattern.findall(sentence)
        once = [term for term in terms if sentence.count(term) == 1]
        if once:
            return max(once, key=lambda term: _weight(term, weights))
    words: list[str] = [word for word in _WORD.findall(sentence) if word.casefold() not in STOP_WORDS]
    return max(words, key=lambda word: (sentence.count(word) == 1, _weight(word, weights)))


def _weight(words: str, weights: Mapping[str, float]) -> float:
    return max((weights.get(word, 0.0) for word in content_words(words)), default=0.0)


def _weights(material: Iterable[Material]) -> Mapping[str, float]:
    return inverse_document_frequencies(content_words(chunk) for one in material for chunk in one.chunks)


def _shared(material: Iterable[Material]) -> set[str]:
    holders: Counter[str] = Counter()
    for one in material:
        sentences = {flat(span.of(chunk)) for chunk in one.chunks for span in sentence_spans(chunk)}
        holders.update(sentences)
    return {sentence for sentence, count in holders.items() if count > 1}


def _is_telling(title: str, source: str) -> bool:
    """No file's name, and words enough to tell one document from another."""
    return title.strip() != source and not re.search(r"\.\w{2,5}$", title) and len(distinct_words(title)) >= 2
