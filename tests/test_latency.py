"""Measuring latency: the order of the calls, files, figures against known answers, and one call of each kind."""

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from math import comb
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import HttpUrl, SecretStr, ValidationError

from streamlab.demo_model.process import DemoModel
from streamlab.latency import measurement
from streamlab.latency.calls import measure
from streamlab.latency.client import Client
from streamlab.latency.difference import paired_difference, unpaired_difference
from streamlab.latency.disturbance import is_held, noise
from streamlab.latency.figures import figures, noticed_wait, reading_seconds, time_per_token
from streamlab.latency.measurement import BrokenMeasurement, read_measurement, write_measurement
from streamlab.latency.observation import Observation, write_csv, write_lines
from streamlab.latency.plan import DIRECT, WAYS, Call, Plan, Way, order, plan_problem
from streamlab.latency.summary import Side, as_json, compare_measurements, summarize
from streamlab.models.catalog import Models
from streamlab.settings import Settings
from tests.conftest import demo_model, http, raw_endpoint, sse


def plan_of(**fields: Any) -> Plan:
    return Plan(**{"models": ("demo",), "prompt": "What is streaming?"} | fields)


def streamed(times: list[float], end: float | None = None, **fields: Any) -> Observation:
    """A stream whose chunks of 5 characters came at these times; each was waited for."""
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


def invoked(e2e: float, **fields: Any) -> Observation:
    whole: dict[str, Any] = {"way": "invoke", "streamed": False, "tokens": 10}
    return streamed([e2e], **whole | fields)


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
    """Any call that can be."""
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
    )
    if draw(st.integers(0, 3)) == 0:
        return replace(made, e2e=None, error="connection_lost") if way != "invoke" else failed(pair=pair, way=way,
            warm_up=pair == 0)  # fmt: skip
    return made


def unique(seen: list[Observation]) -> list[Observation]:
    """A call of a pair is made once."""
    return list({(one.pair, one.model, one.way): one for one in seen}.values())


measurements = st.lists(observations(), min_size=1, max_size=12).map(unique)

# Plan and order


@given(st.integers(0, 2**31 - 1), st.integers(1, 12), st.integers(0, 5), st.integers(1, 4), st.integers(1, 4))
def test_every_pair_has_every_model_and_way_once(seed: int, pairs: int, warm_ups: int, models: int, ways: int) -> None:
    """Warm-ups come first; then pair after pair, none missing and none twice."""
    plan = plan_of(
        models=tuple(f"m{number}" for number in range(models)), ways=WAYS[:ways], pairs=pairs, warm_ups=warm_ups,
        seed=seed,
    )  # fmt: skip
    calls = order(plan)
    assert [call.pair for call in calls] == sorted(call.pair for call in calls)
    counts = Counter(calls)
    for model in plan.models:
        for way in plan.ways:
            assert [counts[Call(pair, model, way)] for pair in range(pairs + 1)] == [warm_ups] + [1] * pairs
    assert counts.total() == len(calls) == models * ways * (pairs + warm_ups)
    assert all(call.warm_up == (call.pair == 0) for call in calls)


def test_the_order_is_random_and_the_seed_decides_it() -> None:
    """Within a pair every order occurs; the same seed gives the same order, another one another."""
    calls = order(plan_of(pairs=100, warm_ups=0))
    turns = {tuple(call.way for call in calls[start : start + 3]) for start in range(0, 300, 3)}
    assert len(turns) == 6
    assert calls == order(plan_of(pairs=100, warm_ups=0))
    assert calls != order(plan_of(pairs=100, warm_ups=0, seed=1))


@pytest.mark.parametrize(
    "fields",
    [
        {"models": ()},
        {"models": ("a", "b", "c", "d", "e")},
        {"models": ("a", "a")},
        {"models": ("",)},
        {"models": (" a",)},
        {"prompt": ""},
        {"prompt": " \n"},
        {"prompt": "x" * 32_001},
        {"max_tokens": 15},
        {"max_tokens": 4_001},
        {"pairs": 0},
        {"pairs": 101},
        {"pairs": 2.5},
        {"ways": ()},
        {"ways": ("stream", "stream")},
        {"ways": ("batch",)},
        {"ways": ("stream", "gateway"), "max_tokens": 50},
        {"warm_ups": -1},
        {"warm_ups": 6},
        {"temperature": float("nan")},
        {"temperature": 2.1},
        {"target": 0.0},
        {"timeout": float("inf")},
        {"seed": -1},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_plan_that_cannot_be_measured_is_refused(fields: dict[str, Any]) -> None:
    """With a sentence that names the field and none of the values."""
    with pytest.raises(ValidationError) as refused:
        plan_of(**fields)
    sentence = plan_problem(refused.value)
    assert sentence.endswith(".")
    assert len(sentence) < 200


# Files


def document(seen: list[Observation], **fields: Any) -> bytes:
    return write_measurement(seen, plan_of(**fields), datetime(2025, 1, 31, 9, 30, tzinfo=UTC), complete=True)


@given(measurements)
def test_reading_gives_what_was_written(seen: list[Observation]) -> None:
    """As a document and as JSON lines, also after an editor put a byte order mark and CRLF into it."""
    assert list(read_measurement(document(seen)).observations) == seen
    assert list(read_measurement(write_lines(seen)).observations) == seen
    edited = b"\xef\xbb\xbf" + write_lines(seen).replace(b"\n", b"\r\n\r\n")
    assert list(read_measurement(edited).observations) == seen


def test_a_document_says_how_it_was_made() -> None:
    """Plan, time, machine and whether it came to its end are read back, and are JSON as promised."""
    data = document([streamed([0.1, 0.2]), failed(pair=2)], pairs=2, target=0.5)
    read = read_measurement(data)
    assert read.plan == plan_of(pairs=2, target=0.5)
    assert read.made_at == datetime(2025, 1, 31, 9, 30, tzinfo=UTC)
    assert read.machine
    assert read.machine.python.startswith("3.")
    assert read.complete is True
    plain = json.loads(data)
    assert list(plain) == ["version", "plan", "made_at", "machine", "complete", "observations", "summary"]
    assert plain["summary"] == as_json(read.summary)
    assert plain["observations"][0] | {"chunk_times": (0.1, 0.2), "chunk_characters": (5, 5)} == asdict(
        streamed([0.1, 0.2])
    )


def test_a_summary_in_a_file_is_not_believed() -> None:
    """It is made again of the observations."""
    plain = json.loads(document([streamed([0.1, 0.2])]))
    honest = read_measurement(json.dumps(plain).encode()).summary
    plain["summary"] = {"figures": "all splendid"}
    assert read_measurement(json.dumps(plain).encode()).summary == honest
    assert honest.figures[0].ttft
    assert honest.figures[0].ttft.median == 0.1


def line(**fields: Any) -> bytes:
    return json.dumps(asdict(streamed([0.1, 0.2])) | fields).encode()


@pytest.mark.parametrize(
    ("data", "code", "at"),
    [
        (b"", "empty", None),
        (b" \n\n", "empty", None),
        (b"\xff", "not_text", 1),
        (line() + b"\n\xff\xfe", "not_text", 2),
        (b"{", "not_json", None),
        (b"[" * 100_000, "not_json", None),
        (b"1" * 5_000, "not_json", None),
        (b"pair,way\n1,stream", "not_json", None),
        (b"[]", "not_a_measurement", None),
        (b"null", "not_a_measurement", None),
        (b"{}", "not_a_measurement", None),
        (b'{"version": 2}', "unknown_version", None),
        (b'{"version": true}', "unknown_version", None),
        (b'{"version": 1}', "not_a_measurement", None),
        (line() + b"\n\n{", "not_json", 3),
        (line() + b"\n[]", "not_an_observation", 2),
        (line() + b"\n" + line(), "called_twice", 2),
        (line(pair="1"), "not_an_observation", 1),
        (line(pair=True), "not_an_observation", 1),
        (line(way="batch"), "not_an_observation", 1),
        (line(ttft=None), "times_out_of_order", 1),
        (line(ttft=0.15), "times_out_of_order", 1),
        (line(ttfe=-0.1), "not_an_observation", 1),
        (line(ttfe=0.11), "times_out_of_order", 1),
        (line(e2e=float("nan")), "not_an_observation", 1),
        (line(e2e=float("inf")), "not_an_observation", 1),
        (line(e2e=0.15), "times_out_of_order", 1),
        (line(e2e=None), "times_out_of_order", 1),
        (line(chunk_times=[0.1, 0.05]), "times_out_of_order", 1),
        (line(chunk_times=[0.1]), "times_out_of_order", 1),
        (line(chunk_times=[], chunk_characters=[], ttft=None), "times_out_of_order", 1),
        (line(chunk_characters=[5, 0]), "not_an_observation", 1),
        (line(written=[0.2, 0.1]), "times_out_of_order", 1),
        (line(written=[float("nan")]), "not_an_observation", 1),
        (line(warm_up=True), "times_out_of_order", 1),
        (line(error="auth"), "times_out_of_order", 1),
        (line(error="Incorrect API key sk-123"), "not_an_observation", 1),
        (line(way="invoke"), "times_out_of_order", 1),
        (line(text="private"), "not_an_observation", 1),
        (line(tokens=1.5), "not_an_observation", 1),
    ],
)  # fmt: skip
def test_each_flaw_has_its_code_and_its_line(data: bytes, code: str, at: int | None) -> None:
    """What is no measurement is refused, and the reader told where to look."""
    with pytest.raises(BrokenMeasurement) as broken:
        read_measurement(data)
    assert (broken.value.code, broken.value.line) == (code, at)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("plan", {}, "not_a_measurement"),
        ("plan", None, "not_a_measurement"),
        ("made_at", "yesterday", "not_a_measurement"),
        ("made_at", "2025-01-31T09:30:00", "not_a_measurement"),
        ("machine", {"python": "3.11"}, "not_a_measurement"),
        ("complete", 1, "not_a_measurement"),
        ("observations", {}, "not_an_observation"),
        ("observations", [{}], "not_an_observation"),
        ("observations", [json.loads(line(e2e=0.15))], "times_out_of_order"),
        ("observations", [json.loads(line())] * 2, "called_twice"),
        ("author", "me", "not_a_measurement"),
    ],
)
def test_each_field_of_a_document_is_checked(name: str, value: Any, code: str) -> None:
    """Fields, types, and what the observations say of each other."""
    plain = json.loads(document([streamed([0.1, 0.2])]))
    with pytest.raises(BrokenMeasurement) as broken:
        read_measurement(json.dumps(plain | {name: value}).encode())
    assert broken.value.code == code


@given(measurements, st.data())
def test_whatever_is_changed_there_is_one_error_to_expect(seen: list[Observation], data: st.DataObject) -> None:
    """A byte changed or the end cut off: read, or refused by a code."""
    written = data.draw(st.sampled_from([document(seen), write_lines(seen)]))
    place = data.draw(st.integers(0, len(written) - 1))
    byte = bytes([data.draw(st.integers(0, 255))])
    for damaged in (written[:place], written[:place] + byte + written[place + 1 :]):
        with suppress(BrokenMeasurement):
            noise(read_measurement(damaged).observations)


def test_there_is_a_largest_size_and_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused before anything is read, and at the line that is one too many."""
    data = write_lines([streamed([0.1], pair=number) for number in (1, 2, 3)])
    monkeypatch.setattr(measurement, "MAX_OBSERVATIONS", 2)
    with pytest.raises(BrokenMeasurement, match=r"^line 3: too_many$"):
        read_measurement(data)
    monkeypatch.setattr(measurement, "MAX_BYTES", len(data) - 1)
    with pytest.raises(BrokenMeasurement, match=r"^too_large$"):
        read_measurement(data)


def test_a_table_has_a_row_for_each_call() -> None:
    """Times as they are, lists by their count and percentiles; a name is never a spreadsheet's formula."""
    table = write_csv([streamed([0.1, 0.2, 0.4], model="=1+1"), failed(pair=2)]).decode()
    first, second = csv.DictReader(io.StringIO(table))
    assert (first["ttft"], first["e2e"], first["chunks"], first["characters"]) == ("0.1", "0.4", "3", "15")
    assert (first["gap_p50"], first["gap_p95"]) == ("0.15", "0.195")
    assert first["model"] == "'=1+1"
    assert (second["error"], second["e2e"], second["gap_p50"]) == ("auth", "", "")


# Figures


def test_figures_are_those_worked_out_by_hand() -> None:
    """vLLM's definitions: TTFT, pooled gaps, TPOT = (E2E - TTFT) / (tokens - 1), E2E; percentiles are linear."""
    seen = [
        streamed([1.0, 1.1, 1.3], 1.4, pair=1, ttfe=0.9, tokens=5),  # gaps 0.1, 0.2; TPOT 0.1
        streamed([2.0, 2.4], 2.6, pair=2, ttfe=1.9, tokens=4),  # gap 0.4; TPOT 0.2
        streamed([3.0], 3.0, pair=3, ttfe=2.0, tokens=1),  # no gap and no TPOT
        failed(pair=4),
        failed(pair=5, error="timeout"),
        streamed([9.0, 19.0], pair=0, warm_up=True),
        streamed([9.0, 19.0], pair=1, way="astream"),
    ]
    found = figures(seen, "demo", "stream", target=2.0)
    assert (found.n, found.failures, found.refused, found.errors) == (3, 2, 0, {"auth": 1, "timeout": 1})
    known = {
        "ttfe": (1.9, 1.99),
        "ttft": (2.0, 2.9),
        "gap": (0.2, 0.38),
        "tpot": (0.15, 0.195),
        "e2e": (2.6, 2.96),
        "tokens_per_second": (7.5, 9.75),
    }
    for name, expected in known.items():
        spread = getattr(found, name)
        assert (spread.median, spread.p95) == pytest.approx(expected), name
    assert found.within_target == pytest.approx(2 / 5)
    assert found.tokens == 4


def test_invoke_has_no_time_per_token() -> None:
    """When its first token was made is not known."""
    assert time_per_token(invoked(2.0)) is None
    assert figures([invoked(2.0)], "demo", "invoke", 1.0).tpot is None


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
    assert (found.n, found.median, found.low, found.high) == (10, -1, -1, -1)
    assert found.distinguishable is True
    assert found.confidence == 0.95


def test_a_failed_call_takes_its_pair_out_of_the_comparison() -> None:
    """Only pairs in which both came to their end are compared."""
    seen = [streamed([1.0], pair=pair) for pair in (1, 2, 3)]
    seen += [invoked(2.0, pair=1), failed(pair=2, way="invoke"), invoked(4.0, pair=3)]
    found = summarize(seen, 1.0).comparisons[0]
    assert (found.base, found.side) == (Side("demo", "invoke"), Side("demo", "stream"))
    assert found.difference
    assert (found.difference.n, found.difference.median) == (2, -2.0)
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
@example([1.0, 1.0, 1.0, 9.0], Random(0))
@hypothesis_settings(max_examples=30)
def test_an_interval_holds_its_median_whatever_the_data(values: list[float], random: Random) -> None:
    """No warning and no nan, also of equal values; within the data, and the same in any order."""
    found = paired_difference(values)
    shuffled = values[:]
    random.shuffle(shuffled)
    assert found == paired_difference(shuffled)
    assert found
    assert found.median == np.median(values)
    if len(values) < 3:
        assert found.low is None
        return
    assert found.low is not None
    assert found.high is not None
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
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
    assert difference.median == pytest.approx(1.0)
    assert difference.low is not None
    assert difference.high is not None
    assert 0.9 < difference.low <= 1.0 <= difference.high < 1.1
    same = unpaired_difference([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert same
    assert (same.median, same.distinguishable) == (0, False)
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


# Calls over real HTTP


def measured(demo: DemoModel, settings: Settings | None = None, **fields: Any) -> list[Observation]:
    with closing(measure(plan_of(**fields), settings or Settings(_env_file=None), demo.base_url)) as stream:
        return list(stream)


def test_each_way_is_taken_down_chunk_by_chunk(demo: DemoModel) -> None:
    """One time for each chunk that the server wrote; for invoke the one moment in which all is there."""
    model = demo_model(chunks=20, rate=200, first=0.05)
    seen = measured(demo, models=(model,), pairs=2)
    assert [one.pair for one in seen] == [0] * 3 + [1] * 3 + [2] * 3
    assert Counter(one.way for one in seen) == dict.fromkeys(DIRECT, 3)
    for one in seen:
        assert (one.error, one.model, one.tokens, one.tokens_estimated) == (None, model, 25, False)
        assert one.streamed == (one.way != "invoke")
        assert len(one.chunk_times) == (1 if one.way == "invoke" else 20)
        assert sum(one.chunk_characters) == 100
        assert one.reading > 0
        assert one.written
        assert len(one.written) == len(one.chunk_times)
        assert one.ttfe is not None
        assert one.ttft is not None
        assert one.e2e is not None
        assert one.ttfe <= one.ttft <= one.e2e
    assert write_lines(read_measurement(write_lines(seen)).observations) == write_lines(seen)
    assert summarize(seen, 1.0).failures == 0


def test_the_first_event_comes_before_the_first_text(demo: DemoModel) -> None:
    """Hidden reasoning is an event and no text: TTFE stands before it and TTFT after it."""
    seen = measured(demo, models=(demo_model(reasoning="true", rate=100, chunks=5),), pairs=1, ways=("stream",))
    one = seen[-1]
    assert one.ttfe is not None
    assert one.ttft is not None
    assert one.written
    assert one.ttfe < one.written[0] < one.ttft + 1
    assert one.tokens == 7, "25 characters; those of the reasoning do not count"


def test_tokens_are_estimated_where_the_server_does_not_say(demo: DemoModel) -> None:
    """And marked as estimated."""
    seen = measured(demo, models=(demo_model(usage="false", text="abcdefgh"),), pairs=1, warm_ups=0)
    assert [(one.tokens, one.tokens_estimated) for one in seen] == [(2, True)] * 3


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"fault": "key"}, "auth"),
        ({"fault": "error"}, "provider_unavailable"),
        ({"fault": "context"}, "context_too_long"),
        ({"fault": "filter"}, "content_filtered"),
        ({"fault": "empty"}, "no_text"),
        ({"fault": "silent"}, "timeout"),
    ],
)
def test_a_failed_call_has_a_code_and_no_end(demo: DemoModel, options: dict[str, str], code: str) -> None:
    """In each way; when the whole first round fails, it is the last."""
    timeout = 0.5 if options["fault"] == "silent" else 20.0
    seen = measured(demo, models=(demo_model(chunks=5, **options),), pairs=3, timeout=timeout)
    assert len(seen) == 3
    assert all((one.error, one.e2e, one.written) == (code, None, None) for one in seen)
    assert list(read_measurement(write_lines(seen)).observations) == seen


def test_an_answer_that_is_cut_keeps_the_times_it_came_to(demo: DemoModel) -> None:
    """Its chunks are there, its end is not; the others of its pair are measured."""
    broken, whole = demo_model(fault="cut", after=5, chunks=20), demo_model(chunks=20)
    seen = measured(demo, models=(broken, whole), pairs=1, warm_ups=0, ways=("stream", "astream"))
    for one in seen:
        if one.model == broken:
            assert (one.error, one.e2e, len(one.chunk_times)) == ("connection_lost", None, 5)
        else:
            assert (one.error, len(one.chunk_times)) == (None, 20)
    assert summarize(seen, 1.0).failures == 2


def test_an_answer_that_never_ends_is_given_up(demo: DemoModel) -> None:
    """The time limit is of the whole call: chunks that keep coming do not prolong it."""
    model = demo_model(chunks=100_000, rate=200)
    seen = measured(demo, models=(model,), pairs=1, warm_ups=0, ways=("stream", "astream"), timeout=2.0)
    assert [one.error for one in seen] == ["timeout"] * 2
    assert all(0 < len(one.chunk_times) < 1_000 for one in seen)


def test_a_rate_limit_is_waited_out_and_not_measured(demo: DemoModel) -> None:
    """The call is made again after the time that the server asks for; the wait is in no figure."""
    model = demo_model(fault="rate_limit", times=2, retry_after=0.3, chunks=5)
    seen = measured(demo, models=(model,), pairs=1, warm_ups=0, ways=("stream",))
    assert [(one.error, len(one.chunk_times)) for one in seen] == [(None, 5)]
    assert seen[0].written, "of the call that was answered"


def test_a_rate_limit_that_stays_is_a_failure(demo: DemoModel) -> None:
    """After three repeats."""
    model = demo_model(fault="rate_limit", retry_after=0, chunks=5)
    assert [one.error for one in measured(demo, models=(model,), pairs=1, warm_ups=0, ways=("invoke",))] == [
        "rate_limited"
    ]


def test_a_failure_in_a_later_pair_does_not_end_it(demo: DemoModel) -> None:
    """Only a first round in which nothing worked is reason to stop."""
    model = demo_model(fault="error", times=2, chunks=5)
    seen = measured(demo, models=(model,), pairs=3, warm_ups=0, ways=("stream", "invoke", "astream"))
    assert len(seen) == 9
    assert sum(one.error is not None for one in seen) == 2


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_an_invoke_that_streams_underneath_is_seen_on_the_wire(models: Models, runner: asyncio.Runner) -> None:
    """A model that is told to stream always does so within invoke; its answer looks the same to the caller."""
    model = demo_model(chunks=20)
    with closing(Client(models, model, plan_of(models=(model,)), runner)) as client:
        honest = client.take("invoke")
        assert (honest.error, client.wire.streamed) == (None, False)
        client._whole = client._streaming  # what a later default of the library might do
        deceived = client.take("invoke")
        assert (deceived.error, client.wire.streamed) == (None, True)
        assert [text for _, text in deceived.arrivals] == [text for _, text in honest.arrivals]


def test_another_server_is_asked_with_its_own_address_and_key() -> None:
    """And says nothing of when it wrote what. Its key is in no observation."""
    with raw_endpoint(http(sse({"role": "assistant", "content": ""}, "Hello ", "there"))) as endpoint:
        settings = Settings(
            _env_file=None, openai_base_url=HttpUrl(endpoint.base_url), openai_api_key=SecretStr("sk-secret-1234")
        )
        plan = plan_of(
            models=("other",), pairs=1, warm_ups=0, ways=("stream",), system="Be brief.", max_tokens=64, temperature=0.5
        )
        seen = list(measure(plan, settings, ""))
    assert [(one.error, one.written, len(one.chunk_times)) for one in seen] == [(None, None, 2)]
    assert "Bearer sk-secret-1234" in endpoint.headers[0]
    body = endpoint.requests[0]
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is streaming?"},
    ]
    assert (body["max_completion_tokens"], body["temperature"], body["stream"]) == (64, 0.5, True)
    assert "seed" not in body
    assert b"secret" not in write_lines(seen)


def test_what_is_not_asked_for_is_not_sent() -> None:
    """Some models accept no temperature and no limit, not even their default."""
    with raw_endpoint(http(sse("Hello"))) as endpoint:
        settings = Settings(_env_file=None, openai_base_url=HttpUrl(endpoint.base_url))
        list(measure(plan_of(models=("other",), pairs=1, warm_ups=0, ways=("stream",)), settings, ""))
    assert not {"temperature", "max_tokens", "max_completion_tokens", "seed"} & set(endpoint.requests[0])


def test_connections_are_kept_from_call_to_call(models: Models, runner: asyncio.Runner) -> None:
    """The warm-up pays for them: one connection for each kind of client, whatever the number of calls."""
    opened: list[str] = []
    model = demo_model(chunks=3)
    with closing(Client(models, model, plan_of(models=(model,)), runner)) as client:

        def note(name: str, info: object) -> None:
            if name.endswith("connect_tcp.complete"):
                opened.append(name)

        async def anote(name: str, info: object) -> None:
            note(name, info)

        client._http.event_hooks["request"].append(lambda request: request.extensions.update(trace=note))

        async def trace(request: Any) -> None:
            request.extensions["trace"] = anote

        client._async_http.event_hooks["request"].append(trace)
        for way in (*DIRECT, *DIRECT):
            assert client.take(way).error is None
    assert len(opened) == 2


def test_no_text_of_the_answer_is_kept(demo: DemoModel) -> None:
    """It may be private; counts are enough."""
    seen = measured(demo, models=(demo_model(text="top secret"),), pairs=1, warm_ups=0)
    data = write_lines([replace(one, model="m") for one in seen]) + write_csv(seen).replace(b"top+secret", b"")
    assert b"secret" not in data
    assert all(sum(one.chunk_characters) == 10 for one in seen)


@given(observations())
def test_gaps_are_between_neighbours(seen: Observation) -> None:
    """One fewer than chunks, none negative, and together the time from the first to the last."""
    assert len(seen.gaps) == max(0, len(seen.chunk_times) - 1)
    assert all(gap >= 0 for gap in seen.gaps)
    assert all(after >= before for before, after in pairwise(seen.chunk_times))
    if seen.gaps:
        assert sum(seen.gaps) == pytest.approx(seen.chunk_times[-1] - seen.chunk_times[0])
