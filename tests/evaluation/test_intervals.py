"""The bootstrap: its laws, and how often it is right."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_api.evaluation import intervals
from rag_api.evaluation.intervals import Interval, interval, mark, paired_interval, percentile_of

SHARES = st.floats(0, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(SHARES, min_size=1, max_size=60), st.integers(0, 1000))
def test_the_interval_holds_the_mean_and_stays_within_the_values(values: list[float], seed: int) -> None:
    found = interval(values, seed=seed)
    mean = sum(values) / len(values)
    assert found.low - 1e-9 <= mean <= found.high + 1e-9
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=60), st.integers(0, 1000))
def test_a_paired_interval_holds_the_mean_difference_and_turns_with_the_sides(
    pairs: list[tuple[float, float]], seed: int
) -> None:
    ours, theirs = [one for one, _ in pairs], [other for _, other in pairs]
    found, turned = paired_interval(ours, theirs, seed=seed), paired_interval(theirs, ours, seed=seed)
    difference = sum(ours) / len(ours) - sum(theirs) / len(theirs)
    assert found.low - 1e-9 <= difference <= found.high + 1e-9
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)


def test_what_is_the_same_everywhere_has_no_width() -> None:
    assert interval([0.5] * 20, seed=1) == Interval(0.5, 0.5)
    assert paired_interval([0.25, 0.75] * 10, [0.25, 0.75] * 10, seed=1) == Interval(0, 0)


def test_pairing_sees_what_two_intervals_side_by_side_do_not() -> None:
    random = np.random.default_rng(3)
    theirs = random.uniform(0, 1, 200)
    ours = theirs + 0.02 + random.normal(0, 0.01, 200)
    alone = interval(list(ours), seed=1), interval(list(theirs), seed=1)
    assert alone[0].low < alone[1].high  # they overlap
    assert paired_interval(list(ours), list(theirs), seed=1).low > 0


def test_the_same_seed_gives_the_same_interval_whatever_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    values = list(np.random.default_rng(1).uniform(0, 1, 50))
    whole = interval(values, seed=7)
    assert interval(values, seed=7) == whole
    assert interval(values, seed=8) != whole
    monkeypatch.setattr(intervals, "VALUES_AT_ONCE", 50 * 16)
    assert interval(values, seed=7) == whole


def test_about_95_of_100_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(11)
    samples = [random.binomial(1, 0.7, 120).astype(float) for _ in range(300)]
    found = [interval(list(sample), seed=number) for number, sample in enumerate(samples)]
    held = sum(one.low <= 0.7 <= one.high for one in found)
    assert 270 <= held <= 298  # 285 are expected; a wrong tail or an unresampled mean falls far outside


def test_the_interval_of_a_mean_is_as_wide_as_theory_says() -> None:
    values = np.random.default_rng(5).normal(0, 1, 400)
    found = interval(list(values), seed=2)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_percentiles_have_intervals_too() -> None:
    values = [float(value) for value in range(1, 101)]
    found = interval(values, percentile_of(50), seed=1)
    assert found.low < 50.5 < found.high
    slower = [value + 10 for value in values]
    assert paired_interval(slower, values, percentile_of(50), seed=1) == Interval(10, 10)


def test_only_what_leaves_zero_out_is_decided() -> None:
    assert mark(Interval(0.01, 0.2), 50, higher_is_better=True) == "better"
    assert mark(Interval(0.01, 0.2), 50, higher_is_better=False) == "worse"
    assert mark(Interval(-0.2, -0.01), 50, higher_is_better=True) == "worse"
    assert mark(Interval(-0.2, -0.01), 50, higher_is_better=False) == "better"
    assert mark(Interval(-0.1, 0.1), 50, higher_is_better=True) == "undecided"
    assert mark(Interval(0, 0.1), 50, higher_is_better=True) == "undecided"
    assert mark(Interval(0.5, 0.5), 9, higher_is_better=True) == "undecided"  # too few to believe it


def test_nothing_and_unequal_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        interval([], seed=0)
    with pytest.raises(ValueError, match="paired"):
        paired_interval([1.0], [], seed=0)
