"""The cost of a model's tokens, from the dated list `data/prices.toml`. A model not listed is unknown, never free."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from streamlab.events.event import Usage
from streamlab.models.capabilities import undated
from streamlab.models.catalog import provider_kind

FILE = files("streamlab") / "data" / "prices.toml"


@dataclass(frozen=True, slots=True)
class Price:
    """US$ per million tokens, with the day and the source of the figure; both are None for the free demo model.

    It holds for at most `limit` input tokens; None means any number. What is `cached`, and what is put into the cache,
    costs as much as other input where that is not listed.
    """

    input: float
    output: float
    date: date | None
    source: str | None
    limit: int | None = None
    cached: float | None = None
    cache_write: float | None = None

    @property
    def free(self) -> bool:
        return self.input == self.output == 0


FREE = Price(0.0, 0.0, None, None)


@cache
def price_list() -> dict[str, Price]:
    data = tomllib.loads(FILE.read_text("utf-8"))
    return {name: _listed(data, row) for name, row in data["models"].items()}


def _listed(data: Mapping[str, Any], row: Mapping[str, Any]) -> Price:
    limit = data["long_context"] if row.get("long") else row.get("limit")
    asked = row["input"], row["output"]
    return Price(*asked, data["date"], data["source"], limit, row.get("cached"), row.get("cache_write"))


def price_of(model: str) -> Price | None:
    """Look up a model's price by its exact name, or as the dated copy of a listed name; None when unknown."""
    if provider_kind(model).free:
        return FREE
    listed, model = price_list(), model.removeprefix("openai:")
    return listed.get(model) or listed.get(undated(model) or "")


def cost(model: str, usage: Usage) -> float | None:
    """Compute the US$ of one answer, None when unknown. An estimated usage makes an estimated cost."""
    price = price_of(model)
    if price is None or (price.limit is not None and usage.input_tokens > price.limit):
        return None
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    parts = (
        (max(0, usage.input_tokens - cached - written), price.input),
        (cached, price.input if price.cached is None else price.cached),
        (written, price.input if price.cache_write is None else price.cache_write),
        (usage.output_tokens, price.output),
    )
    return sum(tokens * dollars for tokens, dollars in parts) / 1_000_000
