"""What goes wrong becomes a code; a key becomes nothing at all."""

import json
import logging
import time
from email.utils import formatdate
from typing import get_args

import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.demo_model.process import DemoModel
from streamlab.events.event import Error, StreamEvent, encode
from streamlab.models.catalog import classify
from streamlab.models.failures import CODES, RETRIED, Code, Failure, redacted
from tests.conftest import Lab, MakeLab, demo_model, http, provider, raw_endpoint, sse
from tests.events import end, of

KEYS = [
    "sk-recognisable-0123456789abcdef",
    "gsk_Recognisable0123456789",
    "AIzaSyRecognisable0123456789",
    "recognisable",
]


def refusal(status: str, message: str, *headers: str, code: str | None = None) -> bytes:
    """An error in OpenAI's shape."""
    body = json.dumps({"error": {"message": message, "type": "t", "param": None, "code": code}})
    return http(body.encode(), status, "application/json", *headers)


async def fail(make_lab: MakeLab, answer: bytes, key: str = "none") -> list[StreamEvent]:
    with raw_endpoint(answer) as endpoint, provider(endpoint.base_url, key) as models:
        return await make_lab(models, attempts=1).run("any")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (refusal("401 Unauthorized", "no"), "auth"),
        (refusal("403 Forbidden", "not here"), "auth"),
        (refusal("404 Not Found", "no such model"), "model_not_found"),
        (refusal("429 Too Many Requests", "slowly"), "rate_limited"),
        (refusal("429 Too Many Requests", "pay", code="insufficient_quota"), "quota"),
        (refusal("400 Bad Request", "what?"), "bad_request"),
        (refusal("422 Unprocessable Entity", "what?"), "bad_request"),
        (refusal("400 Bad Request", "too long", code="context_length_exceeded"), "context_too_long"),
        (refusal("400 Bad Request", "This model's maximum context length is 4096 tokens."), "context_too_long"),
        (refusal("400 Bad Request", "the request exceeds the available context size"), "context_too_long"),
        (refusal("408 Request Timeout", "late"), "provider_unavailable"),
        (refusal("500 Internal Server Error", "oh"), "provider_unavailable"),
        (refusal("503 Service Unavailable", "later"), "provider_unavailable"),
        (http(b"<html>bad gateway</html>", "502 Bad Gateway", "text/html"), "provider_unavailable"),
        (http(b"", "529 Overloaded"), "provider_unavailable"),
        (http(b'data: {"error": {"message": "overloaded"}}\n\n'), "provider_unavailable"),
        (http(b"<html>hello</html>", kind="text/html"), "provider_unavailable"),
        (http(b""), "provider_unavailable"),
        (http(b"data: {\n\n"), "connection_lost"),
        (http(b"data: \xff\n\n"), "connection_lost"),
        (http(sse("half", finish=None), "200 OK", "text/event-stream", "Content-Length: 99999"), "connection_lost"),
        (b"", "connection_lost"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "connection_lost"),
        (http(sse("a", finish="content_filter")), "content_filtered"),
    ],
)
async def test_each_way_to_fail_has_its_code(make_lab: MakeLab, answer: bytes, code: str) -> None:
    """Over the wire: what a server may answer, and what may break on the way."""
    events = await fail(make_lab, answer)
    assert [event.code for event in events if event.type == "error"] == [code]


@pytest.mark.anyio
async def test_the_provider_s_own_words_are_kept(make_lab: MakeLab) -> None:
    """For the reader of the log, who has nothing else to go by when a request is refused."""
    (error,) = of(await fail(make_lab, refusal("400 Bad Request", "temperature must be at most 2")), Error)
    assert "temperature must be at most 2" in (error.detail or "")


def with_retry_after(value: str) -> Failure:
    request = httpx2.Request("POST", "http://localhost/v1")
    response = httpx2.Response(429, headers={"retry-after": value}, request=request)
    return classify(openai.RateLimitError("slowly", response=response, body=None))


@pytest.mark.parametrize(
    ("value", "seconds"), [("2", 2), ("0.25", 0.25), ("-3", 0), ("0", 0), ("", None), ("soon", None)]
)
def test_retry_after_as_a_number(value: str, seconds: float | None) -> None:
    """Seconds; what means nothing is as if it were not there."""
    assert with_retry_after(value).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    """RFC 9110, 10.2.3; a date that is over means now."""
    wait = with_retry_after(formatdate(time.time() + 1000, usegmt=True)).retry_after
    assert wait is not None
    assert 900 < wait <= 1000
    assert with_retry_after("Wed, 21 Oct 2015 07:28:00 GMT").retry_after == 0


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126))
    | st.builds(
        "{}, {} {} {} {}:{}:{} {}".format,
        st.sampled_from(["Mon", ""]),
        st.integers(-1, 40),
        st.sampled_from(["Jan", "Feb", "x"]),
        st.sampled_from(["0001", "1969", "9999", "99999999999", "-5"]),
        *[st.integers(-1, 70)] * 3,
        st.sampled_from(["GMT", "-0000", "+2359", "-9999", "x"]),
    )
)
def test_any_retry_after_is_seconds_or_nothing(value: str) -> None:
    """A server may send whatever it likes."""
    wait = with_retry_after(value).retry_after
    assert wait is None or wait >= 0


def test_every_code_that_is_tried_again_is_a_code() -> None:
    """And what only a person can mend is not among them."""
    assert set(get_args(Code)) == set(CODES) > RETRIED
    assert not RETRIED & {"auth", "quota", "context_too_long", "content_filtered", "model_not_found", "bad_request"}


@given(
    st.from_regex(r"(sk|pk|Bearer)[-_ ][A-Za-z0-9*.-]{4,60}|key[-_ ][a-z]{0,9}[0-9*][a-z]{4,20}", fullmatch=True),
    st.text("ab :,\n", max_size=5),
)
def test_what_looks_like_a_key_is_redacted(key: str, around: str) -> None:
    """Wherever it stands, also where the text is cut."""
    assert key not in redacted(f"{around} {key} {around}")
    assert key[4:] not in redacted(" " * 480 + key) or len(key) < 9


# No key anywhere


def everything(events: list[StreamEvent], lab: Lab, caplog: pytest.LogCaptureFixture) -> str:
    """All that a run leaves behind: its events, its outcome and what was logged, with tracebacks."""
    return "\n".join([*(encode(event).decode() for event in events), repr(lab.outcomes), caplog.text])


@pytest.mark.anyio
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "400 Bad Request", "500 No", "200 OK"])
async def test_no_key_in_what_a_run_leaves_behind(
    make_lab: MakeLab, caplog: pytest.LogCaptureFixture, key: str, status: str
) -> None:
    """Also when the provider repeats it, in an answer or in the midst of a stream, and whatever it looks like."""
    caplog.set_level(logging.DEBUG, "streamlab")
    said = f"Incorrect API key provided: {key}. You sent 'Bearer {key}'."
    answer = (
        refusal(status, said)
        if status != "200 OK"
        else http(b"data: " + refusal("", said).split(b"\r\n\r\n")[1] + b"\n\n")
    )
    with raw_endpoint(answer) as endpoint, provider(endpoint.base_url, key) as models:
        lab = make_lab(models)
        events = await lab.read(lab.start("any"))
        assert key in endpoint.headers[0], "it was sent"
    left = everything(events, lab, caplog)
    assert end(events).status == "failed"
    assert "attempt 1" in left
    assert key not in left


@pytest.mark.anyio
@pytest.mark.parametrize("fault", ["key", "rate_limit", "error", "context", "cut", "garbage", "silent"])
async def test_no_key_is_told_by_any_fault(
    demo: DemoModel, make_lab: MakeLab, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """The same over all faults of the demo model, asked as a provider with a key."""
    caplog.set_level(logging.DEBUG, "streamlab")
    with provider(demo.base_url, KEYS[0]) as models:
        lab = make_lab(models, first_token=0.5)
        name = demo_model(fault=fault, after=1, retry_after=0).replace("demo?", "demo-as-provider?")
        events = await lab.read(lab.start(name))
    assert end(events).status == "failed"
    assert "recognisable" not in everything(events, lab, caplog)


# The provider's list of models


def listing(*names: str) -> bytes:
    data = [{"id": name, "object": "model", "created": 1, "owned_by": "x"} for name in names]
    return http(json.dumps({"object": "list", "data": data}).encode(), kind="application/json")


async def names_at(answer: bytes, key: str | None = None) -> tuple[str, ...]:
    with raw_endpoint(answer) as endpoint, provider(endpoint.base_url, key) as models:
        return await models.names()


@pytest.mark.anyio
async def test_the_provider_s_models_come_before_the_demo_model() -> None:
    """As a compatible server lists them."""
    assert await names_at(listing("llama", "qwen")) == ("llama", "qwen", "demo")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        refusal("401 Unauthorized", "no"),
        refusal("500 Internal Server Error", "oh"),
        http(b"<html>hello</html>", kind="text/html"),
        http(b"not json", kind="application/json"),
        http(b"[]", kind="application/json"),
        http(b'{"object": "list", "data": null}', kind="application/json"),
        http(b'{"models": []}', kind="application/json"),
        b"",
    ],
)
async def test_a_list_that_cannot_be_read_leaves_the_demo_model(answer: bytes) -> None:
    """The picker is there whatever the provider says."""
    assert await names_at(answer) == ("demo",)
