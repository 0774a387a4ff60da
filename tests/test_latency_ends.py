"""What a measured call counts, and where it ends: reasoning, usage of every kind, and the time after the last text."""

import json
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import HttpUrl
from rich.console import Console

from streamlab.latency.calls import measure
from streamlab.latency.figures import figures, time_per_token
from streamlab.latency.measurement import read_measurement, write_measurement
from streamlab.latency.observation import (
    Observation,
    Side,
    decode_observation,
    encode_observation,
    write_csv,
    write_lines,
)
from streamlab.latency.plan import Direct
from streamlab.latency.summary import summarize
from streamlab.latency.table import print_summary
from streamlab.settings import Settings
from tests.conftest import http, raw_endpoint
from tests.observations import observations, plan_of, streamed

FORMER = (Path(__file__).parent / "cases" / "latency" / "former.json").read_bytes()
LATE = 0.2  # seconds after the last text until the stream ends

both = pytest.mark.parametrize("way", ["stream", "astream"])


def body(deltas: list[dict[str, str]], usage: dict[str, Any] | None) -> list[bytes]:
    """Build the events of a stream: the role, the deltas, why it stopped, the usage, the end."""
    choices: list[dict[str, Any]] = [
        {"delta": delta, "finish_reason": None} for delta in [{"role": "assistant", "content": ""}, *deltas]
    ]
    choices.append({"delta": {}, "finish_reason": "stop"})
    head = {"id": "1", "object": "chat.completion.chunk", "model": "raw"}
    chunks: list[dict[str, Any]] = [head | {"choices": [{"index": 0} | choice]} for choice in choices]
    if usage:
        chunks.append(head | {"choices": [], "usage": usage})
    return [f"data: {data}\n\n".encode() for data in (*map(json.dumps, chunks), "[DONE]")]


def told(output: int, reasoning: int | None) -> dict[str, Any]:
    usage: dict[str, Any] = {"prompt_tokens": 3, "completion_tokens": output, "total_tokens": 3 + output}
    return usage if reasoning is None else usage | {"completion_tokens_details": {"reasoning_tokens": reasoning}}


def called(base_url: str, way: Direct) -> Observation:
    plan = plan_of(models=("other",), pairs=1, warm_ups=0, ways=(way,))
    (one,) = measure(plan, Settings(_env_file=None, openai_base_url=HttpUrl(base_url)), "")
    return one


TEXT = [{"content": "Hello "}, {"content": "there"}]  # 3 tokens by our estimate
DEEPSEEK = [{"reasoning_content": "Well."}, {"reasoning_content": " So."}, *TEXT]
OLLAMA = [{"reasoning": "Well."}, {"reasoning": " So."}, *TEXT]
NO_REASONING = [{"reasoning_content": ""}, *TEXT]

# What was sent, its usage, and then: tokens of the text, estimated, reasoning was sent, all tokens that were.
COUNTS: dict[str, tuple[list[dict[str, str]], dict[str, Any] | None, tuple[int, bool, bool, int | None]]] = {
    "no usage": (TEXT, None, (3, True, False, None)),
    "without details": (TEXT, told(2, None), (3, True, False, 2)),
    "with details": (TEXT, told(2, 0), (2, False, False, 2)),
    "hidden reasoning": (TEXT, told(1002, 1000), (2, False, False, 2)),
    "reasoning, without usage": (DEEPSEEK, None, (3, True, True, None)),
    "reasoning, without details": (DEEPSEEK, told(7, None), (3, True, True, 7)),
    "reasoning, with details": (DEEPSEEK, told(7, 5), (2, False, True, 7)),
    "reasoning under its other name": (OLLAMA, told(7, 5), (2, False, True, 7)),
    "reasoning that was not counted": (OLLAMA, told(7, 0), (3, True, True, 7)),
    "a place for reasoning, and none": (NO_REASONING, told(2, 0), (2, False, False, 2)),
}


@both
@pytest.mark.parametrize("case", COUNTS)
def test_what_was_sent_is_counted_and_nothing_is_guessed(way: Direct, case: str) -> None:
    """Reasoning in the stream, which a stock client drops; a usage with and without its details."""
    deltas, usage, expected = COUNTS[case]
    with raw_endpoint(http(b"".join(body(deltas, usage)))) as endpoint:
        one = called(endpoint.base_url, way)
    assert one.error is None
    assert (one.tokens, one.tokens_estimated, one.thought, one.sent_tokens) == expected


@contextmanager
def late_endpoint(events: list[bytes], late: int) -> Iterator[str]:
    """Serve the events, the last ones after a wait."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += self.rfile.readline()
            lines = head.lower().splitlines()
            (length,) = (line.split(b":")[1] for line in lines if line.startswith(b"content-length"))
            self.rfile.read(int(length))
            self.wfile.write(http(b"".join(events[:-late])))
            time.sleep(LATE)
            self.wfile.write(b"".join(events[-late:]))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()
        thread.join()


@both
@pytest.mark.parametrize("late", [1, 2, 3], ids=["the end mark", "the usage", "the reason to stop"])
def test_the_last_text_and_the_end_are_two_figures(way: Direct, late: int) -> None:
    """What comes late after the text is in E2E, and neither in the last text nor in the speed."""
    with late_endpoint(body(TEXT, told(2, 0)), late) as url:
        one = called(url, way)
    assert one.error is None
    assert one.ttft is not None
    assert one.last_text is not None
    assert one.e2e is not None
    assert one.e2e - one.last_text >= LATE * 0.9
    assert (time_per_token(one) or 0) <= one.last_text - one.ttft + 1e-6


# Figures


def test_reasoning_that_was_sent_is_measured_from_the_first_event() -> None:
    """Worked out by hand: 41 tokens from 1.0 to 5.0, of which the text's 11 came from 4.0 on."""
    thought = streamed([4.0, 5.0], 7.0, ttfe=1.0, tokens=11, thought=True, sent_tokens=41)
    assert time_per_token(thought) == pytest.approx(0.1)
    found = figures([thought], Side("demo", "stream"), 1.0)
    assert found.last_text
    assert found.e2e
    assert (found.last_text.median, found.e2e.median, found.tokens, found.visible) == (5.0, 7.0, 41, 11)


@pytest.mark.parametrize(
    "fields", [{"thought": False, "sent_tokens": 11}, {"thought": True, "sent_tokens": None}, {"thought": None}]
)
def test_text_alone_is_measured_from_its_first(fields: dict[str, Any]) -> None:
    """Also where reasoning was hidden, or was sent and not counted."""
    assert time_per_token(streamed([4.0, 5.0], 7.0, ttfe=1.0, tokens=11, **fields)) == pytest.approx(0.1)


@pytest.mark.parametrize("times", [[4.0, 4.0001], [4.0, 4.04], [4.0], [4.0, 4.0]])
def test_a_burst_has_no_speed(times: list[float]) -> None:
    """What was held back on the way says nothing of how fast it was written; its other figures stay."""
    found = figures(
        [streamed(times, 7.0, tokens=500), streamed(times, 7.0, tokens=500, pair=2)], Side("demo", "stream"), 5.0
    )
    assert found.ttft
    assert (found.tpot, found.tokens_per_second, found.ttft.median, found.tokens) == (None, None, 4.0, 500)


def test_what_is_not_known_to_be_visible_is_not_in_that_figure() -> None:
    """An estimate from the text is none of the server's words."""
    one = streamed([4.0, 5.0], tokens=3, tokens_estimated=True, thought=False, sent_tokens=41)
    found = figures([one], Side("demo", "stream"), 1.0)
    assert (found.tokens, found.visible) == (41, None)


@given(observations())
def test_the_end_changes_no_speed(one: Observation) -> None:
    """However long after the last text it comes."""
    if one.e2e is not None and one.way != "invoke":
        assert time_per_token(replace(one, e2e=one.e2e + 60)) == time_per_token(one)


def test_the_command_shows_both_figures_and_says_what_others_call_them(capsys: pytest.CaptureFixture[str]) -> None:
    """In a terminal of 80 columns."""
    seen = [streamed([4.0, 5.0], 7.0, ttfe=1.0, tokens=11, thought=True, sent_tokens=41)]
    print_summary(summarize(seen, 1.0), Console(width=80, force_terminal=False))
    written = capsys.readouterr().out
    rows = [line.split() for line in written.splitlines()]
    assert ["last", "text", "(s)", "5.000"] in rows
    assert ["E2E", "(s)", "7.000"] in rows
    assert ["tokens/s", "10.0"] in rows
    assert ["visible", "tokens", "11"] in rows
    assert all(name in written for name in ("aiperf", "guidellm", "vLLM"))


# Files of before


def test_a_file_of_before_opens() -> None:
    """What it does not say is not known; what it says is read as it was meant."""
    read = read_measurement(FORMER)
    assert len(read.observations) == 12
    assert all((one.thought, one.sent_tokens) == (None, None) for one in read.observations)
    for one in read.summary.figures:
        assert (one.n, one.tokens, one.visible) == (2, 15, 15), "60 characters, without the reasoning"
        assert (one.tokens_per_second is None) == (one.way == "invoke")
        assert one.last_text
        assert one.e2e
        assert one.last_text.median <= one.e2e.median


def test_lines_of_before_open_and_can_be_written_again() -> None:
    """As JSON lines, as a table, and as a document."""
    lines = b"\n".join(json.dumps(one).encode() for one in json.loads(FORMER)["observations"])
    former, read = read_measurement(FORMER), read_measurement(lines)
    assert read.observations == former.observations
    assert read_measurement(write_lines(read.observations)).observations == read.observations
    assert b"last_text" in write_csv(read.observations).splitlines()[0]
    assert former.plan
    assert former.made_at
    again = write_measurement(former.observations, former.plan, former.made_at, complete=True)
    assert read_measurement(again).observations == former.observations


@pytest.mark.parametrize(
    "fields", [{"thought": 1}, {"thought": "yes"}, {"sent_tokens": -1}, {"sent_tokens": 1.5}, {"sent": 1}]
)
def test_what_is_new_is_read_as_strictly(fields: dict[str, Any]) -> None:
    """A value of another kind, out of its range, or a name that is none."""
    line = json.loads(encode_observation(streamed([0.1])))
    with pytest.raises(ValueError, match="validation error"):
        decode_observation(json.dumps(line | fields).encode())
