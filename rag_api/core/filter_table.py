"""What filters can see of a collection's documents, in memory, so that a filter is answered without reading a row.

A document is an ordinal, in the order of coming. A field is a column of pairs: an ordinal and the number of a value,
each distinct value kept once. A condition picks numbers of values, by look-up or by bisecting them in order; one pass
over the pairs turns them into ordinals. What changes gets a new ordinal and the old one dies, so columns only grow;
`is_sparse` says when it is time to begin anew. Takes some 300 bytes a document, 8 a value, and 150 and its own size
for each distinct value. Answers what `filters.matches` does.
"""

import hashlib
import math
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rag_api.core.filters import COMPARISONS, All, AnyOf, Condition, Filter, is_number

Mask: TypeAlias = npt.NDArray[np.bool_]
Integers: TypeAlias = npt.NDArray[np.int32]
Keys: TypeAlias = npt.NDArray[np.int64]
SPARSE = 1_000  # dead ordinals that are no reason to begin anew
_BOOLEANS = (object(), object())  # False and True as keys, where 0 and 1 are numbers


def document_key(document_id: str) -> int:
    """A document's id as a number of 63 bits, for indexes that compare numbers faster than texts."""
    digest = hashlib.blake2b(document_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def sorted_keys(document_ids: Iterable[str]) -> Keys:
    return np.sort(np.array([document_key(one) for one in document_ids], dtype=np.int64))


class Passing(Collection[str]):
    """The documents that pass a filter, as the table was when it was asked. `chunks`: how many they have in all."""

    def __init__(self, table: "FilterTable", mask: Mask) -> None:
        self.mask = mask
        self._table = table
        self._count = int(np.count_nonzero(mask))
        self.chunks = int(table.chunks[: len(mask)][mask].sum())
        self.share = self.chunks / max(1, table.total_chunks)
        self._keys: Keys | None = None

    @property
    def keys(self) -> Keys:
        """Of all, in order."""
        if self._keys is None:
            self._keys = np.sort(self._table.keys[: len(self.mask)][self.mask])
        return self._keys

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (self._table.ids[i] for i in np.flatnonzero(self.mask))

    def __contains__(self, document_id: object) -> bool:
        ordinal = self._table.ordinals.get(document_id)  # type: ignore[call-overload]
        return ordinal is not None and ordinal < len(self.mask) and bool(self.mask[ordinal])


class FilterTable:
    def __init__(self) -> None:
        self.ids: list[str] = []
        self.ordinals: dict[str, int] = {}
        self._alive = _Column(np.bool_)
        self._chunks = _Column(np.int32)
        self._keys = _Column(np.int64)
        self._fields: dict[str, _Field] = {}
        self.total_chunks = 0

    def __len__(self) -> int:
        return len(self.ordinals)

    @property
    def chunks(self) -> npt.NDArray[Any]:
        return self._chunks.values

    @property
    def keys(self) -> npt.NDArray[Any]:
        return self._keys.values

    @property
    def is_sparse(self) -> bool:
        return len(self.ids) > 2 * len(self.ordinals) + SPARSE

    def put(self, document_id: str, seen: Mapping[str, Any], *, chunks: int) -> int:
        """A document, new or changed, as filters see it (`filters.seen_by_filter`); its ordinal from now on."""
        self.drop(document_id)
        ordinal = self.ordinals[document_id] = len(self.ids)
        self.ids.append(document_id)
        self._alive.append(True)
        self._chunks.append(chunks)
        self._keys.append(document_key(document_id))
        self.total_chunks += chunks
        for name, value in seen.items():
            for item in value if isinstance(value, list) else (value,):
                if _is_comparable(item):
                    self._field(name).put(ordinal, item)
        return ordinal

    def drop(self, document_id: str) -> int | None:
        """The ordinal that it had."""
        ordinal = self.ordinals.pop(document_id, None)
        if ordinal is not None:
            self._alive.values[ordinal] = False
            self.total_chunks -= int(self._chunks.values[ordinal])
            self._chunks.values[ordinal] = 0
        return ordinal

    def passing(self, wanted: Filter | None) -> Passing:
        return Passing(self, self._alive.values if wanted is None else self._mask(wanted) & self._alive.values)

    def prepare(self, wanted: Filter) -> None:
        """Sorts what the filter compares; `passing` would, and takes longer that time."""
        match wanted:
            case All(parts) | AnyOf(parts):
                for part in parts:
                    self.prepare(part)
            case Condition(field, name, value) if name in COMPARISONS and field in self._fields:
                self._fields[field].ordered(is_number(value))

    def _field(self, name: str) -> "_Field":
        if name not in self._fields:
            self._fields[name] = _Field()
        return self._fields[name]

    def _mask(self, wanted: Filter) -> Mask:
        match wanted:
            case All(parts):
                return reduce(np.logical_and, map(self._mask, parts))
            case AnyOf(parts):
                return reduce(np.logical_or, map(self._mask, parts))
            case Condition(field, "$ne" | "$nin" as negated, value):
                positive = "$eq" if negated == "$ne" else "$in"
                return ~self._mask(Condition(field, positive, value))
            case Condition(field, name, value):
                mask = np.zeros(len(self.ids), dtype=np.bool_)
                if field in self._fields:
                    mask[self._fields[field].holding(name, value)] = True
                return mask


class _Field:
    """The pairs of one field."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}
        self._ordinals = _Column(np.int32)
        self._of = _Column(np.int32)
        self._ordered: dict[bool, _Ordered] = {}

    def put(self, ordinal: int, value: Any) -> None:
        fresh = len(self._codes)
        code = self._codes.setdefault(_key(value), fresh)
        self._ordinals.append(ordinal)
        self._of.append(code)
        if code == fresh and not isinstance(value, bool) and (known := self._ordered.get(is_number(value))):
            known.put(value, code)

    def holding(self, name: str, value: Any) -> Integers:
        """The ordinals that have a value which fulfils a condition; some more than once."""
        if name in COMPARISONS:
            codes = _NONE if _is_nan(value) else self.ordered(is_number(value)).fulfilling(name, value)
        else:
            wanted = (value,) if name == "$eq" else value
            known = {self._codes.get(_key(item), -1) for item in wanted} - {-1}
            codes = np.fromiter(known, dtype=np.int32, count=len(known))
        if not len(codes):
            return _NONE
        if len(codes) == 1:
            is_mine = self._of.values == codes[0]
        else:
            is_wanted = np.zeros(len(self._codes), dtype=np.bool_)
            is_wanted[codes] = True
            is_mine = is_wanted[self._of.values]
        found: Integers = self._ordinals.values[is_mine]
        return found

    def ordered(self, of_numbers: bool) -> "_Ordered":
        if of_numbers not in self._ordered:
            kind: Any = int | float if of_numbers else str
            values = sorted(value for value in self._codes if isinstance(value, kind))
            self._ordered[of_numbers] = _Ordered(values, [self._codes[value] for value in values])
        return self._ordered[of_numbers]


class _Ordered:
    """A field's distinct numbers, or its distinct texts, in order."""

    def __init__(self, values: list[Any], codes: list[int]) -> None:
        self._values = values
        self._codes = codes
        self._all: Integers | None = None

    def put(self, value: Any, code: int) -> None:
        at = bisect_left(self._values, value)
        self._values.insert(at, value)
        self._codes.insert(at, code)
        self._all = None

    def fulfilling(self, name: str, value: Any) -> Integers:
        """The codes of the values that are above or below one."""
        if self._all is None:
            self._all = np.array(self._codes, dtype=np.int32)
        at = (bisect_left if name in ("$lt", "$gte") else bisect_right)(self._values, value)
        return self._all[:at] if name in ("$lt", "$lte") else self._all[at:]


class _Column:
    """Keys that are added to; `values` is a view of those that are there now."""

    def __init__(self, kind: Any) -> None:
        self._room = np.zeros(64, dtype=kind)
        self._length = 0
        self._fresh: list[Any] = []
        self.append = self._fresh.append

    @property
    def values(self) -> npt.NDArray[Any]:
        if self._fresh:
            length = self._length + len(self._fresh)
            if length > len(self._room):
                self._room = np.resize(self._room, max(length, 2 * len(self._room)))
            self._room[self._length : length] = self._fresh
            self._length = length
            self._fresh.clear()
        return self._room[: self._length]


_NONE = np.zeros(0, dtype=np.int32)


def _key(value: Any) -> Any:
    return _BOOLEANS[value] if isinstance(value, bool) else value


def _is_comparable(value: Any) -> bool:
    """Whether it can fulfil a condition."""
    return isinstance(value, str | int | float) and not _is_nan(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
