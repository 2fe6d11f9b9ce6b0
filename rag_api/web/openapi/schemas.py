from typing import Any

FREE = ("metadata", "evidence", "timings_ms", "prompts", "checks")  # whose names are not ours, or not always there
_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema_of(value: Any) -> dict[str, Any]:
    """A schema that the example fulfils: its names are required, and what is null may be anything."""
    if value is None:
        return {}
    if isinstance(value, list):
        kinds = [kind for at, kind in enumerate(map(schema_of, value)) if kind not in map(schema_of, value[:at])]
        return {"type": "array", "items": kinds[0] if len(kinds) == 1 else {"anyOf": kinds} if kinds else {}}
    if isinstance(value, dict):
        properties = {
            name: {"type": "object"} if name in FREE and isinstance(part, dict) else schema_of(part)
            for name, part in value.items()
        }
        return {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": _NAMES[type(value)]}
