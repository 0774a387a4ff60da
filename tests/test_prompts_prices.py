"""The price list: what is listed has its price, what is not is unknown."""

from datetime import date

import pytest

from streamlab.events.event import Usage
from streamlab.prompts.prices import FREE, cost, price_list, price_of

MILLION = 1_000_000


def test_the_list_says_when_and_where_it_is_from() -> None:
    """A price without a date is worth nothing."""
    prices = price_list()
    assert len(prices) >= 15
    for name, price in prices.items():
        assert price_of(name) == price
        assert 0 < price.input < price.output < 1_000
        assert price.cached is None or 0 < price.cached < price.input
        assert price.cache_write is None or price.input < price.cache_write < price.output
        assert price.date is not None
        assert price.date > date(2026, 1, 1)
        assert price.source


@pytest.mark.parametrize(
    ("model", "usage", "dollars"),
    [
        ("gpt-4o", Usage(MILLION, 0), 2.5),
        ("gpt-4o", Usage(0, MILLION), 10.0),
        ("gpt-4o", Usage(1_000, 500), 0.0075),
        ("gpt-4o", Usage(0, 0), 0.0),
        ("gpt-4o-mini", Usage(MILLION, MILLION, estimated=True), 0.75),
        ("gpt-4o-2024-08-06", Usage(MILLION, 0), 2.5),
        ("gpt-4o-2024-05-13", Usage(MILLION, 0), 5.0),
        ("gpt-5.4", Usage(272_000, 0), 0.68),
        ("openai:gpt-4o", Usage(MILLION, 0), 2.5),
        ("anthropic:claude-opus-4-7", Usage(MILLION, MILLION), 30.0),
        ("anthropic:claude-opus-4-7-20260416", Usage(MILLION, 0), 5.0),
        ("google_genai:gemini-2.5-pro", Usage(200_000, 0), 0.25),
        ("gpt-4o", Usage(MILLION, 0, cached_tokens=0), 2.5),
        ("gpt-4o", Usage(MILLION, 0, cached_tokens=MILLION), 1.25),
        ("gpt-4o", Usage(MILLION, MILLION, cached_tokens=MILLION // 2), 11.875),
        ("gpt-4o-2024-05-13", Usage(MILLION, 0, cached_tokens=MILLION), 5.0),
        ("gpt-4o", Usage(MILLION, 0, cache_write_tokens=MILLION), 2.5),
        (
            "anthropic:claude-opus-4-7",
            Usage(MILLION, 0, cached_tokens=MILLION // 2, cache_write_tokens=MILLION // 5),
            3.0,
        ),
        ("google_genai:gemini-2.5-pro", Usage(200_000, 0, cached_tokens=200_000), 0.025),
    ],
)
def test_tokens_cost_what_is_listed(model: str, usage: Usage, dollars: float) -> None:
    """A dated copy costs as much as the model, unless it is listed itself."""
    assert cost(model, usage) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "model",
    [
        "",
        "gpt",
        "gpt-99",
        "gpt-4o-audio",
        "gpt-4o-2024",
        "my-gpt-4o",
        "GPT-4o",
        "gpt-4o-mini-x",
        "demonstration",
        "llama3",
        "claude-opus-4-7",
        "azure_openai:gpt-4o",
        "home:gpt-4o",
        "anthropic:gpt-4o",
    ],
)
def test_what_is_not_listed_is_unknown_and_not_free(model: str) -> None:
    """Another model's price is not guessed from its name."""
    assert price_of(model) is None
    assert cost(model, Usage(1, 1)) is None


def test_a_long_context_has_a_price_that_is_not_listed() -> None:
    """Above the limit the provider asks for more."""
    assert cost("gpt-5.4", Usage(272_001, 0)) is None
    assert cost("google_genai:gemini-2.5-pro", Usage(200_001, 0)) is None
    assert cost("gpt-4.1", Usage(272_001, 0)) is not None


@pytest.mark.parametrize("model", ["demo", "demo?first=0&rate=50"])
def test_the_demo_model_is_free_and_says_so(model: str) -> None:
    """It costs nothing at all, which is known."""
    assert cost(model, Usage(MILLION, MILLION)) == 0
    assert price_of(model) == FREE
    assert FREE.free
    assert FREE.date is None


def test_a_listed_price_is_not_free() -> None:
    """Only the demo model is."""
    assert not any(price.free for price in price_list().values())
