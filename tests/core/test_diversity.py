"""Copies give way to what is unlike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.diversity import Placed, are_any_alike, diverse, likeness

FERRY = "The ferry to Rona leaves the northern pier at noon on weekdays"
COPY = f"{FERRY} only"
OTHER = "Dogs travel free of charge in the lower saloon of every boat"
WORDS = st.lists(st.sampled_from("the ferry to Rona leaves a pier at noon dogs free boat".split()), max_size=12)
TEXTS = st.lists(st.builds(Placed, st.sampled_from("abc"), WORDS.map(" ".join)), max_size=8)


@given(WORDS.map(frozenset), WORDS.map(frozenset))
def test_likeness_is_a_share_and_the_same_both_ways(one: frozenset[str], other: frozenset[str]) -> None:
    assert 0 <= likeness(one, other) <= 1
    assert likeness(one, other) == likeness(other, one)
    if one:
        assert likeness(one, one) == 1


@given(TEXTS, st.data())
def test_every_text_keeps_one_place_and_without_copies_all_stay(texts: list[Placed], data: st.DataObject) -> None:
    scores = sorted(data.draw(st.lists(st.floats(0, 1), min_size=len(texts), max_size=len(texts))), reverse=True)
    order = diverse(texts, scores, weight=0.1)
    assert sorted(order) == list(range(len(texts)))
    assert diverse(texts, scores, weight=0) == list(range(len(texts)))
    if not are_any_alike(texts):
        assert order == list(range(len(texts)))


@pytest.mark.parametrize(("score_of_other", "order"), [(0.45, [0, 2, 1]), (0.3, [0, 1, 2])])
def test_a_copy_gives_way_to_what_is_nearly_as_good_and_to_nothing_worse(
    score_of_other: float, order: list[int]
) -> None:
    texts = [Placed("2024", FERRY), Placed("2025", COPY), Placed("pets", OTHER)]
    assert are_any_alike(texts)
    assert diverse(texts, [0.5, 0.5, score_of_other], weight=0.1) == order


def test_what_a_document_says_twice_is_no_copy() -> None:
    texts = [Placed("2024", FERRY), Placed("2024", COPY), Placed("pets", OTHER)]
    assert not are_any_alike(texts)
    assert diverse(texts, [0.5, 0.49, 0.48], weight=0.1) == [0, 1, 2]
