"""Arithmetic in a question, for `calculate`."""

import re
from dataclasses import dataclass
from typing import ClassVar

from streamlab.demo_model.tool_use.calls import Call, Outcomes
from streamlab.demo_model.tool_use.words import Words, number

NUMBER = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"
DEPTH = 3  # of parentheses

ASKED = re.compile(
    r"\b(?:calculate|compute|evaluate|solve|work out|add up|what(?:'s|’s| is| are)|how much)\b|="
    r"|\b(?:plus|minus|times|divided by|multiplied by)\b"
    r"|計算|足す|引く|掛ける|割る|かける|いくつ|いくら|何になり|求め|答え|は\s*\?*\s*$|は\?",
    re.I,
)
DATE = re.compile(r"\b(?:19|20)\d\d(?:-(?:0[1-9]|1[0-2])\b|[-/]\d{1,2}[-/]\d{1,2})(?:-\d\d)?")
SPOKEN = [
    (re.compile(rf"({NUMBER})\s*(?:%|percent|per cent)\s*of\s*({NUMBER})", re.I), r"\1 / 100 * \2"),
    (re.compile(rf"({NUMBER})\s*円?の\s*({NUMBER})\s*(?:%|パーセント)"), r"\1 * \2 / 100"),
    (re.compile(r"(?<=[\d)])\s*(?:times|multiplied by|x|×|かける|掛ける)\s*(?=[\d(.])", re.I), " * "),
    (re.compile(r"(?<=[\d)])\s*(?:divided by|over|÷|割る|わる)\s*(?=[\d(.])", re.I), " / "),
    (re.compile(r"(?<=[\d)])\s*(?:plus|足す|たす)\s*(?=[\d(.])", re.I), " + "),
    (re.compile(r"(?<=[\d)])\s*(?:minus|−|引く|ひく)\s*(?=[\d(.])", re.I), " - "),
    (re.compile(r"(?<=[\d)])\s*(?:\^|to the power of)\s*(?=[\d(.])", re.I), " ** "),
]


def _pattern(depth: int, least: int = 0) -> str:
    """Numbers and groups with at least so many operators between them."""
    group = rf"|\(\s*{_pattern(depth - 1)}\s*\)" if depth else ""
    operand = rf"-?\s*(?:{NUMBER}{group})"
    return rf"{operand}(?:\s*(?:\*\*|[-+*/])\s*{operand}){{{least},}}"


EXPRESSION = re.compile(rf"(?<![\w.,-]){_pattern(DEPTH, 1)}(?![\w.]*[A-Za-z0-9_])", re.A)


@dataclass(frozen=True, slots=True)
class Sum:
    lead: ClassVar = "lead_sum"
    stepwise: ClassVar = False

    expression: str

    @property
    def call(self) -> Call:
        return Call.of("calculate", expression=self.expression)

    def calls(self, done: Outcomes) -> list[Call]:
        return [self.call]

    def tell(self, done: Outcomes, words: Words) -> str:
        if (value := result(self.call, done)) is None:
            return words.trouble(self.call, done)
        return words.say("sum", expression=self.expression, value=number(value))


def read_sums(question: str) -> list[Sum]:
    expressions = find_expressions(question)
    asked = ASKED.search(question) or len("".join(expressions)) > len(question) / 2
    return [Sum(expression) for expression in expressions] if asked else []


def find_expressions(text: str) -> list[str]:
    """In the notation of a calculator: no separators, no `×`, no percent signs. Dates are none."""
    text = DATE.sub(" ", text)
    for pattern, notation in SPOKEN:
        text = pattern.sub(notation, text)
    found = [match.group().replace(",", "").strip() for match in EXPRESSION.finditer(text)]
    return list(dict.fromkeys(found))


def result(call: Call, done: Outcomes) -> object:
    """None when there is none."""
    outcome = done.get(call)
    return outcome.value.get("value") if outcome and not outcome.error else None
