"""From outcomes to figures, each with its interval. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rag_api.evaluation.intervals import Interval, Statistic, interval, mean_of, percentile_of
from rag_api.evaluation.metrics import percentile
from rag_api.evaluation.outcomes import Outcome, Run
from rag_api.evaluation.scoring import depths

PERCENTILES = (50, 95, 99)
WAITS = ("search", "first_text", "answer")
LABELS: Mapping[str, str] = {
    "recall": "expected documents among the first {k}",
    "ndcg": "their order in the first {k}",
    "mrr": "1 / rank of the first expected document",
    "phrase": "an expected phrase in the first {k} hits",
    "answer_phrase": "the answer holds an expected phrase",
    "quote_phrase": "the first citation's quote does",
    "refused_rightly": "unanswerable questions that are refused",
    "refused_wrongly": "answerable questions that are refused",
    "citations_supported": "citations whose quote supports the sentence",
    "quotes_exact": "quotes that equal the document's characters",
    "search": "a search",
    "first_text": "an answer's first text",
    "answer": "a whole answer",
}


@dataclass(frozen=True, slots=True)
class Measure:
    """What is computed of all questions that have a value: of shares the mean, of times a percentile."""

    name: str
    label: str
    unit: str  # share or ms
    higher_is_better: bool
    value_of: Callable[[Outcome], float | None]
    statistic: Statistic
    is_search_only: bool

    def values(self, outcomes: Iterable[Outcome]) -> dict[str, float]:
        """By question."""
        found = ((outcome.question.text, self.value_of(outcome)) for outcome in outcomes)
        return {question: value for question, value in found if value is not None}

    def of(self, values: Sequence[float]) -> float:
        if self.unit == "share":
            return sum(values) / len(values)
        return percentile(values, float(re.findall(r"_p(\d+)_ms$", self.name)[0]))


@dataclass(frozen=True, slots=True)
class Figure:
    measure: Measure
    value: float
    interval: Interval
    questions: int

    @property
    def name(self) -> str:
        return self.measure.name

    def as_json(self) -> dict[str, Any]:
        shown = {"name": self.name, "label": self.measure.label, "unit": self.measure.unit}
        return shown | {"value": self.value, **asdict(self.interval), "questions": self.questions}


def possible_names(top_k: int, *, with_answers: bool) -> list[str]:
    """The figures that a run may have; which it has is up to its questions."""
    at_depths = [f"{kind}@{k}" for kind in ("recall", "ndcg", "phrase") for k in depths(top_k)]
    of_answers = [name for name in LABELS if name not in (*WAITS, "recall", "ndcg", "mrr", "phrase")]
    waits = WAITS if with_answers else WAITS[:1]
    times = [f"{wait}_p{percent}_ms" for wait in waits for percent in PERCENTILES]
    return [*at_depths, f"mrr@{top_k}", *(of_answers if with_answers else ()), *times]


def measures(outcomes: Iterable[Outcome]) -> list[Measure]:
    """Those of which any outcome has a value, in the order of a report."""
    scores: set[str] = set()
    waits: set[str] = set()
    for outcome in outcomes:
        scores |= outcome.scores.keys()
        waits |= outcome.times_ms.keys()
    kinds = list(LABELS)
    ordered = sorted(scores, key=lambda name: (kinds.index(_kind(name)), _depth(name)))
    shares = [_share(name) for name in ordered]
    return shares + [_time(wait, percent) for wait in WAITS if wait in waits for percent in PERCENTILES]


def figures(run: Run, *, seed: int) -> list[Figure]:
    found: list[Figure] = []
    for measure in measures(run.outcomes):
        values = list(measure.values(run.outcomes).values())
        found.append(Figure(measure, measure.of(values), interval(values, measure.statistic, seed=seed), len(values)))
    return found


@dataclass(frozen=True, slots=True)
class Counts:
    questions: int
    answerable: int
    failures: Mapping[str, int]  # by "stage: code"
    degraded: int
    missing: int  # expected documents that are not in the collection
    citations: int
    exact: int
    unchecked: int
    grounding: Mapping[str, int]  # citations by verdict

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def count(run: Run) -> Counts:
    failures = Counter(f"{one.stage}: {one.code}" for outcome in run.outcomes for one in outcome.failures)
    cited = [one for outcome in run.outcomes if outcome.answer for one in outcome.answer.citations]
    return Counts(
        questions=len(run.outcomes),
        answerable=sum(outcome.question.answerable for outcome in run.outcomes),
        failures=dict(failures),
        degraded=sum(bool(outcome.degraded) for outcome in run.outcomes),
        missing=sum(len(outcome.missing) for outcome in run.outcomes),
        citations=len(cited),
        exact=sum(one.is_exact is True for one in cited),
        unchecked=sum(one.is_exact is None for one in cited),
        grounding=dict(Counter(one.verdict for one in cited)),
    )


def shown(value: float, unit: str, *, signed: bool = False) -> str:
    """A share in per cent, a time in milliseconds."""
    number = 100 * value if unit == "share" else value
    text = f"{number:+.1f}" if signed else f"{number:.1f}"
    return text.replace("-", "−") + (" %" if unit == "share" else " ms")


def _share(name: str) -> Measure:
    kind = _kind(name)
    return Measure(
        name=name,
        label=LABELS[kind].format(k=_depth(name)),
        unit="share",
        higher_is_better=kind != "refused_wrongly",
        value_of=lambda outcome: outcome.scores.get(name),
        statistic=mean_of,
        is_search_only="@" in name,
    )


def _time(wait: str, percent: int) -> Measure:
    return Measure(
        name=f"{wait}_p{percent}_ms",
        label=f"{LABELS[wait]}, {percent} % are not slower",
        unit="ms",
        higher_is_better=False,
        value_of=lambda outcome: outcome.times_ms.get(wait),
        statistic=percentile_of(percent),
        is_search_only=wait == "search",
    )


def _kind(name: str) -> str:
    return name.partition("@")[0]


def _depth(name: str) -> int:
    return int(name.partition("@")[2] or 0)
