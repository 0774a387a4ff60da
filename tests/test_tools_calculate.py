"""calculate: only arithmetic, and any expression has an answer."""

import json
import string
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.tools import ToolException

from streamlab.agent.tools import calculate

PROMPT = timedelta(seconds=5)  # for a call that takes milliseconds


def value(expression: str) -> Any:
    return calculate.invoke({"expression": expression})["value"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("2 ** 10", 1024),
        ("2^10", 1024),
        ("-2 ** 2", -4),
        ("7 // 2 + 7 % 4", 6),
        ("6 / 2", 3),
        ("1 / 3", 0.333333333333333),
        ("0.1 + 0.2", 0.3),
        ("19.99 * 100", 1999),
        ("15% of 80", 12),
        ("2.5 % OF 1000 + 1", 26),
        ("100 - 15% of 100", 85),
        ("(1200 - 980) / 980 * 100", 22.4489795918367),
        ("sqrt(2) ** 2", 2),
        ("round(2 / 3, 2)", 0.67),
        ("round(1234, -2)", 1200),
        ("max(1, 5, 3) - min([4, 2])", 3),
        ("sum(1, 2, 3) + sum([1, 2, 3])", 12),
        ("mean(1, 2)", 1.5),
        ("log(8, 2) + log10(1000) + log(e)", 7),
        ("pow(2, -1)", 0.5),
        ("pi", 3.14159265358979),
        ("1_000 + 1e3", 2000),
        ("１２×３÷２−１", 17),
        ("2\n+ 2", 4),
        ("2 ** 64", 2**64),
        ("1.7976931348623157e308", 1.7976931348623157e308),
    ],
)
def test_calculate(expression: str, expected: float) -> None:
    """Without the noise of binary fractions, and whole numbers as such."""
    result = value(expression)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("1 / 0", "divides by zero"),
        ("0 ** -1", "divides by zero"),
        ("5 % 0", "divides by zero"),
        ("9 ** 9 ** 9", "larger than"),
        ("9.0 ** 9999", "larger than"),
        ("10 ** 308 * 10", "larger than"),
        ("1e999", "larger than"),
        ("exp(1000)", "larger than"),
        ("9" * 400, "larger than"),
        ("sqrt(-1)", "no real value"),
        ("log(0)", "no real value"),
        ("(-8) ** (1 / 3)", "no real value"),
        ("two + 2", "name two is unknown"),
        ("factorial(3)", "name factorial is unknown"),
        ("1,234 + 1", "without thousands separators"),
        ("50%", "percentages as 15% of 80"),
        ("2 +", "not an arithmetic expression"),
        ("", "not an arithmetic expression"),
        ("3²", "not an arithmetic expression"),
        ("2pi", "sign between them"),
        ("1j", "sign between them"),
        ("round(1, -10 ** 9)", "take numbers"),
        ("round(1.5, 0.5)", "take numbers"),
        ("max()", "take numbers"),
        ("sqrt(1, 2)", "take numbers"),
        ("sqrt", "take numbers"),
        ("+ ".join(["1"] * 300), "longer than 500"),
        ("-" * 499 + "1", "nested too deeply"),
        ("(" * 250, "not an arithmetic expression"),
    ],
)
def test_what_has_no_value_is_said_in_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(ToolException, match=sentence):
        value(expression)


NO_ARITHMETIC = [
    "__import__('os').system('id')",
    "__import__",
    "().__class__",
    "(1).__class__.__bases__[0].__subclasses__()",
    "(1).real",
    "sqrt.__globals__",
    "sqrt.__self__",
    "open('/etc/passwd').read()",
    "eval('1')",
    "exec('a = 1')",
    "getattr(1, 'real')",
    "globals()",
    "lambda: 1",
    "(lambda: 1)()",
    "[x for x in [1, 2]]",
    "sum([x for x in [1, 2]])",
    "{1: 2}",
    "{x for x in (1, 2)}",
    "'a' * 10 ** 9",
    "b'a'",
    "'%s' % 1",
    "f'{1}'",
    "[1] * 10 ** 9",
    "[[1]] + [2]",
    "[1, 2][0]",
    "max(*[1, 2])",
    "max([1, 2], key=abs)",
    "1 if True else 2",
    "1if 1else 2",
    "True + 1",
    "None",
    "...",
    "1 < 2",
    "1 and 2",
    "not 1",
    "~1",
    "1 << 10 ** 9",
    "1 | 2",
    "a = 1",
    "a := 1",
    "(a := 1)",
    "1; 2",
    "import os",
    "max",
    "rand()",
    "str(1)",
    "list(1)",
    "max(max)",
    "await 1",
    "(yield)",
    "\\x41",
    "\ud800",
    "1\0",
]


@pytest.mark.parametrize("expression", NO_ARITHMETIC)
def test_only_arithmetic_is_evaluated(expression: str) -> None:
    """No code, no names of Python, no value that is not a number."""
    with pytest.raises(ToolException):
        value(expression)


TOKENS = [
    *"0123456789.,()[]+-*/%_^",
    "**",
    "//",
    " ",
    "e",
    "pi",
    "sqrt(",
    "round(",
    "sum(",
    "pow(",
    "1e308",
    "% of",
    "if",
]


@settings(max_examples=400, deadline=PROMPT)
@given(st.text(max_size=80) | st.text(string.printable, max_size=80) | st.lists(st.sampled_from(TOKENS)).map("".join))
def test_any_expression_has_an_answer(expression: str) -> None:
    """A number that is finite, or a sentence."""
    try:
        result = value(expression)
    except ToolException:
        return
    json.dumps(result, allow_nan=False)
    assert type(result) in (int, float)
