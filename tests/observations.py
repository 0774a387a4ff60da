"""Observations of calls, made by hand or at random."""

from dataclasses import replace
from itertools import accumulate
from typing import Any

from hypothesis import strategies as st

from streamlab.latency.observation import Observation
from streamlab.latency.plan import WAYS, Plan, Way


def plan_of(**fields: Any) -> Plan:
    return Plan(**{"models": ("demo",), "prompt": "What is streaming?"} | fields)


def streamed(times: list[float], end: float | None = None, **fields: Any) -> Observation:
    """Make a stream whose chunks of 5 characters came at these times; each was waited for."""
    return replace(
        Observation(
            pair=1,
            way="stream",
            model="demo",
            warm_up=False,
            ttfe=times[0],
            ttft=times[0],
            e2e=times[-1] if end is None else end,
            chunk_times=tuple(times),
            chunk_characters=(5,) * len(times),
            tokens=len(times),
            tokens_estimated=False,
            reading=0.0,
            streamed=True,
            waits=len(times),
            error=None,
            late=0.0,
            written=None,
        ),
        **fields,
    )


def failed(**fields: Any) -> Observation:
    nothing: dict[str, Any] = {
        "ttfe": None,
        "ttft": None,
        "e2e": None,
        "chunk_times": (),
        "chunk_characters": (),
        "tokens": None,
    }
    return replace(streamed([1.0]), **nothing | {"error": "auth", "streamed": False, "waits": 0} | fields)


micros = st.integers(0, 10**8).map(lambda number: number / 1e6)


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    """Draw any call that can be."""
    way: Way = draw(st.sampled_from(WAYS))
    steps = draw(st.lists(st.integers(0, 10**7), min_size=1, max_size=1 if way == "invoke" else 30))
    times = [step / 1e6 for step in accumulate(steps)]
    end = times[-1] if way == "invoke" else times[-1] + draw(st.integers(0, 10**6)) / 1e6
    pair = draw(st.integers(0, 100))
    made = streamed(
        times,
        round(end, 6),
        pair=pair,
        warm_up=pair == 0,
        way=way,
        model=draw(st.sampled_from(["demo", "gpt-5", "モデル"])),
        chunk_characters=tuple(draw(st.integers(1, 500)) for _ in times),
        tokens=draw(st.none() | st.integers(0, 10_000)),
        tokens_estimated=draw(st.booleans()),
        reading=draw(micros),
        streamed=draw(st.booleans()),
        waits=draw(st.integers(0, 40)),
        late=draw(micros),
        written=draw(st.none() | st.just(tuple(times))),
        thought=draw(st.none() | st.booleans()),
        sent_tokens=draw(st.none() | st.integers(0, 10_000)),
    )
    if draw(st.integers(0, 3)) == 0:
        return replace(made, e2e=None, error="connection_lost") if way != "invoke" else failed(pair=pair, way=way,
            warm_up=pair == 0)  # fmt: skip
    return made


def unique(seen: list[Observation]) -> list[Observation]:
    """Keep each call of a pair once."""
    return list({(one.pair, one.model, one.way): one for one in seen}.values())


measurements = st.lists(observations(), min_size=1, max_size=12).map(unique)
