from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag_api.core.retrying import Retries, retry_after_s

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:20 GMT"}, 20),
        ({"retry-after": "Sun, 01 Mar 2026 13:00:20 +0100"}, 20),
        ({"retry-after": "Sun Mar  1 12:00:20 2026"}, 20),
        ({"retry-after": "Sun, 01 Mar 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": ""}, None),
    ],
)
def test_a_wait_is_read_from_seconds_and_dates(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, NOW) == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=40)))
def test_no_header_breaks_it(headers: dict[str, str]) -> None:
    found = retry_after_s(headers, NOW)
    assert found is None or found >= 0


def test_pauses_grow_up_to_a_limit_and_end() -> None:
    retries = Retries(6, asked_most_s=10)
    pauses = [retries.pause_s(i, asked_s=None, chance=1) for i in range(1, 8)]
    assert pauses == [0.5, 1, 2, 4, 8, 8, None]
    assert [retries.pause_s(i, asked_s=None, chance=0) for i in (1, 2, 6)] == [0.25, 0.5, 4]
    assert Retries(0, asked_most_s=10).pause_s(1, asked_s=1, chance=0) is None


def test_what_a_server_asks_for_is_waited_up_to_a_limit() -> None:
    retries = Retries(2, asked_most_s=10)
    assert retries.pause_s(1, asked_s=3, chance=0) == 3
    assert retries.pause_s(1, asked_s=3600, chance=0) == 10
    assert 3 < (retries.pause_s(1, asked_s=3, chance=1) or 0) < 4


def test_with_another_model_at_hand_a_long_wait_is_not_waited() -> None:
    retries = Retries(2, asked_most_s=10, in_haste=True)
    assert retries.pause_s(1, asked_s=3600, chance=0) is None
    assert retries.pause_s(1, asked_s=3, chance=0) == 3
