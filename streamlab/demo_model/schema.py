"""A value that fits a JSON schema, made of a title and sentences."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

MAX_VALUES = 1_000
FORMATS = {
    "date": "2025-01-31",
    "time": "09:30:00Z",
    "date-time": "2025-01-31T09:30:00Z",
    "email": "demo@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


class SchemaFiller:
    """Covers what structured output uses: objects, arrays, enums, bounds, unions and references.

    A reference within itself ends as null or an empty array; after 1,000 values the rest is null.
    """

    def __init__(self, schema: dict[str, Any], title: str, sentences: Sequence[str]) -> None:
        self._root = schema
        self._titles = iter([title])
        self._sentences = cycle(sentences or [title])
        self._left = MAX_VALUES

    def fill(self) -> Any:
        return self._value(self._root, "", frozenset())

    def _value(self, schema: Any, name: str, path: frozenset[str]) -> Any:
        self._left -= 1
        if self._left < 0 or not isinstance(schema, dict):
            return None
        if reference := schema.get("$ref"):
            return None if reference in path else self._value(self._resolve(reference), name, path | {reference})
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        for union in ("anyOf", "oneOf", "allOf"):
            if schema.get(union):
                return self._first(schema[union], name, path)
        return self._typed(schema, name, path)

    def _first(self, branches: Sequence[Any], name: str, path: frozenset[str]) -> Any:
        """Return the value of the first branch that gives more than null."""
        values = (self._value(branch, name, path) for branch in branches)
        return next((value for value in values if value is not None), None)

    def _typed(self, schema: dict[str, Any], name: str, path: frozenset[str]) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        match kind[0] if isinstance(kind, list) and kind else kind:
            case "object":
                return {key: self._value(value, key, path) for key, value in self._properties(schema).items()}
            case "array":
                return self._array(schema, name, path)
            case "string":
                return self._string(schema, name)
            case "integer":
                return int(_number(schema))
            case "number":
                return _number(schema)
            case "boolean":
                return True
        return None

    def _properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Choose the properties of an object that get a value."""
        return schema.get("properties") or {}

    def _array(self, schema: dict[str, Any], name: str, path: frozenset[str]) -> list[Any]:
        items = schema.get("items")
        if isinstance(items, dict) and items.get("$ref") in path:
            return []
        wanted = max(schema.get("minItems", 0), min(3, schema.get("maxItems", 3)))
        return [self._value(items, name, path) for _ in range(min(wanted, MAX_VALUES))]

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in FORMATS:
            return FORMATS[schema["format"]]
        title = next(self._titles, None) if name in ("title", "name", "topic", "subject") else None
        text = title or next(self._sentences)
        return text[: schema.get("maxLength")]

    def _resolve(self, reference: str) -> Any:
        """Look up a reference such as `#/$defs/Name`; what is not there is null."""
        found: Any = self._root
        for key in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(key) if key and isinstance(found, dict) else found
        return found


def _number(schema: dict[str, Any]) -> float:
    """Return the middle of the bounds, or the one that there is."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return float(low + high) / 2
    return float(low if low is not None else min(1, high if high is not None else 1))
