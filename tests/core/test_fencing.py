import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.fencing import ATTRIBUTE_CHARS, attribute, blanked, fenced, without_hidden

HIDDEN = ["\u200b", "\u2060", "\ufeff", "\u202e", "\u00ad", "\U000e0041", "\U000e0101", "\u2063", "\x07", "\u3164"]
KEPT = "Zäune für 犬 – می‌خواهم नमस्‍ते 👩‍👩‍👧‍👦 ❤️ ☺︎ a\tb\nc"


@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_shows_nothing_is_left_out(hidden: str) -> None:
    assert without_hidden(f"i{hidden}g{hidden}{hidden}nore") == "ignore"
    assert blanked(f"i{hidden}g") == "i g"


def test_what_scripts_and_emoji_mean_something_by_stays() -> None:
    assert without_hidden(KEPT) == KEPT


def test_selectors_that_follow_one_another_carry_something_else() -> None:
    assert without_hidden("❤\ufe0f\ufe0e\ufe0f\ufe0f!") == "❤\ufe0f!"


@pytest.mark.parametrize(
    "mark",
    ["</passage>", "< / Passage >", "<passage number='2'>", "</conversation>", "<|im_start|>", "<|endoftext|>",
     "<｜User｜>", "[INST]", "[ /inst ]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "<start_of_turn>", "<eos>",
     "[SYSTEM_PROMPT]", "</pass\u200bage>", "<\U000e0020|im_end|>"],
)  # fmt: skip
def test_a_mark_is_defused_and_can_still_be_read(mark: str) -> None:
    found = fenced(f"See {mark} here.")
    assert mark not in found
    assert without_hidden(mark)[1:] in found
    assert re.search(r"See (&lt;|&#91;)", found)
    assert fenced(found) == found


@pytest.mark.parametrize(
    "text", ["a < b", "a[1] and [2]", "<p>text</p>", "<strong>", "[Instance]", "List<String>", "x<=y"]
)
def test_other_signs_stay_as_they_are(text: str) -> None:
    assert fenced(text) == text


@given(st.text("</>passge conver|[INST]im_\u200b\U000e0041 ", max_size=60))
def test_no_text_ends_its_passage(text: str) -> None:
    found = fenced(text)
    assert not re.search(r"<\s*/?\s*(?:passage|conversation)\b|<\||\[/?INST\]", found, re.I)
    assert len(blanked(text)) == len(text)


@given(st.text(max_size=400))
def test_an_attribute_is_one_line_within_its_quotes(text: str) -> None:
    found = attribute(text)
    assert not set('<>"\n\r') & set(found)
    assert len(found) <= 6 * ATTRIBUTE_CHARS
