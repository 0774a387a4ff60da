"""Values of YAML and JSON: read as the texts that they were written as, and given their types where these matter."""

import json
import re
from typing import Any

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,300})(?:\.\d+)?(?:[eE][-+]?\d{1,3})?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


class PlainScalar(str):
    """A value that was written without quotes, so that it may be a number, a truth value or nothing."""

    __slots__ = ()


def parse_json_texts(text: str) -> Any:
    """Parse JSON with every scalar as text; what is no string there is plain. Raise ValueError or RecursionError."""
    return _as_texts(json.loads(text, parse_int=PlainScalar, parse_float=PlainScalar, parse_constant=PlainScalar))


def with_types(value: Any) -> Any:
    """Give plain values the types that YAML 1.2 and JSON have for them: `no` is a text."""
    match value:
        case dict():
            return {str(name): with_types(inner) for name, inner in value.items()}
        case list():
            return [with_types(inner) for inner in value]
        case PlainScalar() if value in _WORDS:
            return _WORDS[value]
        case PlainScalar() if _NUMBER.fullmatch(value):
            return json.loads(value)
        case _:
            return str(value)


def _as_texts(value: Any) -> Any:
    match value:
        case dict():
            return {name: _as_texts(inner) for name, inner in value.items()}
        case list():
            return [_as_texts(inner) for inner in value]
        case bool():
            return PlainScalar(str(value).lower())
        case None:
            return PlainScalar("")
        case _:
            return value
