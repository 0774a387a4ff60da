"""JSON Schema for schemas and answers from anyone: nothing is fetched; depth, size and time are bounded."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY

from streamlab.prompts.patterns import BadPattern, TooComplex, compile_pattern, search
from streamlab.prompts.texts import parse_json

SECONDS = 1.0
MAX_DEPTH = 32
MAX_UNIQUE = 300  # items; whether they are unique may take a comparison for each pair

_deadline: ContextVar[float] = ContextVar("deadline")  # of `time.monotonic()`

Keyword = Callable[[Validator, Any, Any, Any], Iterable[ValidationError] | None]


class BadSchema(Exception):
    """The text is not JSON, not a schema of draft-07 or 2020-12, or refers to another document."""


class Undecided(Exception):
    """The schema or the answer is too large, too deep or too intricate to decide."""


@lru_cache(maxsize=64)
def parse_schema(text: str) -> Any:
    """Build a validator; without `$schema` the draft is 2020-12. Raise BadSchema or Undecided."""
    try:
        schema = parse_json(text)
    except ValueError:
        raise BadSchema("not JSON") from None
    except RecursionError:
        raise Undecided from None
    if isinstance(schema, bool):
        return _DRAFTS[_DEFAULT](schema, registry=EMPTY_REGISTRY)
    if not isinstance(schema, dict):
        raise BadSchema("neither an object nor a boolean")
    draft = _DRAFTS.get(str(schema.pop("$schema", _DEFAULT)).rstrip("#"))
    schema.pop("$id", None)
    if draft is None:
        raise BadSchema("an unknown draft")
    _check(schema)
    try:
        draft.check_schema(schema, format_checker=_NO_FORMATS)
    except SchemaError as error:
        raise BadSchema(error.json_path) from None
    return draft(schema, registry=EMPTY_REGISTRY)


def is_valid(schema: str, instance: Any) -> bool:
    """Validate a parsed answer within about a second. Raise BadSchema or Undecided."""
    validator = parse_schema(schema)
    token = _deadline.set(time.monotonic() + SECONDS)
    try:
        return bool(validator.is_valid(instance))
    except (BadPattern, Unresolvable):
        raise BadSchema("a pattern or a reference") from None
    except (TooComplex, RecursionError, ArithmeticError):
        raise Undecided from None
    finally:
        _deadline.reset(token)


def _check(schema: dict[str, Any]) -> None:
    """Refuse what the drafts allow but is not supported here."""
    keywords: set[str] = set()
    for part in _parts(schema, 0):
        keywords |= part.keys()
        for name in ("$schema", "$id"):  # either could bring back the library's own class, which has no time limit
            if isinstance(part.get(name), str):
                raise BadSchema(f"{name} below the top")
        for name in ("$ref", "$dynamicRef"):
            if isinstance(reference := part.get(name), str) and not reference.startswith("#"):
                raise BadSchema("a reference to somewhere else")
        properties = part.get("patternProperties")
        for pattern in (part.get("pattern"), *(properties if isinstance(properties, dict) else ())):
            if isinstance(pattern, str):
                _check_pattern(pattern)
    if {"unevaluatedProperties", "patternProperties"} <= keywords:  # the library searches with an engine of its own
        raise Undecided


def _parts(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Yield every object within the schema. Raise Undecided where it is too deep."""
    if depth > MAX_DEPTH:
        raise Undecided
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _parts(inner, depth + 1)


def _check_pattern(pattern: str) -> None:
    try:
        compile_pattern(pattern)
    except BadPattern:
        raise BadSchema("a pattern") from None
    except TooComplex:
        raise Undecided from None


# Keywords, with the engine that knows a time limit


def _pattern(validator: Validator, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not search(pattern, instance, _seconds_left()):
        yield ValidationError("does not match")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, subschema in patterns.items():
            for name, value in instance.items():
                if search(pattern, name, _seconds_left()):
                    yield from validator.descend(value, subschema, path=name, schema_path=pattern)


def _additional_properties(validator: Any, subschema: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        patterns = schema.get("patternProperties", {})
        for name, value in instance.items():
            if name not in schema.get("properties", {}) and not any(search(p, name, _seconds_left()) for p in patterns):
                yield from validator.descend(value, subschema, path=name)


def _unique_items(validator: Validator, unique: bool, instance: Any, schema: Any) -> Iterable[ValidationError]:
    if isinstance(instance, list) and len(instance) > MAX_UNIQUE:
        raise Undecided
    return _UNIQUE_ITEMS(validator, unique, instance, schema) or ()


def _timed(keyword: Keyword) -> Keyword:
    """Check the deadline before each use of the keyword: a short schema can ask for endless steps."""

    def timed(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterable[ValidationError] | None:
        _seconds_left()
        return keyword(validator, value, instance, schema)

    return timed


def _seconds_left() -> float:
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise Undecided
    return left


def _bounded(draft: Any) -> Any:
    ours: dict[str, Any] = {
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "uniqueItems": _unique_items,
    }
    keywords: dict[str, Any] = {**draft.VALIDATORS, **ours}
    return _extend(draft, {name: _timed(keyword) for name, keyword in keywords.items()})


_extend: Any = extend  # the type stubs have no types for it
_UNIQUE_ITEMS: Keyword = Draft202012Validator.VALIDATORS["uniqueItems"]
_DEFAULT = "https://json-schema.org/draft/2020-12/schema"
_DRAFTS: dict[str, Any] = {
    _DEFAULT: _bounded(Draft202012Validator),
    "http://json-schema.org/draft-07/schema": _bounded(Draft7Validator),
}
_NO_FORMATS = FormatChecker(formats=())  # the format `regex` would be tried by an engine without a time limit
