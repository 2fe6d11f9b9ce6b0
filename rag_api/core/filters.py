"""Filters on a document's metadata, as the search request spells them."""

import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rag_api.errors import InvalidFilter

# besides metadata, a filter may name these; they can't be shadowed
DOCUMENT_FIELDS = ("document_id", "source", "title", "media_type", "created_at")
# who may see a document; no request can name it, as fields with $ are refused
ACL = "$acl"
EVERYONE = True  # in the place of a list of groups; groups are strings, so none of them is called so
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OPERATORS = ("$eq", "$ne", "$in", "$nin", *COMPARISONS)
MAX_DEPTH = 20


@dataclass(frozen=True, slots=True)
class Condition:
    field: str
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple["Filter", ...]


Filter: TypeAlias = Condition | All | AnyOf


def parse_filter(raw: Mapping[str, Any] | None) -> Filter | None:
    """None for no filter. Raises InvalidFilter that names the wrong part, such as `filter.$and[1].year.$gt`."""
    return _parse(raw, "filter", MAX_DEPTH) if raw else None


def matches(wanted: Filter, record: Mapping[str, Any]) -> bool:
    """Whether metadata fulfil a filter. As in MongoDB: a list matches when one of its items does, `$ne` and `$nin`
    also match where the field is missing, and an order is defined only between numbers or between strings."""
    match wanted:
        case All(parts):
            return all(matches(part, record) for part in parts)
        case AnyOf(parts):
            return any(matches(part, record) for part in parts)
        case Condition(field, "$ne" | "$nin" as negated, value):
            positive = "$eq" if negated == "$ne" else "$in"
            return not matches(Condition(field, positive, value), record)
        case Condition(field, name, value):
            actual = record.get(field)
            values = actual if isinstance(actual, list) else [] if actual is None else [actual]
            return any(_holds(item, name, value) for item in values)


def restricted(wanted: Filter | None, groups: Collection[str] | None) -> Filter | None:
    """The filter, and that the document may be seen by these groups: it names one of them, or none at all.

    `groups` None sees all.
    """
    if groups is None:
        return wanted
    may_see = Condition(ACL, "$in", [*sorted(groups), EVERYONE])
    return All((wanted, may_see)) if wanted else may_see


def seen_by_filter(record: Mapping[str, Any]) -> dict[str, Any]:
    """A document's metadata with its own fields, which can't be shadowed, and its `acl`."""
    own = {name: record[name] for name in DOCUMENT_FIELDS}
    return {**record["metadata"], **own, ACL: list(record["acl"]) or [EVERYONE]}


def _holds(actual: Any, name: str, value: Any) -> bool:
    if name == "$in":
        return any(_equal(actual, item) for item in value)
    if name == "$eq":
        return _equal(actual, value)
    return is_number(actual) == is_number(value) and _is_ordered(actual) and COMPARISONS[name](actual, value)


def _equal(a: Any, b: Any) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_ordered(value: Any) -> bool:
    return is_number(value) or isinstance(value, str)


def _parse(raw: Any, at: str, depth: int) -> Filter:
    if not isinstance(raw, Mapping) or not raw:
        raise InvalidFilter(f'{at} must be an object with at least one field, such as {{"year": 2024}}')
    if not depth:
        raise InvalidFilter(f"{at} is nested more than {MAX_DEPTH} levels deep")
    parts = tuple(_parse_entry(name, value, at, depth) for name, value in raw.items())
    return parts[0] if len(parts) == 1 else All(parts)


def _parse_entry(name: str, value: Any, at: str, depth: int) -> Filter:
    here = f"{at}.{name}"
    if name in ("$and", "$or"):
        if not isinstance(value, list) or not value:
            raise InvalidFilter(f"{here} must be a list of filters with at least one in it")
        parts = tuple(_parse(part, f"{here}[{i}]", depth - 1) for i, part in enumerate(value))
        return All(parts) if name == "$and" else AnyOf(parts)
    if name.startswith("$"):
        raise InvalidFilter(f"{here}: a filter starts with a field's name, $and or $or")
    if not isinstance(value, Mapping):
        return _condition(name, "$eq", value, here)
    if not value:
        raise InvalidFilter(f'{here} must be a value or an operator with one, such as {{"$gt": 5}}')
    conditions = tuple(_condition(name, key, item, f"{here}.{key}") for key, item in value.items())
    return conditions[0] if len(conditions) == 1 else All(conditions)


def _condition(field: str, name: str, value: Any, at: str) -> Condition:
    if name not in _OPERATORS:
        raise InvalidFilter(f"{at}: {name!r} is no operator; there are {', '.join(_OPERATORS)}")
    if name in ("$in", "$nin"):
        if not isinstance(value, list) or not all(_is_scalar(item) for item in value):
            raise InvalidFilter(f"{at} must be a list of strings, numbers or booleans")
    elif name in COMPARISONS and not _is_ordered(value):
        raise InvalidFilter(f"{at} must be a number or a string, as only these have an order")
    elif not _is_scalar(value):
        raise InvalidFilter(f"{at} must be a string, a number or a boolean")
    return Condition(field, name, value)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | bool)
