"""The cost of a model's tokens, from the dated list `data/prices.toml`. A model not listed is unknown, never free."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from streamlab.events.event import Usage
from streamlab.models.catalog import provider_kind

FILE = files("streamlab") / "data" / "prices.toml"

_DATED = re.compile(r"(.+)-\d{4}-?\d{2}-?\d{2}")


@dataclass(frozen=True, slots=True)
class Price:
    """US$ per million tokens, with the day and the source of the figure; both are None for the free demo model.

    It holds for at most `limit` input tokens; None means any number.
    """

    input: float
    output: float
    date: date | None
    source: str | None
    limit: int | None = None

    @property
    def free(self) -> bool:
        return self.input == self.output == 0


FREE = Price(0.0, 0.0, None, None)


@cache
def price_list() -> dict[str, Price]:
    data = tomllib.loads(FILE.read_text("utf-8"))
    dated = data["date"], data["source"]
    return {
        name: Price(row["input"], row["output"], *dated, data["long_context"] if row.get("long") else row.get("limit"))
        for name, row in data["models"].items()
    }


def price_of(model: str) -> Price | None:
    """Look up a model's price by its exact name, or as the dated copy of a listed name; None when unknown."""
    if provider_kind(model).free:
        return FREE
    listed, model = price_list(), model.removeprefix("openai:")
    dated = _DATED.fullmatch(model)
    return listed.get(model) or (listed.get(dated[1]) if dated else None)


def cost(model: str, usage: Usage) -> float | None:
    """Compute the US$ of one answer, None when unknown. An estimated usage makes an estimated cost."""
    price = price_of(model)
    if price is None or (price.limit is not None and usage.input_tokens > price.limit):
        return None
    return (usage.input_tokens * price.input + usage.output_tokens * price.output) / 1_000_000
