"""How captures end: stopped, refused, cut off, without text, and at their limits."""

import json
import threading
import time
from contextlib import closing

import pytest

from streamlab.chunks.capture import Question
from streamlab.chunks.captures import Captures
from streamlab.chunks.modes import TOPICS, CaptureTopic, ReadMode
from streamlab.models.catalog import Models
from streamlab.models.options import Options
from streamlab.settings import Settings
from tests import captures as capturing
from tests.captures import ENDLESS, captures_of, ended, modes, read, states
from tests.conftest import PATIENCE, Asked, demo_model, http, sse
from tests.present import present

captures = capturing.captures  # fixtures are found by their names

pytestmark = pytest.mark.anyio


def begun(captures: Captures, capture_id: str, views: int = 3) -> None:
    """Every capture that gets chunks has some."""
    deadline = time.monotonic() + PATIENCE
    while any(len(each.views) < views for each in present(captures.find(capture_id)).captures if each.mode != "invoke"):
        assert time.monotonic() < deadline, "no chunks came"
        time.sleep(0.01)


async def test_a_stop_reaches_the_model_in_every_way(captures: Captures, asked: Asked) -> None:
    """Also in a call that blocks its thread, and in one that has not been answered. The chunks so far stay."""
    for topic, ways in TOPICS.items():
        model = demo_model(**ENDLESS)
        capture_id = captures.start(Question(topic, "Go on", Options(model)))
        if topic == "calls":
            begun(captures, capture_id)
        captures.stop(capture_id)
        found = ended(captures, capture_id)
        # Text that is no JSON ends by itself.
        assert states({mode: each for mode, each in found.items() if mode != "json"}) == {("stopped", None)}
        records = await asked(model)
        assert {record["ended"] for record in records} <= {"disconnected"}
        if topic == "calls":
            assert len(records) == len(ways)
            assert all(len(found[mode].views) >= 3 for mode in ways if mode != "invoke")
        captures.stop(capture_id)  # once more, which changes nothing
        assert present(captures.find(capture_id)).captures == tuple(found.values())


def test_no_thread_is_left(captures: Captures) -> None:
    """A closed store has ended all of its captures."""
    capture_id = captures.start(Question("calls", "Go on", Options(demo_model(**ENDLESS))))
    begun(captures, capture_id)
    captures.close()
    assert states(ended(captures, capture_id)) == {("stopped", None)}
    assert not [thread for thread in threading.enumerate() if thread.name == "capture"]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("key", "auth"),
        ("rate_limit", "rate_limited"),
        ("error", "provider_unavailable"),
        ("context", "context_too_long"),
    ],
)
@pytest.mark.parametrize("topic", TOPICS)
def test_a_refusal_is_told_by_its_code(captures: Captures, topic: CaptureTopic, fault: str, code: str) -> None:
    """In every read mode, without a second attempt."""
    found = read(captures, topic, demo_model(fault=fault))
    assert states(found) == {("failed", code)}
    assert all(each.views == () for mode, each in found.items() if mode != "events")


@pytest.mark.parametrize(("fault", "code"), [("cut", "connection_lost"), ("garbage", "connection_lost")])
def test_what_came_before_a_failure_stays(captures: Captures, fault: str, code: str) -> None:
    """The chunks of a stream that breaks off; an answer that was to come whole has none."""
    found = read(captures, "calls", demo_model(fault=fault, after=5, chunks=50))
    assert {(found[mode].state, found[mode].code) for mode in found if mode != "invoke"} == {("failed", code)}
    streamed: tuple[ReadMode, ...] = ("stream", "astream")
    for mode in streamed:
        assert sum(bool(view.text) for view in found[mode].views) == 5
    assert found["invoke"].state == "failed"
    assert found["invoke"].views == ()


def test_a_filtered_answer_is_told_so(captures: Captures) -> None:
    """Its server ends it politely, which is no success."""
    found = read(captures, "calls", demo_model(fault="filter", after=5, chunks=50))
    assert states(found) == {("failed", "content_filtered")}
    assert found["stream"].views


def test_a_stream_without_text_is_told_so(captures: Captures) -> None:
    """The chunks that came, for the role and the end, can be looked at."""
    for topic in TOPICS:
        found = read(captures, topic, demo_model(fault="empty"))
        assert states(found) == {("completed", "empty")}
    assert found["stream"].views


@modes
def test_a_stream_of_only_usage_is_told_so(as_json: bool) -> None:
    """And the chunk that carries it is there."""
    usage = {"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}
    chunk = {"id": "1", "object": "chat.completion.chunk", "model": "raw", "choices": [], "usage": usage}
    with captures_of(http(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())) as captures:
        found = read(captures, "parsers", "raw", as_json=as_json)
    assert states(found) == {("completed", "only_usage")}
    assert [view.carries_usage for view in found["message"].views].count(True) == 1


@modes
def test_a_stream_of_nothing_is_a_failure_of_the_server(as_json: bool) -> None:
    """Not one chunk, not even the end of one."""
    with captures_of(http(b"data: [DONE]\n\n")) as captures:
        assert states(read(captures, "parsers", "raw", as_json=as_json)) == {("failed", "provider_unavailable")}


@modes
def test_an_answer_cut_at_its_length_is_told_so(as_json: bool) -> None:
    """The provider's own limit may be lower than the answer."""
    with captures_of(http(sse("too", " long", finish="length"))) as captures:
        assert states(read(captures, "parsers", "raw", as_json=as_json)) == {("completed", "length")}


def test_silence_and_length_have_a_limit(models: Models) -> None:
    """A server that goes quiet, and one that never ends; in every read mode."""
    settings = Settings(_env_file=None, lab_silence_timeout=1.5, lab_total_timeout=4)
    with closing(Captures(settings, models)) as captures:
        stalled = read(captures, "calls", demo_model(fault="stall", after=3, chunks=10))
        endless = read(captures, "calls", demo_model(**ENDLESS))
    assert states(stalled) == states(endless) == {("failed", "timeout")}
    assert stalled["stream"].views
    assert len(endless["astream"].views) > 10
