"""The arguments of a tool's call, from a question and the tool's JSON schema."""

import json
import re
from collections.abc import Mapping
from typing import Any

from streamlab.demo_model.request import Function
from streamlab.demo_model.schema import SchemaFiller
from streamlab.demo_model.tool_use.questions import MAX_QUESTION, find_keys, pattern

DATE = re.compile(r"\b\d{4}-\d\d-\d\d\b")
DIGITS = re.compile(r"(?<![\w.,-])-?(?:0|[1-9][\d,]{,14})(?:\.\d+)?(?![\w-])", re.A)
WORD = re.compile(r"[a-z]{3,}|[ァ-ヺー]{2,}|[一-鿿々]+")


class ArgumentFiller(SchemaFiller):
    """Takes what the question names, each phrase and number once; then a default; then anything that fits."""

    def __init__(self, function: Function, question: str) -> None:
        super().__init__(function.parameters or {"type": "object"}, "", [question])
        self._question = question[:MAX_QUESTION]
        self._phrases = _phrases(self._question, function)
        self._numbers: list[float] = [json.loads(text.replace(",", "")) for text in DIGITS.findall(self._question)]
        self._taken: list[Any] = []

    def _properties(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Choose those that are required, first, and those that the question names."""
        properties = super()._properties(schema)
        required = list(schema.get("required", properties))
        named = [key for key, value in properties.items() if key in self._question.lower() or self._chosen(value)]
        return {key: properties[key] for key in dict.fromkeys([*required, *named]) if key in properties}

    def _value(self, schema: Any, name: str, path: frozenset[str]) -> Any:
        if not isinstance(schema, dict):
            return super()._value(schema, name, path)
        if schema.get("type") == "array" and (values := self._candidates(schema.get("items"), name)):
            return [value for value in values if value not in self._taken][: schema.get("maxItems")]
        for value in self._candidates(schema, name):
            if value is False or value not in self._taken:
                self._taken.append(value)
                return value
        return super()._value(schema, name, path) if schema.get("default") is None else schema["default"]

    def _candidates(self, schema: Any, name: str) -> list[Any]:
        """List the values that the question has for a schema."""
        if not isinstance(schema, dict) or schema.get("enum"):
            return self._chosen(schema)
        low, high = schema.get("minimum", float("-inf")), schema.get("maximum", float("inf"))
        numbers = [number for number in self._numbers if low <= number <= high]
        kind = schema.get("type")
        match kind[0] if isinstance(kind, list) and kind else kind, schema.get("format"):
            case "string", "date":
                return DATE.findall(self._question)
            case "string", None:
                return [phrase[: schema.get("maxLength")] for phrase in self._phrases]
            case "integer", _:
                return [number for number in numbers if isinstance(number, int)]
            case "number", _:
                return numbers
            case "boolean", _:
                negated = rf"(?:{pattern('arguments', 'negated').pattern}) {re.escape(name)}"
                return [False] if re.search(negated, self._question, re.I) else []
        return []

    def _chosen(self, schema: Any) -> list[Any]:
        """List the values of an enum that the question names."""
        values = schema.get("enum") or [] if isinstance(schema, dict) else []
        places = [self._question.lower().find(str(value).lower()) for value in values]
        return [
            values[index] for _, index in sorted((place, index) for index, place in enumerate(places) if place >= 0)
        ]


def fill_arguments(function: Function, question: str, known: Mapping[str, Any]) -> dict[str, Any]:
    """Fill a tool's parameters from a question, unless those that it requires are known."""
    if known and set((function.parameters or {}).get("required", [])) <= known.keys():
        return dict(known)
    filled = ArgumentFiller(function, question).fill()
    return (filled if isinstance(filled, dict) else {}) | dict(known)


def mentions(question: str, function: Function) -> bool:
    """Tell whether a question holds a word of a tool's name, or two of its description (one, in Japanese)."""
    asked = split_words(question)
    described = asked & split_words(function.description or "")
    return bool(asked & split_words(function.name)) or sum(2 - word.isascii() for word in described) > 1


def split_words(text: str) -> set[str]:
    """Split a text or a name into its telling words, without plurals, and with what a tool's name may call them."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)
    words = {word.removesuffix("s") for word in WORD.findall(spaced.lower())} | set(find_keys("synonyms", spaced))
    return {word for word in words if not pattern("arguments", "common").fullmatch(word)}


def _phrases(question: str, function: Function) -> list[str]:
    """List what may be a value: not what names the tool, and last what describes it."""
    named, described = split_words(function.name), split_words(function.description or "")
    kinds = [pattern("arguments", kind) for kind in ("quoted", "marked", "named")]
    found = ["".join(filter(None, match.groups())) for kind in kinds for match in kind.finditer(question)]
    parts = [part.strip(' "“”「」『』') for text in found for part in pattern("arguments", "joined").split(text)]
    phrases = dict.fromkeys(part for part in parts if part and not split_words(part) & named)
    return sorted(phrases, key=lambda phrase: bool(split_words(phrase) & described))
