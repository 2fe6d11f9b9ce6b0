"""What cosines mean in a generation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.calibrating import (
    FEWEST_DRAWN,
    LEAST_SEPARATION,
    MOST_DRAWN,
    USUAL_SEPARATION,
    Background,
    draw_words,
    is_trusted,
    relative,
    stretch,
)

SAID = "The ferry to Rona leaves the northern pier at noon on weekdays."
ALSO = "Tickets for dogs, bicycles and large parcels are sold on board."


def test_sentences_are_drawn_at_even_distances_from_all_over_each_text() -> None:
    texts = [f"{SAID} {ALSO} Number {n}." for n in range(3 * MOST_DRAWN)]
    drawn = draw_words(texts)
    assert len(drawn) == MOST_DRAWN
    assert set(drawn) == {"ferry leave pier weekday", "ticket bicycle parcel board"}


def test_what_says_little_or_goes_on_for_pages_is_not_drawn() -> None:
    endless = " ".join(f"word{n}" for n in range(200))
    assert draw_words(["Page 3.", "", f"{endless}.", f"Fares\n\n{SAID}"]) == ["ferry leave pier weekday"]
    assert draw_words([]) == []


@given(st.floats(-1, 1))
def test_cosines_are_stretched_to_what_they_mean_with_the_default_model_and_never_shrunk(separation: float) -> None:
    found = stretch(separation)
    assert found >= 1
    if LEAST_SEPARATION <= separation <= USUAL_SEPARATION:
        assert separation * found == pytest.approx(USUAL_SEPARATION)


@given(st.floats(-1, 1), st.floats(0, 0.9), st.floats(1, 2))
def test_a_stretched_cosine_is_never_more_than_that_of_the_text_itself(
    cosine: float, unrelated: float, by: float
) -> None:
    background = Background(unrelated, 1, {}, by)
    assert background.relative(cosine) <= 1
    assert background.relative(unrelated) == 0
    assert abs(background.relative(cosine)) >= abs(min(1.0, relative(cosine, unrelated))) - 1e-9


def test_few_sentences_or_such_as_hardly_stand_out_are_not_to_be_trusted() -> None:
    assert is_trusted(LEAST_SEPARATION, drawn=FEWEST_DRAWN)
    assert not is_trusted(LEAST_SEPARATION, drawn=FEWEST_DRAWN - 1)
    assert not is_trusted(LEAST_SEPARATION - 0.01, drawn=MOST_DRAWN)
