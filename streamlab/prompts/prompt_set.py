"""A set of prompts to compare: the variants, the cases, the checks."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streamlab.prompts import cases as table
from streamlab.prompts import template
from streamlab.prompts.checks import MAX_CHECKS, Check
from streamlab.prompts.texts import StorableText

VERSION: Literal[1] = 1
MIN_VARIANTS, MAX_VARIANTS = 2, 6
MAX_REPEATS, MAX_AT_ONCE = 10, 16
MAX_CHARACTERS = 1_000_000  # of all texts of a set together

PromptText = Annotated[StorableText, Field(max_length=template.MAX_CHARACTERS)]
ColumnName = Annotated[StorableText, Field(min_length=1, max_length=table.MAX_NAME)]
CellText = Annotated[StorableText, Field(max_length=table.MAX_CELL)]


class _FrozenModel(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Variant(_FrozenModel):
    """One column of the comparison. Its template may be invalid; `problems` reports that."""

    name: Annotated[StorableText, Field(min_length=1, max_length=60, pattern=r"^[^\r\n]*$")]
    system: PromptText = ""
    template: PromptText
    model: Annotated[StorableText, Field(min_length=1, max_length=2_000)]
    temperature: float = Field(1.0, ge=0, le=2)


class PromptSet(_FrozenModel):
    """The variants, cases and checks. Every case has a text for every column; no cases count as one without values."""

    version: Literal[1] = VERSION
    variants: tuple[Variant, ...] = Field(min_length=MIN_VARIANTS, max_length=MAX_VARIANTS)
    columns: tuple[ColumnName, ...] = Field((), max_length=table.MAX_COLUMNS)
    cases: tuple[dict[ColumnName, CellText], ...] = Field((), max_length=table.MAX_ROWS)
    checks: tuple[Check, ...] = Field((), max_length=MAX_CHECKS)
    repeats: int = Field(1, ge=1, le=MAX_REPEATS)
    at_once: int = Field(4, ge=1, le=MAX_AT_ONCE)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, data: Any) -> Any:
        """Fill the columns that a case leaves out with empty texts."""
        match data:
            case {"columns": [*columns], "cases": [*cases]}:
                if all(isinstance(name, str) for name in columns) and all(isinstance(case, dict) for case in cases):
                    blank = dict.fromkeys(columns[: table.MAX_COLUMNS], "")
                    return data | {"cases": [blank | case for case in cases]}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns with different names")
        if any(set(case) != set(self.columns) for case in self.cases):
            raise ValueError("cases with the columns of the set and no other")
        if self.size > MAX_CHARACTERS:
            raise ValueError(f"at most {MAX_CHARACTERS} characters in all")
        return self

    @property
    def size(self) -> int:
        """Count the characters of all texts."""
        return sum(map(len, _texts(self)))

    def inputs(self) -> tuple[dict[str, str], ...]:
        """Return the values of each case, in order: one without any when there are no cases."""
        return self.cases or ({},)


def _texts(prompts: PromptSet) -> Iterator[str]:
    for variant in prompts.variants:
        yield from (variant.system, variant.template)
    for case in prompts.cases:
        yield from case.values()
