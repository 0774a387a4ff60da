"""Texts that every form of a set can hold (YAML, an address, a table), and texts that are JSON."""

import json
import re
from typing import Annotated, Any

from pydantic import AfterValidator

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("a text without NUL and without halves of characters")
    return text


StorableText = Annotated[str, AfterValidator(_storable)]


def parse_json(text: str) -> Any:
    """Parse JSON as the standard has it: no NaN, and numbers of any length.

    Raise ValueError, or RecursionError.
    """
    return json.loads(text, parse_int=_integer, parse_constant=_no_constant)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 1_000 else float(digits)  # Python refuses thousands of digits


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
