"""Words that carry meaning, reduced so that a plural meets its singular."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*")
_NUMBER = re.compile(r"\d[\d.,]*")
STOP_WORDS = frozenset(
    "a about above after again all am an and any are as at be because been before being below between both but by can "
    "could did do does doing down during each few for from further had has have having he her here hers him his how i "
    "if in into is it its itself just me more most my no nor not of off on once only or other our ours out over own "
    "same she should so some such than that the their theirs them then there these they this those through to too "
    "under until up very was we were what when where which while who whom why will with would you your yours s t d ll "
    "m re ve".split()
)


ROOT_ENDINGS = ("ings", "ing", "ed", "ers", "er", "es", "e", "ly")
ROOT_LEAST_CHARS = 4
ROOT_CHARS = 7
ROOT_READ_CHARS = ROOT_CHARS + max(map(len, ROOT_ENDINGS))  # what follows changes nothing


def content_words(text: str) -> list[str]:
    """The stems of the words in reading order, stop words left out."""
    return [stem(word) for word in _WORD.findall(text.casefold()) if word not in STOP_WORDS]


def distinct_words(text: str) -> set[str]:
    """The same, each once and in no order, for less."""
    return {stem(word) if word[-1] == "s" else word for word in set(_WORD.findall(text.casefold())) - STOP_WORDS}


def stem(word: str) -> str:
    """Harman's S stemmer ("How effective is suffixing?", 1991): plurals only, so it seldom errs."""
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("us", "ss")):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    return word[:-1]


def roots(text: str) -> set[str]:
    """The beginnings of its content words, so that "filming" meets "film" and "filmed"."""
    return {_root(word[:ROOT_READ_CHARS]) for word in distinct_words(text)}


def numbers(text: str) -> set[str]:
    """The numbers in a text, thousands separators and trailing zeros aside."""
    found = (match.rstrip(".,").replace(",", "") for match in _NUMBER.findall(text))
    return {number.rstrip("0").rstrip(".") if "." in number else number for number in found}


def inverse_document_frequencies(texts: Iterable[Iterable[str]]) -> Mapping[str, float]:
    """ln(1 + N / df) of each word among N texts; rare words weigh more."""
    counts: Counter[str] = Counter()
    total = 0
    for words in texts:
        counts.update(set(words))
        total += 1
    return {word: math.log(1 + total / count) for word, count in counts.items()}


@lru_cache(maxsize=16_384)
def _root(word: str) -> str:
    """Without an ending, if 4 letters are left, and cut: a stem that says which words are rare, and no more."""
    ending = next((end for end in ROOT_ENDINGS if word.endswith(end) and len(word) - len(end) >= ROOT_LEAST_CHARS), "")
    return word[: len(word) - len(ending)][:ROOT_CHARS]
