"""How well verdicts tell support from what only looks like it: `python -m bench --verdicts`.

Claims are made of questions and their gold answers ("When did it open?", "1932" → "it open 1932"): clumsier than a
language model's sentences, in other words than the passage's, and made the same way for all. Each is held against the
sentence that has the answer, and beside it against the sentence before or after, with one number changed, and with one
name changed; negations are of the passage's own sentences. AUROC is the chance that the supported one of two scores
higher, ties counting half: Hanley and McNeil, "The meaning and use of the area under a ROC curve", 1982.
"""

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures import lines
from ingest.sentences import sentence_spans
from rag_api.core.verifying import support

SETS = ("squad2", "nq")
KINDS = ("neighbour", "number", "name", "negation")
SEED = 7
ANSWER_CHARS = 120
_ASKS = re.compile(
    r"^\s*(?:(?:in|on|at|for|to|from|by|of|with|during|about)\s+)?"
    r"(?:what|which|who|whom|whose|when|where|why|how(?:\s+(?:many|much|long|old|far|often))?)\b"
    r"(?:\s+(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would))?",
    re.IGNORECASE,
)
_NAME = re.compile(r"\b[A-Z][a-z]{3,}\b")
_AUXILIARY = re.compile(r"\b(is|are|was|were|has|have|had|can|could|will|would|did|does)\b")


@dataclass(frozen=True, slots=True)
class Pair:
    """The same kind of claim, once supported and once not, each with the sentence it is held against."""

    kind: str
    right: tuple[str, str]
    wrong: tuple[str, str]
    document: str = ""
    title: str = ""


def verdicts(say: Callable[[str, dict[str, Any]], None], folder: Path) -> None:
    for name in SETS:
        pairs = list(made_pairs(folder / name, random.Random(SEED)))
        for kind in KINDS:
            mine = [pair for pair in pairs if pair.kind == kind]
            right = [support(*pair.right).score for pair in mine]
            wrong = [support(*pair.wrong).score for pair in mine]
            say(f"verdicts, {name}, {kind}", {"pairs": len(mine), "auroc": round(auroc(right, wrong), 3)})


def auroc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """From 0 to 1; 0.5 is no better than a coin."""
    ordered = np.sort(wrong)
    lower, not_higher = (np.searchsorted(ordered, right, side) for side in ("left", "right"))
    return float((lower + not_higher).sum() / (2 * len(right) * len(wrong)))


def made_pairs(folder: Path, chance: random.Random) -> Iterator[Pair]:
    documents = {document["doc_id"]: document for document in lines(folder / "corpus.jsonl")}
    texts = {name: document["text"] for name, document in documents.items()}
    names = sorted({name for text in texts.values() for name in _NAME.findall(text)})
    for query in lines(folder / "queries.jsonl"):
        answer = next(iter(query["spans"]), None) if query["answerable"] else None
        if answer is None or answer["end"] - answer["start"] > ANSWER_CHARS:
            continue
        text = texts[answer["doc_id"]]
        sentences = [span.of(text) for span in sentence_spans(text)]
        at = sum(span.end <= answer["start"] for span in sentence_spans(text))
        said = text[answer["start"] : answer["end"]]
        if at < len(sentences) and said in sentences[at]:
            claim = f"{_ASKS.sub('', query['text']).strip(' ?.')} {said}"
            title = documents[answer["doc_id"]]["title"]
            for pair in _made(claim, at, sentences, names, chance):
                yield replace(pair, document=answer["doc_id"], title=title)


def _made(claim: str, at: int, sentences: Sequence[str], names: Sequence[str], chance: random.Random) -> Iterator[Pair]:
    sentence = sentences[at]
    for beside in (at - 1, at + 1):
        if 0 <= beside < len(sentences):
            yield Pair("neighbour", (claim, sentence), (claim, sentences[beside]))
    digits = re.findall(r"\d[\d,.]*\d|\d", claim)
    if digits and all(one in sentence for one in digits):
        old = new = chance.choice(digits)
        while new == old:
            new = re.sub(r"\d", lambda _: str(chance.randint(1, 9)), old)
        yield Pair("number", (claim, sentence), (claim.replace(old, new, 1), sentence))
    if known := [name for name in _NAME.findall(claim) if name in sentence]:
        other = chance.choice([name for name in chance.sample(names, 20) if name not in sentence])
        yield Pair("name", (claim, sentence), (claim.replace(chance.choice(known), other, 1), sentence))
    if verb := _AUXILIARY.search(sentence):
        denied = f"{sentence[: verb.end()]} not{sentence[verb.end() :]}"
        yield Pair("negation", (sentence, sentence), (denied, sentence))
