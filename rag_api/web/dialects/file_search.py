"""OpenAI's `file_search` tool, as a request asks for it: how many passages, and of which documents."""

from collections.abc import Sequence
from typing import Any

from rag_api.errors import InvalidParameter

MOST = 100
_COMPARISONS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin")
_DEPTH = 16


def wanted(tools: Sequence[Any] | None) -> tuple[int | None, dict[str, Any] | None]:
    """`max_num_results`, and `filters` in the words of our own; other tools are left alone. Raises InvalidParameter."""
    for i, tool in enumerate(tools or []):
        if not isinstance(tool, dict) or tool.get("type") != "file_search":
            continue
        most, filters = tool.get("max_num_results"), tool.get("filters")
        if most is not None and not (isinstance(most, int) and 1 <= most <= MOST):
            raise InvalidParameter(f"tools.{i}.max_num_results", f"it is 1 to {MOST}")
        return most, _ours(filters, f"tools.{i}.filters", _DEPTH) if filters else None
    return None, None


def _ours(theirs: Any, at: str, depth: int) -> dict[str, Any]:
    kind = theirs.get("type") if isinstance(theirs, dict) and depth else None
    if kind in ("and", "or") and isinstance(theirs.get("filters"), list):
        parts = [_ours(part, f"{at}.filters.{i}", depth - 1) for i, part in enumerate(theirs["filters"])]
        return {f"${kind}": parts}
    if kind in _COMPARISONS and isinstance(theirs.get("key"), str):
        return {theirs["key"]: {f"${kind}": theirs.get("value")}}
    raise InvalidParameter(at, "a filter is {type, key, value}, or {type: and | or, filters}, at most 16 deep")
