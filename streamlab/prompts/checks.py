"""Checks of a model's answer. Their values are data: nothing of a check is ever run as code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field

from streamlab.prompts.patterns import BadPattern, TooComplex, compile_pattern, search
from streamlab.prompts.schemas import BadSchema, Undecided, is_valid, parse_schema
from streamlab.prompts.texts import StorableText, parse_json

VerdictCode = Literal[
    "contained",
    "not_contained",
    "equal",
    "not_equal",
    "matched",
    "not_matched",
    "valid",
    "not_json",
    "not_valid",
    "short_enough",
    "too_many_words",
    "nothing_to_find",
    "bad_pattern",
    "bad_schema",
    "too_complex",
]
CheckErrorCode = Literal["nothing_to_find", "bad_pattern", "pattern_too_complex", "bad_schema", "schema_too_complex"]

MAX_CHECKS = 20  # of a set

CheckValue = Annotated[StorableText, Field(max_length=4_000)]


class _Check(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Contains(_Check):
    """Requires that the answer contains the value, in which `{column}` stands for the text of the case."""

    type: Literal["contains"] = "contains"
    value: CheckValue
    ignore_case: bool = False


class NotContains(_Check):
    """Requires that the answer does not contain the value, in which `{column}` stands for the text of the case."""

    type: Literal["not_contains"] = "not_contains"
    value: CheckValue
    ignore_case: bool = False


class Equals(_Check):
    """Requires exactly the value and nothing else, in which `{column}` stands for the text of the case."""

    type: Literal["equals"] = "equals"
    value: CheckValue


class Regex(_Check):
    """Requires a match of the expression anywhere; `{column}` stands for the text of the case, escaped."""

    type: Literal["regex"] = "regex"
    value: CheckValue


class Json(_Check):
    """Requires JSON, alone or as the only thing in a Markdown fence, as models like to send it."""

    type: Literal["json"] = "json"


class JsonSchema(_Check):
    """Requires JSON, as `json` does, that is valid under the schema, itself JSON without variables."""

    type: Literal["json_schema"] = "json_schema"
    value: Annotated[StorableText, Field(max_length=20_000)]


class MaxWords(_Check):
    """Requires at most so many words, counted by `count_words`."""

    type: Literal["max_words"] = "max_words"
    value: int = Field(ge=1, le=1_000_000)


Check = Annotated[Contains | NotContains | Equals | Regex | Json | JsonSchema | MaxWords, Field(discriminator="type")]


TEXT_CHECKS = Contains | NotContains | Equals | Regex
"""Those in whose value `{column}` stands for the text of the case."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check: whether the answer passed (None: undecided), and the reason as a code."""

    passed: bool | None
    code: VerdictCode


_VARIABLE = re.compile(r"\{([^\W\d]\w*)\}")
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー々〆"
_WORD = regex.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_LETTER = re.compile(r"\w")


def run_check(check: Check, text: str, values: Mapping[str, str]) -> Verdict:
    """Check an answer to the case with these values. Raise nothing, and end within a second or so.

    Patterns and schemas may use that second, so this must not run on an event loop.
    """
    match check:
        case Contains():
            return _contains(check, text, values)
        case NotContains():
            verdict = _contains(check, text, values)
            return verdict if verdict.passed is None else Verdict(not verdict.passed, verdict.code)
        case Equals():
            return _equals(check, text, values)
        case Regex():
            return _regex(check, text, values)
        case Json():
            return _json(text, "true")
        case JsonSchema():
            return _json(text, check.value)
        case MaxWords():
            enough = count_words(text) <= check.value
            return Verdict(enough, "short_enough" if enough else "too_many_words")


def check_problem(check: Check) -> CheckErrorCode | None:
    """Return what is wrong with the check itself, whatever the answers are, or None."""
    try:
        if isinstance(check, Regex):
            compile_pattern(check.value)
        elif isinstance(check, JsonSchema):
            parse_schema(check.value)
    except BadPattern:
        return "bad_pattern"
    except BadSchema:
        return "bad_schema"
    except TooComplex:
        return "pattern_too_complex"
    except Undecided:
        return "schema_too_complex"
    return "nothing_to_find" if isinstance(check, TEXT_CHECKS) and not check.value else None


def check_variables(check: Check) -> tuple[str, ...]:
    """Return the variable names in the check's value. A name that is no column is taken literally."""
    if not isinstance(check, TEXT_CHECKS):
        return ()
    return tuple(dict.fromkeys(_VARIABLE.findall(check.value)))


def fill_value(value: str, values: Mapping[str, str]) -> str:
    r"""Fill the value for a case. Only `{column}` is replaced: `{"a": 1}` and `\d{4}` need no doubled braces."""
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), value)


def fill_pattern(value: str, values: Mapping[str, str]) -> str:
    """Fill the pattern like `fill_value`, with the texts of the case escaped."""
    return fill_value(value, {name: re.escape(text) for name, text in values.items()})


def count_words(text: str) -> int:
    """Count words as word processors do.

    Each Japanese or Chinese character is one, and so is any other run between spaces, or between such characters,
    that holds a letter or a digit.
    """
    return sum(1 for word in _WORD.findall(text) if _LETTER.search(word))


def json_text(text: str) -> str:
    """Return the content of the fence if the whole answer is one Markdown fence, with or without `json`."""
    opening, _, rest = text.strip().partition("\n")
    fenced = opening.strip().lower() in ("```", "```json") and rest.endswith("```")
    return rest.removesuffix("```") if fenced else text


def _contains(check: Contains | NotContains, text: str, values: Mapping[str, str]) -> Verdict:
    value = fill_value(check.value, values)
    if not value:
        return Verdict(None, "nothing_to_find")
    if check.ignore_case:
        value, text = value.casefold(), text.casefold()
    return Verdict(True, "contained") if value in text else Verdict(False, "not_contained")


def _equals(check: Equals, text: str, values: Mapping[str, str]) -> Verdict:
    value = fill_value(check.value, values)
    if not value:
        return Verdict(None, "nothing_to_find")
    return Verdict(True, "equal") if value == text else Verdict(False, "not_equal")


def _regex(check: Regex, text: str, values: Mapping[str, str]) -> Verdict:
    try:
        matched = search(fill_pattern(check.value, values), text)
    except BadPattern:
        return Verdict(None, "bad_pattern")
    except TooComplex:
        return Verdict(None, "too_complex")
    return Verdict(matched, "matched" if matched else "not_matched")


def _json(text: str, schema: str) -> Verdict:
    try:
        valid = is_valid(schema, parse_json(json_text(text)))
    except BadSchema:
        return Verdict(None, "bad_schema")
    except ValueError:
        return Verdict(False, "not_json")
    except (Undecided, RecursionError):
        return Verdict(None, "too_complex")
    return Verdict(valid, "valid" if valid else "not_valid")
