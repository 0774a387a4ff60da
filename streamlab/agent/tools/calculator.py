"""`calculate`: arithmetic. simpleeval walks the syntax tree; what it may meet there is cut down to numbers.

No timer is needed: an expression is short, and no number on the way is larger than a float can be.
"""

import ast
import math
import re
import sys
from collections.abc import Callable
from typing import Annotated, Any, TypedDict

import simpleeval  # type: ignore[import-untyped]  # has no stubs
from langchain_core.tools import ToolException, tool
from pydantic import Field

EXPRESSION_CHARACTERS = 500
LARGEST = sys.float_info.max
LARGEST_BITS = sys.float_info.max_exp
DIGITS = 15  # significant ones; further digits of a float are noise

# Full-width forms and signs as people and models write them. Not NFKC, which would turn 3² into 32.
SIGNS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | str.maketrans(
    {"\u3000": " ", "×": "*", "÷": "/", "−": "-", "^": "**", "π": "pi"}
)
FOREIGN = re.compile(r"[^\w\s.,+*/%()\[\]-]")
GLUED = re.compile(r"\b\d[\d_.]*+(?:e[+-]?\d++)?+[a-z]", re.IGNORECASE)
PERCENT_OF = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%\s*of\b", re.IGNORECASE)

Number = int | float


class Calculation(TypedDict):
    expression: str
    value: Number


@tool
def calculate(
    expression: Annotated[str, Field(description="For example: 15% of 80, (1200 - 980) / 980 * 100, round(2 / 3, 2)")],
) -> Calculation:
    """Calculate the value of an arithmetic expression. Use it for every calculation, however small.

    Allowed: numbers without thousands separators, + - * / // % **, parentheses, "15% of 80", the constants pi and e,
    and abs, ceil, cos, exp, floor, int, log (natural, or log(x, base)), log10, log2, max, mean, min, pow, round, sin,
    sqrt, sum, tan. max, mean, min and sum take numbers or one list: sum(1, 2, 3) or sum([1, 2, 3]).
    """
    if len(expression) > EXPRESSION_CHARACTERS:
        raise ToolException(f"The expression is longer than {EXPRESSION_CHARACTERS} characters. Split it into parts.")
    return Calculation(expression=expression, value=_shown(_evaluate(_python(expression))))


def _python(expression: str) -> str:
    """Write the expression as Python does. What Python's parser would warn of is refused."""
    text = " ".join(PERCENT_OF.sub(r"(\1 / 100) *", expression.translate(SIGNS)).split())
    if FOREIGN.search(text):
        raise ToolException(_only_arithmetic())
    if GLUED.search(text):
        raise ToolException("A number and a name stand together. Write a sign between them, as in 2 * pi.")
    return text


def _only_arithmetic() -> str:
    return f"Only arithmetic is allowed: numbers, + - * / // % ** and {', '.join(FUNCTIONS)}."


def _evaluate(text: str) -> Number:
    """Evaluate an expression. Raises ToolException for all that has no value."""
    try:
        # In "eval" mode the parser knows no statements; `previously_parsed` keeps simpleeval from parsing its own way.
        tree = ast.parse(text, mode="eval")
        return _number(_evaluator().eval(text, previously_parsed=tree.body))
    except (SyntaxError, ValueError, TypeError) as error:
        raise ToolException(_misread(error)) from error
    except ZeroDivisionError as error:
        raise ToolException("The expression divides by zero.") from error
    except (simpleeval.NumberTooHigh, OverflowError) as error:
        raise ToolException(f"A number on the way is larger than {LARGEST:.1e}, the limit.") from error
    except (simpleeval.FunctionNotDefined, simpleeval.NameNotDefined) as error:
        name = getattr(error, "func_name", None) or getattr(error, "name", "")
        raise ToolException(f"The name {name} is unknown. Known are {', '.join([*FUNCTIONS, *CONSTANTS])}.") from error
    except simpleeval.InvalidExpression as error:
        raise ToolException(_only_arithmetic()) from error
    except (RecursionError, MemoryError) as error:
        raise ToolException("The expression is nested too deeply. Split it into parts.") from error


def _misread(error: Exception) -> str:
    """Say what is wrong: Python's words help with a syntax error; with the rest they do not."""
    if isinstance(error, _NotReal):
        return str(error)
    if isinstance(error, SyntaxError):
        return (
            f"This is not an arithmetic expression ({error.msg}). "
            "Write operators out, as in 2 * (3 + 4), and percentages as 15% of 80."
        )
    if isinstance(error, TypeError):
        return "Operators and functions take numbers, and each function as many as the tool's description says."
    return "A function has no real value there, as sqrt(-1) or log(0) have none."


def _evaluator() -> Any:
    """Make a new evaluator for each call, because it keeps the expression.

    Nodes and operators not named here are refused.
    """
    evaluator = simpleeval.EvalWithCompoundTypes(operators=OPERATORS, functions={}, names=CONSTANTS)
    evaluator.functions = FUNCTIONS  # afterwards: it adds list, dict and the like to those it is made with
    allowed = (ast.UnaryOp, ast.BinOp, ast.Call, ast.Name, ast.List, ast.Tuple)
    evaluator.nodes = {node: evaluator.nodes[node] for node in allowed} | {ast.Constant: lambda node: node.value}
    return evaluator


class _NotReal(ValueError):
    pass


def _number(value: object) -> Number:
    """Return the value, if it is a number within the limits; bool, which Python counts among the numbers, is none."""
    if isinstance(value, list | tuple):
        raise _NotReal("The expression gives several numbers. Write 1234, without thousands separators.")
    if isinstance(value, complex):
        raise _NotReal("The expression has no real value.")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if math.isnan(value):
        raise _NotReal("The expression has no defined value.")
    if abs(value) > LARGEST:
        raise OverflowError
    return value


def _numbers(values: tuple[object, ...]) -> list[Number]:
    """Read the numbers of `sum(1, 2)` and of `sum([1, 2])` alike."""
    if len(values) == 1 and isinstance(values[0], list | tuple):
        values = tuple(values[0])
    if not values:
        raise TypeError
    return [_number(value) for value in values]


def _of_numbers(function: Callable[..., object]) -> Callable[..., Number]:
    """Hold each argument and the result of a function to numbers within the limits."""

    def bounded(*values: object) -> Number:
        return _number(function(*map(_number, values)))

    return bounded


def _of_list(function: Callable[[list[Number]], Number]) -> Callable[..., Number]:
    def bounded(*values: object) -> Number:
        return _number(function(_numbers(values)))

    return bounded


def _power(base: Number, exponent: Number) -> object:
    """Bounded before it is made: 9 ** 9 ** 9 has 370 million digits."""
    if abs(base) > 1 and math.log2(abs(base)) * exponent > LARGEST_BITS:
        raise OverflowError
    return base**exponent


def _round(value: Number, places: Number = 0) -> Number:
    """Python rounds an int to -n places by making 10 ** n, however large."""
    if type(places) is not int or abs(places) > LARGEST_BITS:
        raise TypeError
    return round(value, places)


def _shown(value: Number) -> Number:
    """Without the noise of binary fractions: 0.1 + 0.2 is 0.3, and 6 / 2 is 3."""
    if isinstance(value, int):
        return value
    rounded = float(f"{value:.{DIGITS}g}")
    if math.isinf(rounded):
        return value
    return int(rounded) if rounded.is_integer() and abs(rounded) < 10**DIGITS else rounded


OPERATORS: dict[type[ast.AST], Callable[..., Number]] = {
    ast.Add: _of_numbers(lambda a, b: a + b),
    ast.Sub: _of_numbers(lambda a, b: a - b),
    ast.Mult: _of_numbers(lambda a, b: a * b),
    ast.Div: _of_numbers(lambda a, b: a / b),
    ast.FloorDiv: _of_numbers(lambda a, b: a // b),
    ast.Mod: _of_numbers(lambda a, b: a % b),
    ast.Pow: _of_numbers(_power),
    ast.USub: _of_numbers(lambda a: -a),
    ast.UAdd: _of_numbers(lambda a: a),
}

CONSTANTS = {"pi": math.pi, "e": math.e}

FUNCTIONS: dict[str, Callable[..., Number]] = {
    "abs": _of_numbers(abs),
    "ceil": _of_numbers(math.ceil),
    "cos": _of_numbers(math.cos),
    "exp": _of_numbers(math.exp),
    "floor": _of_numbers(math.floor),
    "int": _of_numbers(math.trunc),
    "log": _of_numbers(math.log),
    "log10": _of_numbers(math.log10),
    "log2": _of_numbers(math.log2),
    "max": _of_list(max),
    "mean": _of_list(lambda numbers: sum(numbers) / len(numbers)),
    "min": _of_list(min),
    "pow": _of_numbers(_power),
    "round": _of_numbers(_round),
    "sin": _of_numbers(math.sin),
    "sqrt": _of_numbers(math.sqrt),
    "sum": _of_list(sum),
    "tan": _of_numbers(math.tan),
}
