from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_api.core.filters import MAX_DEPTH, matches, parse_filter
from rag_api.errors import InvalidFilter

FIELDS = st.sampled_from(["year", "tags", "draft"])
SCALARS = st.sampled_from([0, 1, 2, 2.5, -1, "a", "b", "", "10", True, False])
ORDERED = st.sampled_from([0, 1, 2, 2.5, "a", "b", ""])
VALUES = SCALARS | st.none() | st.lists(SCALARS, max_size=3) | st.just({"a": 1})
RECORDS = st.fixed_dictionaries({"year": VALUES}, optional={"tags": VALUES, "draft": VALUES})
CONDITIONS = (
    st.dictionaries(st.sampled_from(["$eq", "$ne"]), SCALARS, min_size=1)
    | st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), ORDERED, min_size=1)
    | st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, max_size=3), min_size=1)
    | SCALARS
)
FILTERS = st.recursive(
    st.dictionaries(FIELDS, CONDITIONS, min_size=1, max_size=3),
    lambda part: st.dictionaries(st.sampled_from(["$and", "$or"]), st.lists(part, min_size=1, max_size=3), min_size=1),
    max_leaves=6,
)


def passes(raw: Any, record: dict[str, Any]) -> bool:
    """The same by other means: straight from the JSON, one item at a time, with types compared by name."""
    for name, wanted in raw.items():
        if name == "$and":
            holds = all(passes(part, record) for part in wanted)
        elif name == "$or":
            holds = any(passes(part, record) for part in wanted)
        else:
            value = record.get(name)
            items = value if isinstance(value, list) else [value] if value is not None else []
            asked = wanted.items() if isinstance(wanted, dict) else [("$eq", wanted)]
            holds = all(_asked(items, operator, operand) for operator, operand in asked)
        if not holds:
            return False
    return True


def _asked(items: list[Any], operator: str, operand: Any) -> bool:
    pairs = [(_kind(item), item) for item in items]
    of_kind = [item for kind, item in pairs if kind == _kind(operand)]
    match operator:
        case "$eq":
            return operand in of_kind
        case "$ne":
            return operand not in of_kind
        case "$in":
            return any(pair == (_kind(one), one) for pair in pairs for one in operand)
        case "$nin":
            return not _asked(items, "$in", operand)
    compared = [(item > operand) - (item < operand) for item in of_kind]
    return any(sign in {"$gt": (1,), "$gte": (0, 1), "$lt": (-1,), "$lte": (-1, 0)}[operator] for sign in compared)


def _kind(value: Any) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def accepts(raw: dict[str, Any], **record: Any) -> bool:
    wanted = parse_filter(raw)
    assert wanted is not None
    return matches(wanted, record)


@settings(max_examples=400)
@given(FILTERS, RECORDS)
def test_a_parsed_filter_matches_what_it_says(raw: dict[str, Any], record: dict[str, Any]) -> None:
    assert accepts(raw, **record) == passes(raw, record)


@given(FIELDS, SCALARS, RECORDS)
def test_ne_is_the_opposite_of_eq_and_nin_of_in(field: str, value: Any, record: dict[str, Any]) -> None:
    assert accepts({field: {"$ne": value}}, **record) is not accepts({field: {"$eq": value}}, **record)
    assert accepts({field: {"$nin": [value]}}, **record) is not accepts({field: {"$in": [value]}}, **record)
    assert accepts({field: {"$in": [value]}}, **record) is accepts({field: value}, **record)


@pytest.mark.parametrize(
    ("raw", "year", "expected"),
    [
        ({"year": 2024}, 2024, True),
        ({"year": 2024}, 2024.0, True),
        ({"year": 2024}, "2024", False),
        ({"year": {"$eq": 2024}}, 2023, False),
        ({"year": {"$ne": 2024}}, 2023, True),
        ({"year": {"$ne": 2024}}, 2024, False),
        ({"year": {"$gt": 2023}}, 2024, True),
        ({"year": {"$gt": 2024}}, 2024, False),
        ({"year": {"$gte": 2024}}, 2024, True),
        ({"year": {"$lt": 2024}}, 2024, False),
        ({"year": {"$lt": 2025}}, 2024, True),
        ({"year": {"$lte": 2024}}, 2024, True),
        ({"year": {"$lte": 2023}}, 2024, False),
        ({"year": {"$gt": 2.5}}, 3, True),
        ({"year": {"$gt": 1, "$lt": 3}}, 2, True),
        ({"year": {"$gt": 1, "$lt": 3}}, 3, False),
        ({"year": {"$in": [1, 2]}}, 2, True),
        ({"year": {"$in": []}}, 2, False),
        ({"year": {"$nin": [1, 2]}}, 2, False),
        ({"year": {"$nin": []}}, 2, True),
        ({"year": {"$gt": "a"}}, "b", True),
        ({"year": {"$gt": "a"}}, 5, False),
        ({"year": {"$gt": 0}}, "5", False),
        ({"year": {"$gte": 0}}, True, False),
        ({"year": 1}, True, False),
        ({"year": True}, 1, False),
        ({"$and": [{"year": {"$gt": 1}}, {"year": {"$lt": 3}}]}, 2, True),
        ({"$or": [{"year": 1}, {"year": 2}]}, 2, True),
        ({"$or": [{"year": 1}, {"year": 2}]}, 3, False),
        ({"$or": [{"year": 1}], "year": 2}, 1, False),
    ],
)
def test_operators_mean_what_they_say(raw: dict[str, Any], year: Any, expected: bool) -> None:
    assert accepts(raw, year=year) is expected


@pytest.mark.parametrize("condition", [1, {"$eq": 1}, {"$in": [1]}, {"$gt": 0}, {"$gte": 0}, {"$lt": 9}, {"$lte": 9}])
def test_a_missing_field_fulfils_nothing_but_the_negations(condition: Any) -> None:
    assert not accepts({"year": condition})
    assert not accepts({"year": condition}, year=None)
    assert not accepts({"year": condition}, year=[])
    assert accepts({"year": {"$ne": 1}}) and accepts({"year": {"$nin": [1]}}, year=None)


def test_a_list_matches_when_one_of_its_items_does() -> None:
    assert accepts({"tags": "b"}, tags=["a", "b"])
    assert not accepts({"tags": {"$ne": "b"}}, tags=["a", "b"])
    assert accepts({"tags": {"$in": ["b", "c"]}}, tags=["a", "b"])
    assert accepts({"tags": {"$gt": 4}}, tags=[1, "x", 5])
    assert not accepts({"tags": "a"}, tags=[["a"]])


@pytest.mark.parametrize("raw", [None, {}])
def test_no_filter_is_none(raw: Any) -> None:
    assert parse_filter(raw) is None


@pytest.mark.parametrize(
    ("raw", "place"),
    [
        ([{"year": 1}], "filter"),
        ("year", "filter"),
        ({"$and": []}, "filter.$and"),
        ({"$or": {"year": 1}}, "filter.$or"),
        ({"$and": [{"a": 1}, {}]}, "filter.$and[1]"),
        ({"$and": [{"a": 1}, {"year": {"$gt": [1]}}]}, "filter.$and[1].year.$gt"),
        ({"$or": [{"$and": [{"a": None}]}]}, "filter.$or[0].$and[0].a"),
        ({"$not": {"a": 1}}, "filter.$not"),
        ({"year": {}}, "filter.year"),
        ({"year": None}, "filter.year"),
        ({"year": [1]}, "filter.year"),
        ({"year": {"gt": 1}}, "filter.year.gt"),
        ({"year": {"$regex": "x"}}, "filter.year.$regex"),
        ({"year": {"$eq": {"a": 1}}}, "filter.year.$eq"),
        ({"year": {"$ne": None}}, "filter.year.$ne"),
        ({"year": {"$in": 1}}, "filter.year.$in"),
        ({"year": {"$nin": [None]}}, "filter.year.$nin"),
        ({"year": {"$lt": True}}, "filter.year.$lt"),
        ({"year": {"$gt": 1, "$lte": None}}, "filter.year.$lte"),
    ],
)
def test_a_wrong_filter_is_refused_by_the_name_of_its_wrong_part(raw: Any, place: str) -> None:
    with pytest.raises(InvalidFilter) as refused:
        parse_filter(raw)
    assert str(refused.value).startswith((f"{place} ", f"{place}:"))


def nested(depth: int) -> dict[str, Any]:
    return {"$and": [nested(depth - 1)]} if depth > 1 else {"year": 1}


def test_filters_are_nested_to_a_limit() -> None:
    assert accepts(nested(MAX_DEPTH), year=1)
    with pytest.raises(InvalidFilter, match=f"more than {MAX_DEPTH} levels"):
        parse_filter(nested(MAX_DEPTH + 1))
    with pytest.raises(InvalidFilter, match="levels"):
        parse_filter(nested(500))
