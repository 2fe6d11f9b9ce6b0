"""What sentence vectors would add to verdicts: `python -m bench --similarity`.

The pairs of `bench/verdicts.py`, and more made of them: claims in another order without function words and with their
numbers spelt, claims with other endings, claims denied, and claims with a name of the neighbouring sentence where both
sentences are the passage. Each is scored by words, by the cosine of claim and quote, and by both. How both are put
together, and with what weight, is chosen on some documents (the best mean over the kinds of those that make none worse
by more than `SLACK`) and judged on the others, and on the other set. In the pairs of kind "negation" the right claim is
the sentence itself, with a cosine of 1: they say nothing of vectors, and nothing is chosen by them.
"""

import base64
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench.embedding import CALL_TEXTS, embedder
from bench.verdicts import KINDS, SEED, SETS, Pair, auroc, made_pairs
from ingest.ports import Vectors
from rag_api.core.defaults import DEFAULT_MODEL
from rag_api.core.verifying import SUPPORTED_FROM, Said, support
from rag_api.core.words import STOP_WORDS

FOLDS = 8
SLACK = 0.003
OTHER_KINDS = ("denied", "order", "endings", "name beside")
UNFIT = "negation"
ENDINGS = {"ation": "ed", "ing": "ed", "ied": "ying", "ed": "ing", "ment": "ing", "er": "ing", "ly": "", "ity": ""}
LEAST_CHARS = 4  # of a word without its ending
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{3,}\b")
_SMALL = re.compile(r"\b[a-z]{6,}\b")
_COUNT = re.compile(r"(?<![\d.,])\d{1,4}(?![\d.,]*\d)")
_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "ten ten twenty thirty forty fifty sixty seventy eighty ninety".split()


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one claim or of many, in arrays: the share of its words in the quote, what contradictions leave of it, and
    the cosines of claim and quote, and of claim and "title: quote"."""

    share: Any
    factor: Any
    cosine: Any
    titled: Any

    def of(self, chosen: Any) -> "Measured":
        return Measured(self.share[chosen], self.factor[chosen], self.cosine[chosen], self.titled[chosen])


Form = Callable[[Measured], Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """The pairs of a set with what was measured of their right and of their wrong sides."""

    kinds: Any
    folds: Any
    right: Measured
    wrong: Measured

    def aurocs(self, form: Form, among: Any) -> dict[str, float]:
        right, wrong = form(self.right), form(self.wrong)
        chosen = {kind: among & (self.kinds == kind) for kind in (*KINDS, *OTHER_KINDS)}
        return {kind: auroc(right[mine], wrong[mine]) for kind, mine in chosen.items() if mine.any()}


def by_words(of: Measured) -> Any:
    return of.factor * of.share


def forms() -> dict[str, Form]:
    """Ways to put both together, by name; words alone is one of them."""
    found: dict[str, Form] = {"words": by_words}
    for name in ("cosine", "titled"):
        for weight in (0.05, 0.1, 0.2, 0.35, 0.5):
            found[f"words · {name}^{weight}"] = lambda of, n=name, w=weight: by_words(of) * _cut(of, n) ** w
            found[f"words^{1 - weight} · {name}^{weight}"] = lambda of, n=name, w=weight: (
                of.factor * of.share ** (1 - w) * _cut(of, n) ** w
            )
            found[f"{1 - weight} words + {weight} {name}"] = lambda of, n=name, w=weight: (
                of.factor * ((1 - w) * of.share + w * _cut(of, n))
            )
        for weight in (0.5, 1, 1.5):
            for least in (0.5, 0.6, 0.7):
                found[f"words + {weight} ({name} - {least})"] = lambda of, n=name, w=weight, x=least: np.where(
                    of.share > 0, of.factor * np.minimum(1, of.share + w * np.clip(_cut(of, n) - x, 0, 1)), 0
                )
    return found


def similarity(say: Callable[[str, dict[str, Any]], None], folder: Path) -> None:
    """AUROC by words, by cosine and by both, and by both as chosen on the other set (`moved`); then the shares of
    right and of wrong claims that are called supported, by words and by both from where both call as many right ones
    so."""
    pairs = {name: list(_all_pairs(folder / name)) for name in SETS}
    judged = dict(zip(SETS, _judged([pairs[name] for name in SETS]), strict=True))
    for name, of in judged.items():
        [other] = (one for at, one in judged.items() if at != name)
        moved = _chosen(other, np.ones(len(other.kinds), dtype=bool))
        scores = {form: (use(of.right), use(of.wrong)) for form, use in (("words", by_words), ("cosine", _cosine))}
        both, names = _held_out(of)
        scores |= {"both": both, "moved": (forms()[moved](of.right), forms()[moved](of.wrong))}
        fit = of.kinds != UNFIT
        unsupported = np.mean(scores["words"][0][fit] < SUPPORTED_FROM)
        least = {"words": SUPPORTED_FROM, "both": float(np.quantile(both[0][fit], unsupported))}
        for kind in (*KINDS, *OTHER_KINDS):
            mine = of.kinds == kind
            figures: dict[str, Any] = {"pairs": int(mine.sum())}
            figures |= {form: round(auroc(right[mine], wrong[mine]), 3) for form, (right, wrong) in scores.items()}
            for form, bound in least.items():
                called = (float(np.mean(side[mine] >= bound)) for side in scores[form])
                figures[f"called by {form}"] = " ".join(f"{share:.3f}" for share in called)
            say(f"similarity, {name}, {kind}", figures)
        say(f"similarity, {name}, chosen", {"both": "; ".join(names), "from": round(least["both"], 3), "moved": moved})


def _held_out(of: Judged) -> tuple[tuple[Any, Any], list[str]]:
    """The right and the wrong sides of each document scored in the way that was chosen on the others."""
    right, wrong = np.zeros(len(of.kinds)), np.zeros(len(of.kinds))
    names = []
    for fold in range(FOLDS):
        mine = of.folds == fold
        name = _chosen(of, ~mine)
        names.append(name)
        right[mine], wrong[mine] = forms()[name](of.right.of(mine)), forms()[name](of.wrong.of(mine))
    return (right, wrong), sorted(set(names))


def _chosen(of: Judged, among: Any) -> str:
    alone = of.aurocs(by_words, among)
    means = {}
    for name, form in forms().items():
        found = of.aurocs(form, among)
        if all(found[kind] >= alone[kind] - SLACK for kind in found if kind != UNFIT):
            means[name] = sum(found[kind] for kind in found if kind != UNFIT)
    return max(means, key=lambda name: means[name])


def _cosine(of: Measured) -> Any:
    return of.cosine


def _cut(of: Measured, name: str) -> Any:
    return np.clip(of.cosine if name == "cosine" else of.titled, 0, 1)


def _judged(sets: Sequence[Sequence[Pair]]) -> Iterator[Judged]:
    quotes = {side: support(*side) for pairs in sets for pair in pairs for side in (pair.right, pair.wrong)}
    read = {side: found.span.of(side[1]) for side, found in quotes.items()}
    texts = {text for (claim, _), quote in read.items() for text in (claim, quote)}
    texts |= {f"{p.title}: {read[side]}" for pairs in sets for p in pairs for side in (p.right, p.wrong)}
    vectors = _vectors(sorted(texts, key=len))

    def measured(pair: Pair, side: tuple[str, str]) -> tuple[float, float, float, float]:
        words, quote, claim = Said(side[0]).words, read[side], vectors[side[0]]
        share = len(words & Said(quote).words) / max(1, len(words))
        factor = quotes[side].score / share if share else 1.0
        titled = vectors[f"{pair.title}: {quote}"]
        return share, factor, float(claim @ vectors[quote]), float(claim @ titled)

    for pairs in sets:
        documents = {name: at for at, name in enumerate(sorted({pair.document for pair in pairs}))}
        yield Judged(
            np.array([pair.kind for pair in pairs]),
            np.array([documents[pair.document] % FOLDS for pair in pairs]),
            Measured(*np.array([measured(pair, pair.right) for pair in pairs]).T),
            Measured(*np.array([measured(pair, pair.wrong) for pair in pairs]).T),
        )


def _vectors(texts: Sequence[str]) -> Mapping[str, Vectors]:
    found: dict[str, Vectors] = {}
    with embedder() as socket:
        transport = httpx.HTTPTransport(uds=str(socket), retries=5)
        with httpx.Client(transport=transport, base_url="http://embedder", timeout=60) as http:
            for at in range(0, len(texts), CALL_TEXTS):
                some = texts[at : at + CALL_TEXTS]
                body = {"model": DEFAULT_MODEL, "input": some, "input_type": "document", "encoding_format": "base64"}
                rows = http.post("/v1/embeddings", json=body).raise_for_status().json()["data"]
                raw = (base64.b64decode(row["embedding"]) for row in rows)
                found |= zip(some, (np.frombuffer(one, dtype="<f4") for one in raw), strict=True)
    return found


def _all_pairs(folder: Path) -> Iterator[Pair]:
    chance = random.Random(SEED)
    for pair in made_pairs(folder, random.Random(SEED)):
        yield pair
        if pair.kind == "neighbour":
            yield from _more(pair, chance)


def _more(pair: Pair, chance: random.Random) -> Iterator[Pair]:
    (claim, sentence), (_, beside) = pair.right, pair.wrong
    words = claim.split()
    at = chance.randrange(len(words))
    denied = " ".join([*words[:at], "not", *words[at:]])
    yield replace(pair, kind="denied", wrong=(denied, sentence))
    for kind, other in (("order", _reordered(words)), ("endings", _SMALL.sub(_bent, claim))):
        if other != claim:
            yield replace(pair, kind=kind, right=(other, sentence), wrong=(other, beside))
    mine = [name for name in _NAME.findall(claim) if name in sentence]
    theirs = [name for name in _NAME.findall(beside) if name not in sentence and name not in claim]
    if mine and theirs:
        swapped = claim.replace(chance.choice(mine), chance.choice(theirs), 1)
        passage = f"{sentence} {beside}"
        yield replace(pair, kind="name beside", right=(claim, passage), wrong=(swapped, passage))


def _reordered(words: Sequence[str]) -> str:
    kept = [word for word in words if word.casefold() not in STOP_WORDS]
    half = len(kept) // 2
    return _COUNT.sub(lambda found: _spelt(int(found[0])), " ".join([*kept[half:], *kept[:half]]))


def _bent(found: re.Match[str]) -> str:
    word = found[0]
    ending = next((end for end in ENDINGS if word.endswith(end) and len(word) - len(end) >= LEAST_CHARS), None)
    return word if ending is None else word[: -len(ending)] + ENDINGS[ending]


def _spelt(count: int) -> str:
    if count < len(_ONES):
        return _ONES[count]
    if count < 100:
        return _TENS[count // 10] + (f"-{_ONES[count % 10]}" if count % 10 else "")
    if count < 1000 or 1100 <= count < 2000:
        return f"{_spelt(count // 100)} hundred" + (f" and {_spelt(count % 100)}" if count % 100 else "")
    return f"{_spelt(count // 1000)} thousand" + (f" {_spelt(count % 1000)}" if count % 1000 else "")
