"""Measured calls over real HTTP: chunk by chunk, with their failures, and one connection kept."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from streamlab.demo_model.process import DemoModel
from streamlab.latency.calls import measure
from streamlab.latency.client import Client
from streamlab.latency.long_prompt import Prompt
from streamlab.latency.measurement import read_measurement
from streamlab.latency.observation import Observation, write_csv, write_lines
from streamlab.latency.plan import DIRECT
from streamlab.latency.summary import summarize
from streamlab.models.catalog import Models
from streamlab.settings import Settings
from tests.conftest import demo_model, http, raw_endpoint, sse
from tests.observations import plan_of

PROMPT = Prompt("", "What is streaming?")


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
        honest = client.take("invoke", PROMPT)
        assert (honest.error, client.wire.streamed) == (None, False)
        client._whole = client._streaming  # what a later default of the library might do
        deceived = client.take("invoke", PROMPT)
        assert (deceived.error, client.wire.streamed) == (None, True)
        assert [text for _, text in deceived.arrivals] == [text for _, text in honest.arrivals]


def test_another_server_is_asked_with_its_own_address_and_key() -> None:
    """And says nothing of when it wrote what. Its key is in no observation."""
    with raw_endpoint(http(sse({"role": "assistant", "content": ""}, "Hello ", "there"))) as endpoint:
        settings = Settings(
            _env_file=None, openai_base_url=endpoint.base_url, openai_api_key=SecretStr("sk-secret-1234")
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
        settings = Settings(_env_file=None, openai_base_url=endpoint.base_url)
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
            assert client.take(way, PROMPT).error is None
    assert len(opened) == 2


def test_no_text_of_the_answer_is_kept(demo: DemoModel) -> None:
    """It may be private; counts are enough."""
    seen = measured(demo, models=(demo_model(text="top secret"),), pairs=1, warm_ups=0)
    data = write_lines([replace(one, model="m") for one in seen]) + write_csv(seen).replace(b"top+secret", b"")
    assert b"secret" not in data
    assert all(sum(one.chunk_characters) == 10 for one in seen)
