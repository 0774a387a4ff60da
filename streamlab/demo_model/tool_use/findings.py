"""What a query about sales found."""

from dataclasses import dataclass
from typing import Any

from streamlab.demo_model.tool_use.calls import Outcomes
from streamlab.demo_model.tool_use.queries import Query
from streamlab.demo_model.tool_use.words import Words

Row = list[Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of the query, or of the simpler one that followed it."""

    query: Query
    done: Outcomes

    @property
    def rows(self) -> list[Row] | None:
        """None when there is no readable result."""
        for call in (self.query.call, self.query.simpler):
            outcome = self.done.get(call)
            rows = outcome.value.get("rows") if outcome and not outcome.error else None
            if isinstance(rows, list) and all(isinstance(row, list) and row for row in rows):
                return rows
        return None

    @property
    def top(self) -> Row | None:
        """The row with the highest value, or with the lowest where that was asked for; the only one of a total."""
        rows = [row for row in self.rows or [] if isinstance(row[-1], int | float)]
        if not rows:
            return None
        return (min if self.query.worst else max)(rows, key=lambda row: row[-1])

    @property
    def simplified(self) -> bool:
        return self.query.simpler in self.done and self.query.simpler != self.query.call

    def name(self, words: Words) -> str:
        """What the top row stands for."""
        if self.query.group and self.top:
            return words.name(self.top[0])
        return self.query.period.label if self.query.period else ""

    def value(self, words: Words) -> str:
        return words.amount(self.top[-1] if self.top else None, self.query.measure)

    def trouble(self, words: Words) -> str:
        """Why there is no top row; empty when there is one."""
        if self.rows is None:
            return words.trouble(self.query.simpler if self.simplified else self.query.call, self.done)
        if self.top is None:
            return words.say("no_rows", measure=words.label(self.query.measure).lower(), place=self._place(words))
        return ""

    def tell(self, words: Words) -> str:
        """A sentence, and a table when there are groups."""
        if trouble := self.trouble(words):
            return trouble
        measure, place, value = words.label(self.query.measure), self._place(words), self.value(words)
        if not self.query.group:
            return words.say("total", measure=measure, place=place, value=value)
        key, group = "last" if self.query.worst else "first", words.label(self.query.group).lower()
        sentence = words.say(key, measure=measure, group=group, place=place, top=self.name(words), value=value)
        column = self.query.plain_key if self.simplified else self.query.group
        return f"{sentence}\n\n{words.table([column, self.query.measure], self.rows or [])}"

    def _place(self, words: Words) -> str:
        return words.say("place", label=self.query.period.label) if self.query.period else ""
