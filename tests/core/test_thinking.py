from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag_api.core.thinking import ThinkingParter

TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "thi", "</thi", " ", "\n", "nk>", "well", "Six.", ">"]), max_size=12
).map("".join)


def parted(*pieces: str) -> tuple[str, str]:
    parter = ThinkingParter()
    found = [*(parter.feed(piece) for piece in pieces), parter.finish()]
    return "".join(reasoning for reasoning, _ in found), "".join(text for _, text in found)


@pytest.mark.parametrize(
    ("said", "reasoning", "text"),
    [
        ("Six.", "", "Six."),
        ("<think>Well.</think>Six.", "Well.", "Six."),
        ("\n<think>\nWell.\n</think>\n\nSix.\n", "\nWell.\n", "Six.\n"),
        ("<think></think>Six.", "", "Six."),
        ("<think>never ends", "never ends", ""),
        ("<think>half an end</thi", "half an end</thi", ""),
        ("Six <think>is text</think>.", "", "Six <think>is text</think>."),
        ("<think>a</think><think>b</think>", "a", "<think>b</think>"),
        ("<thin", "", "<thin"),
        ("  Six.", "", "  Six."),
        ("", "", ""),
    ],
)
def test_only_thinking_at_the_beginning_is_taken_out(said: str, reasoning: str, text: str) -> None:
    assert parted(said) == (reasoning, text)


@given(TEXTS, st.data())
@example("<think>well</think> Six.", None)
def test_the_text_may_be_cut_anywhere(said: str, data: st.DataObject | None) -> None:
    whole = parted(said)
    assert parted(*said) == whole
    if data:
        places = [0, *sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=5))), len(said)]
        assert parted(*(said[a:b] for a, b in pairwise(places))) == whole


def test_what_is_certain_is_given_at_once() -> None:
    parter = ThinkingParter()
    assert parter.feed("<think>We") == ("We", "")
    assert parter.feed("ll.</") == ("ll.", "")
    assert parter.feed("think>\nSix") == ("", "Six")
    assert parter.feed(" <think>") == ("", " <think>")
