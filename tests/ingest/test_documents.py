"""The nouns of the write path."""

import itertools
import time

import pytest

from ingest.documents import new_id


def test_ids_differ_and_sort_by_when_they_were_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for moment_ms in (0, 1, 15, 16, 1_790_000_000_000, 1_790_000_000_001):
        monkeypatch.setattr(time, "time_ns", lambda ms=moment_ms: ms * 1_000_000 + 999_999)
        made.append([new_id("doc") for _ in range(100)])
    ids = [one for together in made for one in together]
    assert len(set(ids)) == 600
    assert {len(one) for one in ids} == {len("doc_") + 32}
    assert all(max(before) < min(after) for before, after in itertools.pairwise(made))
