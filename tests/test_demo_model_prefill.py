"""The demo model's time for reading a prompt, and what it has read before."""

from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.demo_model.pace import demo_pace
from streamlab.demo_model.prefix_cache import BLOCK, KEPT, PrefixCache
from streamlab.demo_model.process import DemoModel
from tests.conftest import demo_model

PROMPT = "".join(f"{number} green bottles. " for number in range(200))


@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=400))
def test_only_the_very_same_beginning_is_known(shared: str, one: str, other: str) -> None:
    """Whole blocks of it, and at most what both have in common."""
    cache = PrefixCache()
    assert cache.known("demo", shared + one) == 0.0
    known = cache.known("demo", shared + other) * len(shared + other)
    common = next(
        (place for place, (a, b) in enumerate(zip(shared + one, shared + other, strict=False)) if a != b),
        min(len(shared + one), len(shared + other)),
    )
    assert known == pytest.approx(common // BLOCK * BLOCK)
    assert cache.known("demo?rate=9", shared + one) == 0.0


def test_the_oldest_is_forgotten() -> None:
    cache = PrefixCache()
    cache.known("demo", PROMPT)
    assert cache.known("demo", PROMPT) > 0.9
    for number in range(KEPT // 50 + 1):
        cache.known("demo", f"{number:064}" * 50)
    assert cache.known("demo", PROMPT) == 0.0


def ask(demo: DemoModel, model: str) -> dict[str, Any]:
    asked = {"model": model, "messages": [{"role": "user", "content": PROMPT}]}
    found: dict[str, Any] = httpx2.post(f"{demo.base_url}/chat/completions", json=asked, timeout=60).json()
    return found


def test_usage_says_what_was_cached(demo: DemoModel) -> None:
    """Under another name nothing was."""
    for id in ("a", "b"):
        model = demo_model(text="Yes.", first=0, rate=1_000, id=id)
        first, again = (ask(demo, model)["usage"] for _ in range(2))
        assert first["prompt_tokens_details"] == {"cached_tokens": 0}
        assert 0.95 * first["prompt_tokens"] < again["prompt_tokens_details"]["cached_tokens"] <= first["prompt_tokens"]


@pytest.mark.parametrize("prefill", [1_000, 20_000, 1_000_000])
def test_reading_comes_before_the_first_words(prefill: int) -> None:
    """So much later, and no slower."""
    bare = demo_pace(f"demo?prefill={prefill}", "Why?", "", 50)
    long = demo_pace(f"demo?prefill={prefill}", f"{PROMPT}Why?", "", 50)
    assert bare
    assert long
    assert long.reading == pytest.approx((len(PROMPT) + 4) / 4 / prefill, rel=0.01)
    assert long.first - long.reading == pytest.approx(bare.first - bare.reading)
