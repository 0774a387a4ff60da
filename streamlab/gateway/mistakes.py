"""Mistakes in what was sent: which field is wrong, and what belongs there, in our words and not in pydantic's."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

Place = tuple[int | str, ...]

NAME_CHARACTERS = 40  # of a field's name that are said again: it may be the sender's own
SHOWN = 5
NESTED = 100  # levels of a value that goes on as it is; encoders have bounds of their own

_MUST: Mapping[str, str] = {
    "string_type": "a string",
    "string_unicode": "a string of whole characters",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "dict_type": "an object",
    "mapping_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_pattern_mismatch": "a string that matches {pattern}",
    "json_invalid": "JSON",
}
"""What a field must be, by pydantic's type of the error and with the values of its context."""

_OTHERWISE: Mapping[str, str] = {
    "missing": "is required",
    "union_tag_not_found": "is required",
    "extra_forbidden": "is not a field that may be sent here",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries",
    "too_long": "must have at most {max_length} entries",
}
_PYDANTICS = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}


class Mistake(NamedTuple):
    """What is wrong at a place, the empty one being all that was sent; `said` is read after the name of the place."""

    type: str
    place: Place
    said: str

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.place))

    def sentence(self, place: str) -> str:
        """Say it of a field of this name; "" is the body."""
        if not self.said.startswith(": "):
            return f"{place or 'The body'} {self.said}"
        return f"{place}{self.said}" if place else self.said[2:3].upper() + self.said[3:]


def unsupported(sentence: str) -> PydanticCustomError:
    """Make the error of a value that cannot be honoured; what begins with "must" is said of the field."""
    return PydanticCustomError("unsupported", "{sentence}", {"sentence": sentence})


def invalid(sentence: str) -> PydanticCustomError:
    """Make the error of a value that is not what belongs there, said in the same way."""
    return PydanticCustomError("invalid", "{sentence}", {"sentence": sentence})


def check_depth(value: Any) -> Any:
    """Refuse a value that is nested more deeply than can be told again."""
    depth, level = 0, [value]
    while level:
        depth += 1
        if depth > NESTED:
            raise invalid(f"must be nested in at most {NESTED} levels")
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for values in inner for each in values]
    return value


def mistakes(errors: Iterable[ErrorDetails | Mapping[str, Any]], sent: object) -> list[Mistake]:
    """List what is wrong with what was sent.

    Where a field may be one of several things, that counts which fits best, or all of them if none does.
    """
    found: dict[Place, Mistake] = {}
    for error in errors:
        mistake = Mistake(str(error["type"]), _place(error, sent), _said(error))
        former = found.get(mistake.place)
        found[mistake.place] = _either(former, mistake) if former else mistake
    inner = {place[:end] for place in found for end in range(len(place))}
    return [mistake for place, mistake in found.items() if place not in inner]


def sentence_of(found: Sequence[Mistake]) -> str:
    """Say what is wrong in one sentence."""
    return "; ".join(each.sentence(each.dotted) for each in found[:SHOWN]) + "."


def _place(error: ErrorDetails | Mapping[str, Any], sent: object) -> Place:
    """Say where in what was `sent` an error is. What stands in its place besides are pydantic's names for choices."""
    return tuple(_steps(error, sent))


def _steps(error: ErrorDetails | Mapping[str, Any], sent: object) -> Iterator[int | str]:
    last = len(error["loc"]) - 1
    for number, part in enumerate(error["loc"]):
        inside = _has(sent, part)
        if inside:
            sent = sent[part]  # type: ignore[index]
        if inside or (number == last and error["type"] == "missing"):
            yield part if isinstance(part, int) else str(part)[:NAME_CHARACTERS].encode(errors="replace").decode()
    if error["type"].startswith("union_tag") and (name := error["ctx"]["discriminator"]).startswith("'"):
        yield name.strip("'")


def _has(sent: object, part: int | str) -> bool:
    if isinstance(part, int):
        return isinstance(sent, list) and part < len(sent)
    return isinstance(sent, Mapping) and part in sent


def _said(error: ErrorDetails | Mapping[str, Any]) -> str:
    if error["type"] not in _PYDANTICS:
        said = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
        said = said.encode(errors="replace").decode()
        return said if said.startswith("must ") else f": {said}"
    of_a_name = "has a name that " if "[key]" in error["loc"] else ""
    return of_a_name + _belongs(error["type"], {name: _written(value) for name, value in error.get("ctx", {}).items()})


def _belongs(kind: str, context: Mapping[str, str]) -> str:
    """Say what belongs where an error of pydantic's is."""
    if context.get("min_length") == "1":
        return "must not be empty"
    if must := _MUST.get(kind):
        return f"must be {must.format(**context)}"
    return _OTHERWISE.get(kind, "is not what belongs there").format(**context)


def _written(value: object) -> str:
    match value:
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


def _either(one: Mistake, other: Mistake) -> Mistake:
    """Say what a field must be which may be either of two things."""
    must = "must be "
    if one.said == other.said or not (one.said.startswith(must) and other.said.startswith(must)):
        return one
    return one._replace(said=f"{one.said} or {other.said.removeprefix(must)}")
