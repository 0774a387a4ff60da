"""What servers say when they fail, in the shapes of many, and the one code that each amounts to."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.models.failures import CODES, RETRIED
from streamlab.models.server_errors import failure_within, server_failure, told_wait
from tests.conftest import MakeLab, http, provider, raw_endpoint
from tests.events import end
from tests.wire import HI, STOP, events, read

KEY = "recognisable-0123456789"

SAID: list[tuple[Any, int | None, str]] = [
    (case["said"], case["status"], case["code"])
    for case in map(json.loads, (Path(__file__).parent / "cases" / "server_errors.jsonl").read_text().splitlines())
]
"""What a server sends, its HTTP status where it has one, and the code."""


@pytest.mark.parametrize(("said", "status", "code"), SAID)
def test_an_error_has_the_same_code_by_status_and_within_a_stream(said: Any, status: int | None, code: str) -> None:
    """Whatever its shape; nothing of what the server said is lost on the way to the log."""
    if status:
        assert server_failure(said, status).code == code
    if status in (422, 500, 529) or code == "address_not_found":
        return  # which only the status says
    failure = read(events(said)).failure
    assert failure is not None
    assert failure.code == code
    assert failure.detail
    late = read(events(HI, said)).failure
    assert late is not None
    assert late.code == code


@pytest.mark.anyio
@pytest.mark.parametrize(("said", "status", "code"), SAID[:8] + SAID[-8:])
async def test_over_http(make_lab: MakeLab, said: Any, status: int | None, code: str) -> None:
    """The same through the client, by status as within a stream."""
    by_status = http(json.dumps(said).encode(), f"{status or 400} No", "application/json")
    for answer in (by_status, http(events(said))) if status else (http(events(said)),):
        with raw_endpoint(answer) as endpoint, provider(endpoint.base_url) as models:
            log = await make_lab(models, attempts=1).run("any")
        assert (end(log).status, end(log).code) == ("failed", code)


@pytest.mark.parametrize(
    "value",
    [
        HI,
        STOP,
        {"choices": [], "usage": {}},
        {"choices": [], "prompt_filter_results": [{"content_filter_results": {"hate": {"filtered": False}}}]},
        {"error": None, "choices": []},
        {"type": "ping"},
        {},
        {"status": "processing", "message": "queued"},
        {**HI, "type": "message", "status": 200, "code": 0},
        {"base_resp": {"status_code": 0, "status_msg": ""}, "choices": []},
    ],
)
def test_what_is_no_error_is_none(value: dict[str, Any]) -> None:
    """Chunks, reports, signs of life."""
    assert failure_within(value) is None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"event: error\ndata: no credit left\n\n", "quota"),
        (b'event: error\ndata: {"message": "Too many requests", "code": 429}\n\n', "rate_limited"),
        (b'error: {"code": 500, "message": "slot unavailable", "type": "server_error"}\n\n', "provider_unavailable"),
        (events(HI, done=False) + b"upstream connect error or disconnect/reset before headers", "connection_lost"),
        (events(HI, done=False) + b"Rate limit exceeded\n\n", "rate_limited"),
        (events(HI, done=False) + b"Internal Server Error\n\n" + events(), "connection_lost"),
        (events(HI, done=False) + b'{\n "error": {\n  "code": 401\n }\n}\n', "auth"),
        (events(HI, done=False) + b'data: {"choices": [{"delta": {"content": "rate limit', "connection_lost"),
        (events(HI, "what?", done=False), "connection_lost"),
        (events(HI, {"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]}), "provider_unavailable"),
        (events(HI, {"choices": [{"index": 0, "error": {"code": 502, "message": "no"}}]}), "provider_unavailable"),
        (
            events(HI, {"choices": [{"index": 0, "delta": {}}], "x_groq": {"error": "over capacity"}}),
            "provider_unavailable",
        ),
        (events(HI, {"choices": [{"index": 0, "delta": {"error": {"code": 429}}}]}), "rate_limited"),
        (events(HI, {"choices": [{"index": 0, "delta": {}, "finish_reason": "ERROR_TOXIC"}]}), "content_filtered"),
        (events(HI, {"choices": [{"index": 0, "delta": {}, "finish_reason": "timeout"}]}), "provider_unavailable"),
        (
            events(HI, {"choices": [{"delta": {}, "finish_reason": "function_call_filter: MALFORMED_FUNCTION_CALL"}]}),
            "provider_unavailable",
        ),
        (b"<html><h1>504 Gateway Time-out</h1></html>", "provider_unavailable"),
        (b"", "provider_unavailable"),
        (events(), "provider_unavailable"),
        (b": ping\n\n", "provider_unavailable"),
    ],
)
def test_errors_that_are_no_objects(body: bytes, code: str) -> None:
    """Named events, llama.cpp's field, bare words, half an event, a gateway's page, nothing at all."""
    failure = read(body).failure
    assert failure is not None
    assert failure.code == code


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"error": {"code": 429, "message": "Please try again in 20s. Visit the site."}}, 20),
        ({"error": {"code": 429, "message": "Please retry after 350ms"}}, 0.35),
        ({"error": {"code": 429, "message": "try again in 6m0s"}}, 360),
        ({"error": {"code": 429, "message": "Try again in 7 seconds."}}, 7),
        ({"error": {"code": 429, "message": "Please try again in 14m24s."}}, 864),
        ({"error": {"code": 429, "message": "wait 2 minutes"}}, 120),
        ({"error": {"code": 429, "message": "Please wait 1 minute and 30 seconds."}}, 90),
        ({"error": {"code": 429, "message": "try again later, error 500"}}, None),
        ({"error": {"code": 429, "message": "no", "retry_after": 3}}, 3),
        ({"error": {"code": 429, "message": "no", "retryAfter": "3"}}, 3),
        ({"error": {"code": 429, "message": "no", "retry_after_ms": 1500}}, 1.5),
        ({"error": {"code": 429, "message": "no", "details": [{"@type": "RetryInfo", "retryDelay": "34s"}]}}, 34),
        ({"error": {"code": 429, "message": "no", "metadata": {"headers": {"Retry-After": "5"}}}}, 5),
        ({"error": {"code": 429, "message": "no", "retry_after": {"x": 1}}}, None),
    ],
)
def test_the_wait_that_the_server_asks_for(said: Any, seconds: float | None) -> None:
    """In a field, in a header that is repeated within, or in its sentence."""
    failure = read(events(said)).failure
    assert failure is not None
    assert failure.code == "rate_limited"
    assert failure.retry_after == (None if seconds is None else pytest.approx(seconds))
    if seconds is None or seconds >= 1:  # a run's log has nothing but the words
        assert told_wait(failure.detail or "") == (None if seconds is None else pytest.approx(seconds, abs=0.5))


def test_a_wait_until_a_moment() -> None:
    """Milliseconds since 1970, as OpenRouter has it."""
    soon = str(int((time.time() + 30) * 1_000))
    said = {"error": {"code": 429, "message": "no", "metadata": {"headers": {"X-RateLimit-Reset": soon}}}}
    failure = server_failure(said)
    assert failure.retry_after is not None
    assert 20 < failure.retry_after <= 30


def test_headers_say_it_best() -> None:
    """Before what the body says."""
    said = {"error": {"message": "try again in 20s"}}
    assert server_failure(said, 429, {"retry-after": "2"}).retry_after == 2
    assert server_failure(said, 429, {"retry-after-ms": "250"}).retry_after == 0.25


@pytest.mark.parametrize(("said", "status", "code"), SAID[:6])
def test_the_key_is_never_told(said: Any, status: int | None, code: str) -> None:
    """Also when the server repeats it in the midst of its words."""
    repeated = json.loads(json.dumps(said).replace('"message": "', f'"message": "You sent {KEY}: '))
    failure = read(events(repeated), key=KEY).failure
    assert failure is not None
    assert KEY not in repr(failure)
    assert KEY not in str(failure)
    assert failure.code == code


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "detail", "retry_after", "choices", "delta"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(anything, max_size=4))
def test_any_json_is_read_or_is_a_failure_with_a_code(values: list[Any]) -> None:
    """Nothing that a server may send as JSON breaks the reader itself."""
    found = read(events(*(value for value in values if not isinstance(value, str))))
    assert found.failure is None or found.failure.code in CODES


def test_only_what_may_help_is_tried_again() -> None:
    """Not what a person must mend."""
    assert not RETRIED & {"auth", "quota", "context_too_long", "content_filtered", "model_not_found", "bad_request"}
