"""Measuring through a gateway: what is taken down of its stream, what is a failure there, and who may ask it."""

import csv
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from anyio.from_thread import start_blocking_portal
from pydantic import SecretStr

from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Done, Error, StreamEvent, TextDelta, encode
from streamlab.gateway.delivery import Pace
from streamlab.latency.calls import measure
from streamlab.latency.gateway import issued
from streamlab.latency.measurement import read_measurement
from streamlab.latency.measurements import Measurements
from streamlab.latency.observation import Observation, Side, write_csv, write_lines
from streamlab.latency.plan import WAYS, GatewayAddress, Plan
from streamlab.latency.summary import summarize
from streamlab.settings import Settings
from tests.conftest import demo_model, http, raw_endpoint
from tests.gateway import Served, served
from tests.present import present
from tests.test_latency_command import run as run_command

TOKEN = "gw-secret-0123456789"
LIMIT = 60.0  # seconds; a process that measures loads its libraries first


@contextmanager
def gateway(**settings: Any) -> Iterator[Served]:
    """On an event loop in a thread of its own, at its usual pace: a measurement blocks."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served(Pace(), gateway_runs_per_minute=1_000, **settings)) as there,
    ):
        yield there


@pytest.fixture(scope="module")
def there() -> Iterator[Served]:
    with gateway() as there:
        yield there


def plan_of(**fields: Any) -> Plan:
    return Plan(**{"models": ("demo",), "prompt": "What is streaming?", "ways": ("stream", "gateway")} | fields)


def measured(address: GatewayAddress, demo_url: str = "", **fields: Any) -> list[Observation]:
    with closing(measure(plan_of(**fields), Settings(_env_file=None), demo_url, address)) as stream:
        return list(stream)


def relayed(url: str, token: str | None = None, **fields: Any) -> list[Observation]:
    """Calls through the gateway alone, one if nothing else is asked for."""
    address = GatewayAddress(url, SecretStr(token) if token else None)
    asked: dict[str, Any] = {"pairs": 1, "warm_ups": 0, "ways": ("gateway",)} | fields
    return measured(address, **asked)


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread or process."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


# What is taken down


MODEL = demo_model(chunks=60, rate=100, first=0.25)


@pytest.fixture(scope="module")
def seen(there: Served, demo: DemoModel) -> list[Observation]:
    return measured(GatewayAddress(there.url), demo.base_url, models=(MODEL,), pairs=3)


def test_both_ways_see_the_same_answer(seen: list[Observation]) -> None:
    """As it comes, to the same text, with the tokens that the server reported."""
    assert [one.pair for one in seen] == [0] * 2 + [1] * 2 + [2] * 2 + [3] * 2
    for one in seen:
        assert (one.error, one.model, one.tokens, one.tokens_estimated, one.streamed) == (None, MODEL, 75, False, True)
        assert sum(one.chunk_characters) == 300
        assert one.ttft is not None
        assert one.e2e is not None
        assert one.ttft < one.e2e
        if one.way == "gateway":
            assert 1 < len(one.chunk_times) <= 60
            assert one.ttfe is not None
            assert one.ttfe > 0.2, "the first event is one of the run, not what the gateway says at once"
            assert one.written is None, "its delay is what is measured, and no error of the measurement"


def test_files_know_the_way_through_the_gateway(seen: list[Observation]) -> None:
    """JSON lines are read back as they were written; the table names each call's way."""
    assert list(read_measurement(write_lines(seen)).observations) == seen
    rows = list(csv.DictReader(io.StringIO(write_csv(seen).decode())))
    assert [row["way"] for row in rows] == [one.way for one in seen]


def test_the_cost_of_the_relay_is_a_difference_of_pairs(seen: list[Observation]) -> None:
    """Of the first text and of the end, each with its interval; a stream that comes in frames is not called held."""
    summary = summarize(seen, 1.0)
    found = [one for one in summary.comparisons if one.metric in ("ttft", "e2e")]
    assert len(found) == 2
    for one in found:
        assert (one.base, one.side) == (Side(MODEL, "stream"), Side(MODEL, "gateway"))
        assert one.difference
        assert one.difference.n == 3
        assert one.difference.low is not None
        assert one.difference.high is not None
        assert one.difference.low <= one.difference.value <= one.difference.high
    assert summary.failures == 0
    assert not any(one.suspected for one in summary.buffering)


def test_the_demo_model_says_the_same_in_both_ways(there: Served, demo: DemoModel) -> None:
    """A gateway passes no seed on, so it is part of the model's name there; one that is there already stays."""
    lengths = []
    for seed in range(3):
        for model in ("demo?first=0&rate=5000", f"demo?first=0&rate=5000&seed={seed}"):
            fields: dict[str, Any] = {"models": (model,), "pairs": 1, "warm_ups": 0, "temperature": 2.0, "seed": seed}
            direct, through = measured(GatewayAddress(there.url), demo.base_url, **fields)
            assert sum(direct.chunk_characters) == sum(through.chunk_characters)
            assert direct.reading == through.reading
            lengths.append(direct.reading)
    assert len(set(lengths)) > 1, "seeds do make a difference"


def test_everything_that_was_asked_is_passed_on() -> None:
    """System prompt, question and temperature; the token in a header, and in no observation."""
    done = Done("completed", seq=2, at=0.0)
    stream = events(TextDelta("Hello", seq=1, at=0.0), done)
    with raw_endpoint(http(stream)) as endpoint:
        url = endpoint.base_url
        seen = relayed(url, TOKEN, models=("other",), prompt="Why?", system="Be brief.", temperature=0.5)
        relayed(url, models=("other",), prompt="Why?")
    assert endpoint.requests == [
        {
            "model": "other",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
            "temperature": 0.5,
        },
        {"model": "other", "messages": [{"role": "user", "content": "Why?"}]},
    ]
    asked = [head.lower() for head in endpoint.headers if head.startswith("POST /v1/chat ")]
    assert [f"authorization: bearer {TOKEN}" in head for head in asked] == [True, False]
    assert [(one.error, one.chunk_characters) for one in seen] == [(None, (5,))]
    assert TOKEN.encode() not in write_lines(seen)


def test_reasoning_that_is_shown_is_no_text(there: Served) -> None:
    """It is the first event and not the first text, and its tokens are not those of the answer."""
    (one,) = relayed(there.url, models=(demo_model(reasoning="true", rate=100, chunks=5),))
    assert one.ttfe is not None
    assert one.ttft is not None
    assert one.ttfe < one.ttft
    assert (one.tokens, one.tokens_estimated, one.thought) == (7, False, True)
    assert one.sent_tokens
    assert one.sent_tokens > 7


# What is a failure


@pytest.mark.parametrize(
    ("options", "code", "characters"),
    [
        ({"fault": "cut", "after": 3, "times": 1}, "connection_lost", 15),
        ({"fault": "error", "times": 1}, "provider_unavailable", 0),
    ],
)
def test_a_run_that_tries_again_has_failed(there: Served, options: dict[str, Any], code: str, characters: int) -> None:
    """Its pause would be measured as part of the answer. The times until then stay, and the run is stopped."""
    stopped = there.engine.runs.ended["stopped"]
    (one,) = relayed(there.url, models=(demo_model(chunks=10, **options),))
    assert (one.error, one.e2e, sum(one.chunk_characters)) == (code, None, characters)
    until(lambda: there.engine.runs.live == 0)
    assert there.engine.runs.ended["stopped"] == stopped + 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"fault": "key"}, "auth"),
        ({"fault": "context"}, "context_too_long"),
        ({"fault": "filter"}, "content_filtered"),
        ({"fault": "empty"}, "no_text"),
        ({"fault": "silent"}, "timeout"),
    ],
)
def test_a_run_that_failed_has_the_code_of_the_model(there: Served, options: dict[str, str], code: str) -> None:
    """As a direct call has it; one that takes too long is stopped."""
    timeout = 1.0 if options["fault"] == "silent" else 20.0
    (one,) = relayed(there.url, models=(demo_model(chunks=5, **options),), timeout=timeout)
    assert (one.error, one.e2e) == (code, None)
    until(lambda: there.engine.runs.live == 0)


def test_a_rate_limit_is_waited_out_and_not_measured(there: Served) -> None:
    """The run that met it is stopped, and the question asked anew."""
    started = there.engine.runs.started
    model = demo_model(fault="rate_limit", times=1, retry_after=0.2, chunks=5)
    (one,) = relayed(there.url, models=(model,))
    assert (one.error, sum(one.chunk_characters)) == (None, 25)
    assert there.engine.runs.started == started + 2


def events(*logged: StreamEvent) -> bytes:
    """A gateway's stream: `open`, and these."""
    lines = [f"event: {event.type}\ndata: {encode(event).decode()}\n\n" for event in logged]
    return "".join(["retry: 1000\n\nevent: open\ndata: {}\n\n", *lines]).encode()


def refusal(code: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": "No.", "hint": ""}}).encode()


TEXT = TextDelta("Hello", seq=1, at=0.0)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (http(refusal("unauthorized"), "401 Unauthorized", "application/json"), "gateway_access"),
        (http(refusal("not_local"), "403 Forbidden", "application/json"), "gateway_access"),
        (http(refusal("unknown_model"), "422 Unprocessable Content", "application/json"), "model_not_found"),
        (http(refusal("invalid_request"), "422 Unprocessable Content", "application/json"), "gateway_refused"),
        (http(b"<h1>Not Found</h1>", "404 Not Found", "text/html"), "gateway_refused"),
        (http(b"<h1>Bad Gateway</h1>", "502 Bad Gateway", "text/html"), "gateway_unavailable"),
        (http(b"<h1>Hello</h1>", kind="text/html"), "gateway_unavailable"),
        (http(b"event: text_delta\ndata: {\n\n"), "gateway_unavailable"),
        (http(refusal("x"), "429 Too Many Requests", "application/json", "Retry-After: 0"), "rate_limited"),
        (http(events()), "connection_lost"),
        (http(events(TEXT)), "connection_lost"),
        (http(events(TEXT) + b"event: drain\ndata: {}\n\n"), "connection_lost"),
        (http(events(TEXT, Done("stopped", seq=2, at=0.0))), "connection_lost"),
        (http(events(TEXT) + b'event: gap\ndata: {"after":0}\n\n'), "connection_lost"),
        (http(events(Error("producer_lost", seq=1, at=0.0))), "producer_lost"),
        (http(events(Error("Key sk-1", seq=1, at=0.0))), "internal"),
    ],
)
def test_what_is_no_whole_answer_is_a_code(answer: bytes, code: str) -> None:
    """Whatever stands at the address. No word of it is kept but a known code."""
    with raw_endpoint(answer) as endpoint:
        (one,) = relayed(endpoint.base_url)
    assert (one.error, one.e2e) == (code, None)
    assert list(read_measurement(write_lines([one])).observations) == [one]


def test_where_nothing_listens_there_is_no_gateway() -> None:
    """The measurement ends after its first round, as when a model fails."""
    seen = relayed("http://127.0.0.1:9/api", pairs=3)
    assert [one.error for one in seen] == ["gateway_unavailable"]


# Who may ask, and where


def test_a_gateway_with_tokens_wants_one(demo: DemoModel) -> None:
    """In the terminal from the environment: it stands in no argument, no output and no file."""
    with gateway(gateway_tokens=(SecretStr(f"measuring:{TOKEN}"),)) as there:
        assert [one.error for one in relayed(there.url)] == ["gateway_access"]
        assert [one.error for one in relayed(there.url, TOKEN, models=(demo_model(),))] == [None]
        with closing(Measurements(demo.base_url)) as measurements:
            plan = plan_of(models=(demo_model(chunks=12, rate=100),), pairs=1)
            address = GatewayAddress(there.url, SecretStr(TOKEN))
            measurement_id = measurements.start(plan, address)
            until(lambda: bool(present(measurements.find(measurement_id)).observations))
            lines = [argument for child in psutil.Process().children() for argument in child.cmdline()]
            assert there.url in lines
            assert TOKEN not in "".join(lines)
            until(lambda: present(measurements.find(measurement_id)).ended is not None)
            found = present(measurements.find(measurement_id))
    assert found.state == "completed"
    assert [(one.error, one.way in plan.ways) for one in found.observations] == [(None, True)] * 4


def test_the_command_measures_a_gateway_beside_the_rest(there: Served, demo: DemoModel, tmp_path: Path) -> None:
    """Where one is given, it is among the ways; the table and the file have it."""
    arguments = ["--model", demo_model(chunks=12, rate=200), "--pairs", "1", "--demo-url", demo.base_url]
    ended = run_command(
        tmp_path, *arguments, "--gateway", there.url, "--json", "o.json", variables={"GATEWAY_TOKEN": TOKEN}
    )
    assert ended.returncode == 0
    assert "gateway against stream, first text" in ended.stderr
    data = (tmp_path / "o.json").read_bytes()
    read = read_measurement(data)
    assert {one.way for one in read.observations} == set(WAYS)
    assert len(read.observations) == 2 * len(WAYS)
    assert TOKEN not in ended.stdout + ended.stderr + data.decode()
    assert there.url not in data.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a child without asking it")
def test_who_stops_a_measurement_stops_its_run(there: Served, demo: DemoModel) -> None:
    """At once: nobody pays for an answer that nobody reads."""
    with closing(Measurements(demo.base_url)) as measurements:
        plan = plan_of(models=(demo_model(chunks=10_000, rate=50),), ways=("gateway",))
        traffic, stopped = there.gateway.deliveries.traffic["sse"], there.engine.runs.ended["stopped"]
        before = traffic.events
        measurement_id = measurements.start(plan, GatewayAddress(there.url))
        until(lambda: traffic.events > before + 3)
        measurements.stop(measurement_id)
        until(lambda: there.engine.runs.live == 0)
        assert there.engine.runs.ended["stopped"] == stopped + 1


def test_a_plan_that_asks_a_gateway_needs_one(demo: DemoModel) -> None:
    """A plan may come from a file; where the gateway is, is not part of it."""
    with pytest.raises(ValueError, match="no gateway"):
        list(measure(plan_of(), Settings(_env_file=None), demo.base_url))
    with closing(Measurements(demo.base_url)) as measurements, pytest.raises(ValueError, match="no gateway"):
        measurements.start(plan_of())


def test_a_gateway_is_known_by_its_tokens(there: Served) -> None:
    """One's own takes a token that it issued; another one, another server and a closed port do not."""
    token = there.gateway.access.issue("nothing")
    assert issued(there.url, token, "nothing")
    assert not issued(there.url, token + "x", "nothing")
    assert not issued(there.url, token, "other")
    assert not issued("http://127.0.0.1:9/api", token, "nothing")
    with raw_endpoint(http(refusal("unauthorized"), "401 Unauthorized", "application/json")) as endpoint:
        assert not issued(endpoint.base_url, token, "nothing")
    with raw_endpoint(http(b"<h1>Not Found</h1>", "404 Not Found", "text/html")) as endpoint:
        assert not issued(endpoint.base_url, token, "nothing")
