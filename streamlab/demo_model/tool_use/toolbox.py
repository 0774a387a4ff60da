"""The tools of a request, what they have answered so far, and the words for it, `notes/<language>/tools.toml`."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from streamlab.demo_model.notes import FOLDER, Language
from streamlab.demo_model.request import Function
from streamlab.demo_model.tool_use.arguments import fill_arguments
from streamlab.demo_model.tool_use.calls import Call, ToolAnswers

MAX_ERROR = 300
# The tool that a scenario usually calls, the parameter that it needs, and what to call it with if nothing is asked.
SCENARIOS = {
    "sales": ("query_sales", "sql", "SELECT SUM(amount) AS sales FROM orders"),
    "notes": ("search_notes", "query", ""),
    "sum": ("calculate", "expression", "1 + 1"),
}


@dataclass(frozen=True, slots=True)
class Toolbox:
    functions: dict[str, Function]
    answers: ToolAnswers
    language: Language

    def tool(self, scenario: str) -> str:
        """Name the tool for a scenario: the usual one, else one that has its parameter."""
        usual, parameter, _ = SCENARIOS[scenario]
        fitting = (name for name, function in self.functions.items() if parameter in function.properties)
        return usual if usual in self.functions else next(fitting, usual)

    def call(self, scenario: str, value: str) -> Call:
        """Make the call for a scenario; what else its tool requires is filled by its schema."""
        name = self.tool(scenario)
        function = self.functions.get(name, Function(name=name))
        return Call.of(name, **fill_arguments(function, value, {SCENARIOS[scenario][1]: value}))

    def result(self, call: Call, key: str) -> Any:
        """Return a field of a call's result, or None."""
        outcome = self.answers.get(call)
        return outcome.value.get(key) if outcome and not outcome.error else None

    def tell(self, call: Call) -> str:
        """Say what came of a call: the tool's own words, that it failed, or that it was not made."""
        if (outcome := self.answers.get(call)) is None:
            return self.say("open", tool=call.tool)
        # A sentence is a failure of the usual tools, whose results are JSON, but may be the result of any other.
        usual = call.tool in (name for name, *_ in SCENARIOS.values())
        if outcome.error and (usual or outcome.value or not outcome.text.strip()):
            return self.say("failed", tool=call.tool, error=" ".join(outcome.error.split())[:MAX_ERROR])
        return self.say("answered", tool=call.tool, text=outcome.text)

    def say(self, key: str, **values: object) -> str:
        return str(_texts(self.language)[key].format(**values))

    def word(self, section: str, key: object, default: object = None) -> str:
        """Look a column or a value up; the default is itself."""
        return str(_texts(self.language).get(section, {}).get(key, key if default is None else default))

    def amount(self, value: float, column: str) -> str:
        """Write a value with the unit of its column."""
        return self.word("amounts", column, "{number}").format(number=number(value))

    def table(self, columns: tuple[str, str], rows: Sequence[Sequence[Any]]) -> str:
        """Write names and numbers as a Markdown table."""
        heads = [self.word("heads", column, self.word("labels", column)) for column in columns]
        cells = [[self.word("values", row[0]), number(row[-1])] for row in rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---", "---:"], *cells])


def number(value: object) -> str:
    """Write a number with separators and at most four decimals; anything else as it is."""
    if isinstance(value, float) and (not value or 1e-4 <= abs(value) < 1e15):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int | float) else str(value)


@cache
def _texts(language: Language) -> dict[str, Any]:
    return tomllib.loads((FOLDER / language / "tools.toml").read_text("utf-8"))
