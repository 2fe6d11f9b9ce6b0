"""Two runs side by side, question by question. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rag_api.evaluation.figures import Measure, measures
from rag_api.evaluation.intervals import Interval, Mark, mark, paired_interval
from rag_api.evaluation.outcomes import Run


@dataclass(frozen=True, slots=True)
class Difference:
    """Ours less theirs, over the questions that have a value in both."""

    measure: Measure
    ours: float
    theirs: float
    interval: Interval
    pairs: int
    mark: Mark

    @property
    def name(self) -> str:
        return self.measure.name

    @property
    def value(self) -> float:
        return self.ours - self.theirs

    def as_json(self) -> dict[str, Any]:
        values = {"name": self.name, "ours": self.ours, "theirs": self.theirs, "difference": self.value}
        return values | {**asdict(self.interval), "pairs": self.pairs, "mark": self.mark}


def differences(ours: Run, theirs: Run, *, seed: int) -> list[Difference]:
    """Of the figures that both have; questions that only one of them has, or that failed in one, are left out."""
    theirs_by_name = {measure.name: measure for measure in measures(theirs.outcomes)}
    return [
        found
        for measure in measures(ours.outcomes)
        if measure.name in theirs_by_name and (found := _difference(measure, ours, theirs, seed))
    ]


def only_in_one(ours: Run, theirs: Run) -> tuple[int, int]:
    """How many questions only ours has, and only theirs."""
    asked, asked_there = ({outcome.question.text for outcome in run.outcomes} for run in (ours, theirs))
    return len(asked - asked_there), len(asked_there - asked)


def _difference(measure: Measure, ours: Run, theirs: Run, seed: int) -> Difference | None:
    here, there = measure.values(ours.outcomes), measure.values(theirs.outcomes)
    common = [question for question in here if question in there]
    if not common:
        return None
    pairs = _columns([(here[question], there[question]) for question in common])
    found = paired_interval(*pairs, measure.statistic, seed=seed)
    decided = mark(found, len(common), higher_is_better=measure.higher_is_better)
    return Difference(measure, measure.of(pairs[0]), measure.of(pairs[1]), found, len(common), decided)


def _columns(pairs: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [ours for ours, _ in pairs], [theirs for _, theirs in pairs]
