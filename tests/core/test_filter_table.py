from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rag_api.core.filter_table import FilterTable, document_key, sorted_keys
from rag_api.core.filters import matches, parse_filter, restricted, seen_by_filter
from tests.core.test_filters import FILTERS, RECORDS

NAMES = st.sampled_from(["a", "b", "c", "d", "e", "f"])
SOME_GROUPS = st.lists(st.sampled_from(["staff", "board", ""]), max_size=2)
STEPS = st.lists(
    st.tuples(st.just("put"), NAMES, RECORDS, SOME_GROUPS, st.integers(0, 5)) | st.tuples(st.just("drop"), NAMES),
    max_size=25,
)


def seen(name: str, metadata: dict[str, Any], acl: list[str]) -> dict[str, Any]:
    record = {"document_id": name, "source": f"{name}.txt", "title": name.upper(), "media_type": "text/plain",
              "created_at": "2026-01-02", "metadata": metadata, "acl": acl}  # fmt: skip
    return seen_by_filter(record)


def taken(steps: list[Any]) -> tuple[FilterTable, dict[str, tuple[dict[str, Any], int]]]:
    """The table after these steps, and what it should hold."""
    table, held = FilterTable(), {}
    for action, name, *rest in steps:
        if action == "put":
            metadata, acl, chunks = rest
            held[name] = (seen(name, metadata, acl), chunks)
            table.put(name, held[name][0], chunks=chunks)
        else:
            table.drop(name)
            held.pop(name, None)
    return table, held


@settings(max_examples=300)
@given(STEPS, FILTERS, st.none() | st.frozensets(st.sampled_from(["staff", "board", "", "others"]), max_size=2))
def test_the_table_finds_what_a_look_at_each_document_finds(steps: Any, raw: Any, groups: Any) -> None:
    table, held = taken(steps)
    wanted = restricted(parse_filter(raw), groups)
    assert wanted is not None
    table.prepare(wanted)
    passing = table.passing(wanted)
    expected = {name for name, (record, _) in held.items() if matches(wanted, record)}
    assert set(passing) == expected
    assert len(passing) == len(expected)
    assert {name for name in "abcdef" if name in passing} == expected
    assert passing.chunks == sum(held[name][1] for name in expected)
    assert passing.keys.tolist() == sorted_keys(expected).tolist()
    assert table.total_chunks == sum(chunks for _, chunks in held.values())


@given(STEPS, STEPS, FILTERS)
def test_what_has_been_compared_stays_in_order_as_documents_come_and_go(first: Any, then: Any, raw: Any) -> None:
    wanted = parse_filter(raw)
    assert wanted is not None
    table, _ = taken(first)
    table.prepare(wanted)
    for action, name, *rest in then:
        if action == "put":
            table.put(name, seen(name, rest[0], rest[1]), chunks=rest[2])
        else:
            table.drop(name)
    anew, _ = taken([*first, *then])
    assert set(table.passing(wanted)) == set(anew.passing(wanted))


def test_an_answer_stays_what_it_was_when_the_table_goes_on() -> None:
    table = FilterTable()
    table.put("a", seen("a", {"year": 1}, []), chunks=1)
    wanted = parse_filter({"year": 1})
    assert wanted is not None
    passing = table.passing(wanted)
    table.put("b", seen("b", {"year": 1}, []), chunks=1)
    table.drop("a")
    assert (set(table.passing(wanted)), len(passing)) == ({"b"}, 1)
    assert "b" not in passing


def test_a_table_of_little_else_than_the_past_says_so() -> None:
    table = FilterTable()
    for i in range(1_500):
        table.put("a", seen("a", {"year": i}, []), chunks=1)
    assert table.is_sparse
    assert not FilterTable().is_sparse


def test_numbers_that_are_too_long_for_an_index_and_no_numbers_are_met() -> None:
    table = FilterTable()
    for name, value in {"a": 10**400, "b": float("nan"), "c": float("inf"), "d": -(2**70)}.items():
        table.put(name, seen(name, {"size": value}, []), chunks=1)
    for raw, expected in (
        ({"size": {"$gt": 5}}, {"a", "c"}),
        ({"size": {"$lt": 0}}, {"d"}),
        ({"size": 10**400}, {"a"}),
        ({"size": {"$ne": 10**400}}, {"b", "c", "d"}),
        ({"size": {"$gte": float("nan")}}, set()),
    ):
        wanted = parse_filter(raw)
        assert wanted is not None
        assert set(table.passing(wanted)) == expected, raw


def test_keys_are_positive_and_apart() -> None:
    keys = {document_key(f"doc_{i}") for i in range(10_000)}
    assert len(keys) == 10_000
    assert min(keys) >= 0 and max(keys) < 2**63
