"""What is said about results, `notes/<language>/tools.toml`, and how numbers and tables are written."""

import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any

from streamlab.demo_model.notes import FOLDER, Language
from streamlab.demo_model.tool_use.calls import Call, Outcomes

YEN = ("sales", "average_order")
MAX_ROWS = 20
MAX_ERROR = 300


class Words:
    """Of one language."""

    def __init__(self, texts: dict[str, Any]) -> None:
        self._labels: dict[str, str] = texts.pop("labels")
        self._values: dict[str, str] = texts.pop("values", {})
        self._texts: dict[str, str] = texts

    def say(self, key: str, **values: object) -> str:
        return self._texts[key].format(**values)

    def label(self, column: str) -> str:
        """A column's name as people say it."""
        return self._labels.get(column, column)

    def name(self, value: object) -> str:
        """A region or category, which the database has in one language only; anything else as it is."""
        return self._values.get(str(value), number(value))

    def amount(self, value: object, column: str) -> str:
        """With its unit, where the column has one."""
        if isinstance(value, int | float) and column in YEN:
            return self.say("yen", number=f"{value:,.0f}")
        return number(value)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
        """Markdown, with numbers to the right. Says how many rows it leaves out."""
        heads = [self.say("yen_head", label=self.label(name)) if name in YEN else self.label(name) for name in columns]
        numeric = [any(isinstance(cell, int | float) for cell in cells) for cells in zip(*rows, strict=False)]
        rules = ["---:" if right else "---" for right in numeric] or ["---"] * len(columns)
        body = [[self._cell(cell, name) for cell, name in zip(row, columns, strict=False)] for row in rows[:MAX_ROWS]]
        lines = [f"| {' | '.join(cells)} |" for cells in (heads, rules, *body)]
        if len(rows) > MAX_ROWS:
            lines += ["", self.say("more_rows", count=len(rows) - MAX_ROWS)]
        return "\n".join(lines)

    def trouble(self, call: Call, done: Outcomes) -> str:
        """Why a call brought nothing: it failed, its result is of no use, or it was not made."""
        if call not in done:
            return self.say("open", tool=call.tool)
        reason = done[call].error or self.say("unreadable")
        return self.say("failed", tool=call.tool, error=" ".join(reason.split())[:MAX_ERROR])

    def _cell(self, value: object, column: str) -> str:
        text = f"{value:,.0f}" if isinstance(value, int | float) and column in YEN else self.name(value)
        return text.replace("|", r"\|").replace("\n", " ")


@cache
def words(language: Language) -> Words:
    return Words(tomllib.loads((FOLDER / language / "tools.toml").read_text("utf-8")))


def number(value: object) -> str:
    """With separators and at most four decimals; what is not a number as it is, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if value and not 0.0001 <= abs(value) < 1e15:
        return f"{value:g}"
    return f"{value:,.4f}".rstrip("0").rstrip(".")
