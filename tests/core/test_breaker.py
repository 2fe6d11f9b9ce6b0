from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.breaker import Breaker


def opened(at_s: float = 0.0) -> Breaker:
    breaker = Breaker(failures=3, open_s=30)
    for _ in range(3):
        assert breaker.admits(at_s)
        breaker.failed(at_s)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    breaker = Breaker(failures=3, open_s=30)
    for _ in range(2):
        breaker.failed(0)
    assert breaker.state(0) == "closed"
    breaker.ended()
    for _ in range(2):
        breaker.failed(0)
    assert breaker.state(0) == "closed"
    breaker.failed(0)
    assert (breaker.state(0), breaker.admits(0), breaker.rest_s(10)) == ("open", False, 20)


def test_after_a_while_one_probe_is_let_through_and_only_one() -> None:
    breaker = opened()
    assert not breaker.admits(29.9)
    assert breaker.state(30) == "half_open"
    assert [breaker.admits(30), breaker.admits(30)] == [True, False]


def test_a_probe_that_is_heard_closes_it_and_one_that_fails_opens_it_again() -> None:
    breaker = opened()
    assert breaker.admits(30)
    breaker.heard()
    assert (breaker.state(30), breaker.admits(30)) == ("closed", True)
    breaker.failed(31)
    assert breaker.state(31) == "open"
    assert breaker.admits(61)
    breaker.failed(61)
    assert (breaker.state(61), breaker.rest_s(61)) == ("open", 30)


def test_a_probe_whose_caller_has_gone_leaves_its_place_to_the_next() -> None:
    breaker = opened()
    assert breaker.admits(30)
    breaker.left()
    assert breaker.admits(31)


def test_after_a_good_end_it_takes_all_failures_again_to_open() -> None:
    breaker = opened()
    assert breaker.admits(30)
    breaker.heard()
    breaker.ended()
    for _ in range(2):
        breaker.failed(31)
    assert breaker.state(31) == "closed"


@given(st.lists(st.sampled_from(["ended", "failed", "left", "heard"]), max_size=60))
def test_it_never_refuses_for_ever(steps: list[str]) -> None:
    breaker, now_s = Breaker(failures=2, open_s=5), 0.0
    for step in steps:
        now_s += 1
        if not breaker.admits(now_s):
            continue
        if step == "failed":
            breaker.failed(now_s)
        elif step == "heard":
            breaker.heard()
            breaker.left()
        else:
            getattr(breaker, step)()
    assert breaker.admits(now_s + 5)
