import pytest

from rag_api import inline
from rag_api.inline import Inline


def after(took_s: list[float], monkeypatch: pytest.MonkeyPatch, *, apart_s: float = 0.1) -> bool:
    """Whether it is still on after calls that took so long, one every so often."""
    now = 1_000.0
    monkeypatch.setattr(inline.time, "monotonic", lambda: now)
    tried = Inline()
    for seconds in took_s:
        with tried.timed():
            now += seconds
        now += apart_s
    return tried.is_on


@pytest.mark.parametrize(
    ("took_s", "is_on"),
    [([], True), ([0.01] * 9, True), ([0.5], True), ([0.5, 0.01], True), ([0.03, 0.01, 0.03], False)],
)
def test_two_long_calls_switch_it_off(took_s: list[float], is_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert after(took_s, monkeypatch) == is_on


def test_long_calls_now_and_then_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert after([0.03] * 5, monkeypatch, apart_s=inline.WHILE_S)


def test_it_is_on_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    assert after([0.03, 0.03, 0.0], monkeypatch, apart_s=0.6)


def test_what_is_raised_goes_on() -> None:
    with pytest.raises(KeyError), Inline().timed():
        raise KeyError
