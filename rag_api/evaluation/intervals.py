"""How far figures may be from what other questions of the same kind would give: the bootstrap over questions.

Percentile intervals (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3). Two configurations
that were asked the same questions are compared by resampling questions, each with both its values (Sakai, "Evaluating
evaluation metrics based on the bootstrap", 2006). Does not promise anything about questions of another kind, and is
too narrow for a handful of them, so below FEWEST nothing is decided.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
CONFIDENCE = 0.95
FEWEST = 10
VALUES_AT_ONCE = 2_000_000

Floats: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Callable[[Floats], Any]  # of each row
Mark: TypeAlias = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


def mean_of(rows: Floats) -> Any:
    return rows.mean(axis=1)


def percentile_of(percent: float) -> Statistic:
    return lambda rows: np.percentile(rows, percent, axis=1)


def interval(values: Sequence[float], statistic: Statistic = mean_of, *, seed: int) -> Interval:
    """The 95 % interval of a statistic of these values. Raises ValueError without a value."""
    return _interval([np.asarray(values, dtype=float)], lambda samples: statistic(samples[0]), seed)


def paired_interval(
    ours: Sequence[float], theirs: Sequence[float], statistic: Statistic = mean_of, *, seed: int
) -> Interval:
    """The 95 % interval of the statistic of ours less that of theirs, value by value of the same question."""
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} and {len(theirs)} values can't be paired")
    pair = [np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)]
    return _interval(pair, lambda samples: statistic(samples[0]) - statistic(samples[1]), seed)


def mark(difference: Interval, pairs: int, *, higher_is_better: bool) -> Mark:
    """Decided where the interval leaves 0 out."""
    if pairs < FEWEST or difference.low <= 0 <= difference.high:
        return "undecided"
    return "better" if (difference.low > 0) == higher_is_better else "worse"


def _interval(columns: Sequence[Floats], statistic: Callable[[list[Floats]], Any], seed: int) -> Interval:
    size = len(columns[0])
    if not size:
        raise ValueError("there is nothing to resample")
    random = np.random.default_rng(seed)
    rows = max(1, VALUES_AT_ONCE // size)
    found: list[Floats] = []
    for begin in range(0, RESAMPLES, rows):
        drawn = random.integers(0, size, (min(rows, RESAMPLES - begin), size))
        found.append(np.asarray(statistic([column[drawn] for column in columns]), dtype=float))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.concatenate(found), [tail, 100 - tail])
    return Interval(float(low), float(high))
