"""Checks of an answer: what can be asked of it, and whether it holds. Nothing of a check is ever run as code."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field

from streamlab.prompts.patterns import BadPattern, TooComplex, compiled, found
from streamlab.prompts.schemas import BadSchema, Undecided, is_valid, parse_schema
from streamlab.prompts.texts import Text, parse_json

Code = Literal[
    "contained",
    "not_contained",
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
Flaw = Literal["nothing_to_find", "bad_pattern", "pattern_too_complex", "bad_schema", "schema_too_complex"]

Value = Annotated[Text, Field(max_length=4_000)]


class _Check(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Contains(_Check):
    """The answer contains the value, in which `{column}` stands for the text of the case."""

    type: Literal["contains"] = "contains"
    value: Value
    ignore_case: bool = False


class NotContains(_Check):
    """The answer does not contain the value, in which `{column}` stands for the text of the case."""

    type: Literal["not_contains"] = "not_contains"
    value: Value
    ignore_case: bool = False


class Regex(_Check):
    """The expression matches anywhere in the answer. `{column}` stands for the text of the case, taken literally."""

    type: Literal["regex"] = "regex"
    value: Value


class Json(_Check):
    """The answer is JSON, alone or as the only thing in a Markdown fence, as models like to send it."""

    type: Literal["json"] = "json"


class JsonSchema(_Check):
    """The answer is JSON, as in `json`, and valid under the schema, itself JSON. The schema has no variables."""

    type: Literal["json_schema"] = "json_schema"
    value: Annotated[Text, Field(max_length=20_000)]


class MaxWords(_Check):
    """The answer has at most so many words, counted by `count_words`."""

    type: Literal["max_words"] = "max_words"
    value: int = Field(ge=1, le=1_000_000)


Check = Annotated[Contains | NotContains | Regex | Json | JsonSchema | MaxWords, Field(discriminator="type")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the answer passed, None where that could not be decided, and why as a code."""

    passed: bool | None
    code: Code


_VARIABLE = re.compile(r"\{([^\W\d]\w*)\}")
_CJK = r"\p{Han}\p{Hiragana}\p{Katakana}ー々〆"
_WORD = regex.compile(rf"[{_CJK}]|[^\s{_CJK}]+")
_LETTER = re.compile(r"\w")


def run_check(check: Check, text: str, values: Mapping[str, str]) -> Verdict:
    """What the check says of an answer to the case with these values. Raises nothing, and ends within a second or so.

    It takes time where patterns and schemas do: not to be called on an event loop.
    """
    match check:
        case Contains():
            return _contains(check, text, values)
        case NotContains():
            return _inverse(_contains(check, text, values))
        case Regex():
            return _regex(check, text, values)
        case Json():
            return _json(text)
        case JsonSchema():
            return _json_schema(check, text)
        case MaxWords():
            enough = count_words(text) <= check.value
            return Verdict(enough, "short_enough" if enough else "too_many_words")


def check_problem(check: Check) -> Flaw | None:
    """What is wrong with the check itself, whatever the answers will be."""
    try:
        match check:
            case Contains() | NotContains():
                return None if check.value else "nothing_to_find"
            case Regex():
                compiled(check.value)
                return None if check.value else "nothing_to_find"
            case JsonSchema():
                parse_schema(check.value)
    except BadPattern:
        return "bad_pattern"
    except BadSchema:
        return "bad_schema"
    except TooComplex:
        return "pattern_too_complex"
    except Undecided:
        return "schema_too_complex"
    return None


def check_variables(check: Check) -> tuple[str, ...]:
    """The names that look like variables in the check's value. One that is no column of the set is taken literally."""
    match check:
        case Contains() | NotContains() | Regex():
            return tuple(dict.fromkeys(_VARIABLE.findall(check.value)))
        case _:
            return ()


def filled(value: str, values: Mapping[str, str]) -> str:
    r"""The value for a case. Only `{column}` is replaced: `{"a": 1}` and `\d{4}` need no doubled braces here."""
    return _VARIABLE.sub(lambda match: values.get(match[1], match[0]), value)


def filled_pattern(value: str, values: Mapping[str, str]) -> str:
    """As `filled`, with the texts of the case escaped."""
    return filled(value, {name: re.escape(text) for name, text in values.items()})


def count_words(text: str) -> int:
    """Words as word processors count them: each Japanese or Chinese character is one, and so is any other run
    between spaces, or between such characters, that holds a letter or a digit."""
    return sum(1 for word in _words(text) if _LETTER.search(word))


def json_text(text: str) -> str:
    """What is within the fence, when the whole answer is one Markdown fence with or without `json`."""
    opening, _, rest = text.strip().partition("\n")
    fenced = opening.strip().lower() in ("```", "```json") and rest.endswith("```")
    return rest.removesuffix("```") if fenced else text


def _words(text: str) -> Iterable[str]:
    return (match[0] for match in _WORD.finditer(text))


def _contains(check: Contains | NotContains, text: str, values: Mapping[str, str]) -> Verdict:
    value = filled(check.value, values)
    if not value:
        return Verdict(None, "nothing_to_find")
    if check.ignore_case:
        value, text = value.casefold(), text.casefold()
    return Verdict(True, "contained") if value in text else Verdict(False, "not_contained")


def _inverse(verdict: Verdict) -> Verdict:
    return verdict if verdict.passed is None else Verdict(not verdict.passed, verdict.code)


def _regex(check: Regex, text: str, values: Mapping[str, str]) -> Verdict:
    try:
        matched = found(filled_pattern(check.value, values), text)
    except BadPattern:
        return Verdict(None, "bad_pattern")
    except TooComplex:
        return Verdict(None, "too_complex")
    return Verdict(matched, "matched" if matched else "not_matched")


def _json(text: str) -> Verdict:
    try:
        parse_json(json_text(text))
    except ValueError:
        return Verdict(False, "not_json")
    except RecursionError:
        return Verdict(None, "too_complex")
    return Verdict(True, "valid")


def _json_schema(check: JsonSchema, text: str) -> Verdict:
    try:
        valid = is_valid(check.value, parse_json(json_text(text)))
    except BadSchema:
        return Verdict(None, "bad_schema")
    except ValueError:
        return Verdict(False, "not_json")
    except (Undecided, RecursionError):
        return Verdict(None, "too_complex")
    return Verdict(valid, "valid" if valid else "not_valid")
