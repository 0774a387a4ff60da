"""Figures of latency against known answers: intervals, differences, reading, buffering and noise."""

import json
from dataclasses import replace
from itertools import pairwise
from math import comb
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from streamlab.latency.difference import paired_difference, unpaired_difference
from streamlab.latency.disturbance import is_held, noise
from streamlab.latency.figures import figures, noticed_wait, reading_seconds, time_per_token
from streamlab.latency.observation import Observation, Side
from streamlab.latency.summary import as_json, compare_measurements, summarize
from tests.observations import failed, measurements, observations, streamed, unique


def invoked(e2e: float, **fields: Any) -> Observation:
    whole: dict[str, Any] = {"way": "invoke", "streamed": False, "tokens": 10}
    return streamed([e2e], **whole | fields)


# Figures


def test_figures_are_those_worked_out_by_hand() -> None:
    """TTFT, pooled gaps, TPOT = (last text - TTFT) / (tokens - 1), last text, E2E; percentiles are linear."""
    seen = [
        streamed([1.0, 1.1, 1.3], 1.4, pair=1, ttfe=0.9, tokens=4),  # gaps 0.1, 0.2; TPOT 0.1
        streamed([2.0, 2.4], 2.6, pair=2, ttfe=1.9, tokens=3),  # gap 0.4; TPOT 0.2
        streamed([3.0], 3.0, pair=3, ttfe=2.0, tokens=1),  # no gap and no TPOT
        failed(pair=4),
        failed(pair=5, error="timeout"),
        streamed([9.0, 19.0], pair=0, warm_up=True),
        streamed([9.0, 19.0], pair=1, way="astream"),
    ]
    found = figures(seen, Side("demo", "stream"), target=2.0)
    assert (found.n, found.failures, found.refused, found.errors) == (3, 2, 0, {"auth": 1, "timeout": 1})
    known = {
        "ttfe": (1.9, 1.99),
        "ttft": (2.0, 2.9),
        "gap": (0.2, 0.38),
        "tpot": (0.15, 0.195),
        "last_text": (2.4, 2.94),
        "e2e": (2.6, 2.96),
        "tokens_per_second": (7.5, 9.75),
    }
    for name, expected in known.items():
        spread = getattr(found, name)
        assert (spread.median, spread.p95) == pytest.approx(expected), name
    assert found.within_target == pytest.approx(2 / 5)
    assert (found.tokens, found.visible) == (3, 3)


def test_invoke_has_no_time_per_token() -> None:
    """When its first token was made is not known."""
    assert time_per_token(invoked(2.0)) is None
    assert figures([invoked(2.0)], Side("demo", "invoke"), 1.0).tpot is None


def test_an_invoke_that_streamed_underneath_is_in_no_figure() -> None:
    """It is counted as refused, and its pair is not compared."""
    seen = [invoked(2.0, streamed=True), invoked(3.0, pair=2), streamed([0.5, 2.0]), streamed([0.5, 2.0], pair=2)]
    summary = summarize(seen, 1.0)
    assert (summary.refused, summary.failures) == (1, 0)
    assert summary.figures[0].e2e
    assert (summary.figures[0].n, summary.figures[0].e2e.median) == (1, 3.0)
    assert all(one.difference and one.difference.n == 1 for one in summary.comparisons)


# Differences


def test_a_paired_difference_is_that_of_the_pairs() -> None:
    """Not that of the medians: here every pair differs by 1 while the values drift by far more."""
    seen = [streamed([10.0 * pair], pair=pair) for pair in range(1, 11)]
    seen += [invoked(10.0 * pair + 1, pair=pair) for pair in range(1, 11)]
    found = {one.metric: one.difference for one in summarize(seen, 1.0).comparisons}["ttft"]
    assert found
    assert (found.n, found.value, found.low, found.high) == (10, -1, -1, -1)
    assert found.distinguishable is True
    assert found.confidence == 0.95


def test_a_failed_call_takes_its_pair_out_of_the_comparison() -> None:
    """Only pairs in which both came to their end are compared."""
    seen = [streamed([1.0], pair=pair) for pair in (1, 2, 3)]
    seen += [invoked(2.0, pair=1), failed(pair=2, way="invoke"), invoked(4.0, pair=3)]
    found = summarize(seen, 1.0).comparisons[0]
    assert (found.base, found.side) == (Side("demo", "invoke"), Side("demo", "stream"))
    assert found.difference
    assert (found.difference.n, found.difference.value) == (2, -2.0)
    assert (found.difference.low, found.difference.distinguishable) == (None, None), "too few for an interval"


def test_models_are_compared_in_each_way() -> None:
    """Each two ways of a model, and each two models in a way; never both at once."""
    seen = [streamed([1.0], model=model, way=way) for model in ("b", "a") for way in ("stream", "astream")]
    compared = {(one.base, one.side) for one in summarize(seen, 1.0).comparisons}
    assert compared == {
        (Side("b", "stream"), Side("b", "astream")),
        (Side("a", "stream"), Side("a", "astream")),
        (Side("b", "stream"), Side("a", "stream")),
        (Side("b", "astream"), Side("a", "astream")),
    }


def binomial_interval(values: list[float]) -> tuple[float, float]:
    """The percentile bootstrap interval of an odd sample's median, exactly (Efron 1979, section 3): the resampled
    median is at most the k-th value when more than half of the draws are among the first k."""
    n, ordered = len(values), sorted(values)

    def at_most(k: int) -> float:
        share = k / n
        return sum(comb(n, m) * share**m * (1 - share) ** (n - m) for m in range(n // 2 + 1, n + 1))

    low = next(ordered[k - 1] for k in range(1, n + 1) if at_most(k) > 0.025)
    high = next(ordered[k - 1] for k in range(1, n + 1) if at_most(k) >= 0.975)
    return low, high


@pytest.mark.parametrize("n", [3, 5, 9, 15, 25])
def test_the_interval_is_the_bootstrap_interval_of_the_median(n: int) -> None:
    """Against the exact one, which for a median is a sum of binomial probabilities."""
    values = [float(value) for value in Random(n).sample(range(1_000), n)]
    found = paired_difference(values)
    assert found
    assert (found.low, found.high) == binomial_interval(values)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12), st.randoms(use_true_random=False))
@example([0.0, 0.0, 0.0], Random(0))
@example([2.5] * 5, Random(0))
@example([0.0, 0.0, -640.3019221566268], Random(0))
@example([1.0, 1.0, 1.0, 9.0], Random(0))
@hypothesis_settings(max_examples=30)
def test_an_interval_holds_its_median_whatever_the_data(values: list[float], random: Random) -> None:
    """No warning and no nan, also of equal values; within the data, and the same in any order."""
    found = paired_difference(values)
    shuffled = values[:]
    random.shuffle(shuffled)
    assert found == paired_difference(shuffled)
    assert found
    assert found.value == np.median(values)
    if len(values) < 3:
        assert found.low is None
        return
    assert found.low is not None
    assert found.high is not None
    assert min(values) <= found.low <= found.value <= found.high <= max(values)
    assert found.distinguishable is not (found.low <= 0 <= found.high)
    assert found.confidence == min(0.95, 1 - 2 ** (1 - len(values)))


def test_two_measurements_are_compared_as_independent_samples() -> None:
    """By the difference of their medians; what only one of them measured is left out."""
    before = [streamed([1.0 + pair / 100], pair=pair) for pair in range(10)]
    before = [replace(seen, pair=number) for number, seen in enumerate(before, 1)] + [invoked(5.0)]
    after = [streamed([seen.chunk_times[0] + 1], pair=11 - seen.pair) for seen in before[:10]]
    found = compare_measurements(before, after)
    assert [one.metric for one in found] == ["ttft", "e2e", "noticed"]
    difference = found[0].difference
    assert difference
    assert difference.value == pytest.approx(1.0)
    assert difference.low is not None
    assert difference.high is not None
    assert 0.9 < difference.low <= 1.0 <= difference.high < 1.1
    same = unpaired_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert same
    assert (same.value, same.distinguishable) == (0, False)
    assert unpaired_difference([], [1.0]) is None


@given(measurements, st.randoms(use_true_random=False))
@hypothesis_settings(max_examples=15)
def test_the_order_of_the_observations_says_nothing(seen: list[Observation], random: Random) -> None:
    """Figures, comparisons and verdicts are of the set. Only models are named in their order of appearance."""
    seen = [replace(one, model="demo") for one in seen]
    seen = unique(seen)
    shuffled = seen[:]
    random.shuffle(shuffled)
    assert as_json(summarize(shuffled, 1.0)) == as_json(summarize(seen, 1.0))


@given(measurements)
@hypothesis_settings(max_examples=15)
def test_a_summary_is_json(seen: list[Observation]) -> None:
    """Whatever was observed: no nan, no infinity, nothing that JSON has not."""
    json.dumps(as_json(summarize(seen, 1.0)), allow_nan=False)
    json.dumps(as_json(compare_measurements(seen, seen)), allow_nan=False)


def test_nothing_measured_is_not_sound() -> None:
    """A summary of nothing, or of warm-ups alone, has no figures and is no success."""
    assert summarize([], 1.0).calls == 0
    assert summarize([streamed([1.0], pair=0, warm_up=True)], 1.0).figures == ()


# Reading


def test_reading_takes_as_long_as_people_take() -> None:
    """250 words a minute; Japanese 500 characters a minute, without white space; what there is more of decides."""
    assert reading_seconds("word " * 250) == pytest.approx(60)
    assert reading_seconds("- one\n- two\n") == pytest.approx(2 / 250 * 60), "marks of a list are no words"
    assert reading_seconds("あ い\n" * 250) == pytest.approx(60)
    assert reading_seconds("トークンはtokenです。") == pytest.approx(13 / 500 * 60)
    assert reading_seconds("One word: 語 in English.") == pytest.approx(5 / 250 * 60)
    assert reading_seconds("") == 0


def test_a_stall_is_noticed_only_by_who_has_read_all() -> None:
    """10 characters at 0.1 s each from 1 s on: read at 2 s, then 1 s of stall; 30 would have bridged it."""
    slow = streamed([1.0, 3.0], chunk_characters=(10, 10), reading=2.0)
    wait = noticed_wait(slow)
    assert wait
    assert (wait.noticed, wait.done) == pytest.approx((2.0, 4.0))
    bridged = noticed_wait(streamed([1.0, 3.0], chunk_characters=(30, 10), reading=4.0))
    assert bridged
    assert (bridged.noticed, bridged.done) == pytest.approx((1.0, 5.0))


def test_whoever_invokes_notices_the_whole_wait() -> None:
    """All of E2E, and only then begins to read."""
    wait = noticed_wait(invoked(6.0, reading=48.0))
    assert wait
    assert (wait.noticed, wait.done) == (6.0, 54.0)
    assert noticed_wait(failed()) is None


@given(observations())
def test_the_noticed_wait_lies_between_the_first_text_and_the_last(seen: Observation) -> None:
    """And with the reading it makes up the time until the reader is done."""
    wait = noticed_wait(seen)
    if seen.error:
        assert wait is None
        return
    assert wait
    assert seen.ttft is not None
    assert seen.e2e is not None
    assert seen.ttft - 1e-6 <= wait.noticed <= seen.chunk_times[-1] + 1e-6 <= seen.e2e + 2e-6
    assert wait.done == pytest.approx(wait.noticed + seen.reading, abs=1e-6)


# Buffering and noise


def test_a_fast_model_that_thinks_first_is_not_accused() -> None:
    """2 s of thought and 100 chunks in 0.2 s, each of them waited for; the same in two reads is a buffer."""
    times = [2 + number * 0.002 for number in range(100)]
    assert not is_held(streamed(times))
    assert is_held(streamed(times, waits=2))


def test_a_buffer_that_is_sent_whenever_it_is_full_is_found() -> None:
    """Bunches of 30 chunks, 0.7 s apart, as a proxy's buffer of 8 KB gives them."""
    times = sorted(0.7 * (bunch + 1) + number * 0.0005 for bunch in range(4) for number in range(30))
    assert is_held(streamed(times, waits=4))
    found = summarize([streamed(times, waits=4), streamed(times, waits=100, pair=2)], 1.0).buffering[0]
    assert (found.n, found.held, found.suspected) == (2, 1, False)


def test_what_is_too_short_or_too_soon_is_not_accused() -> None:
    """Fewer than 10 chunks may lie in one packet, and less than 0.2 s is held back from nobody."""
    assert not is_held(streamed([2 + number / 1e4 for number in range(9)], waits=1))
    assert not is_held(streamed([0.1 + number / 1e4 for number in range(50)], waits=1))
    assert not is_held(invoked(2.0))


def test_noise_is_told_by_error_and_lateness() -> None:
    """Beyond 5 ms at the median or 15 ms at p95 against the server's record, or 15 ms of lateness."""
    quiet = [streamed([0.1, 0.2, 0.3], written=(0.099, 0.199, 0.299), late=0.001, pair=pair) for pair in range(1, 21)]
    assert noise(quiet).noisy is False
    assert noise([replace(seen, written=None) for seen in quiet]).ttft_error is None
    late = [replace(seen, late=0.02) for seen in quiet]
    assert noise(late).reasons == ("late",)
    slow = [replace(seen, written=(0.094, 0.194, 0.294)) for seen in quiet]
    assert noise(slow).reasons == ("ttft_error",)
    jerky = [replace(seen, written=(0.099, 0.193, 0.299)) for seen in quiet]
    assert noise(jerky).reasons == ("gap_error",)
    tail = [*quiet[2:], *(replace(seen, written=(0.05, 0.15, 0.25)) for seen in quiet[:2])]
    assert noise(tail).reasons == ("ttft_error",), "two of twenty are more than p95 allows"
    assert noise([replace(quiet[0], warm_up=True, pair=0, late=9.0), *quiet]).noisy is False


@given(observations())
def test_gaps_are_between_neighbours(seen: Observation) -> None:
    """One fewer than chunks, none negative, and together the time from the first to the last."""
    assert len(seen.gaps) == max(0, len(seen.chunk_times) - 1)
    assert all(gap >= 0 for gap in seen.gaps)
    assert all(after >= before for before, after in pairwise(seen.chunk_times))
    if seen.gaps:
        assert sum(seen.gaps) == pytest.approx(seen.chunk_times[-1] - seen.chunk_times[0])
