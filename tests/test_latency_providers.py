"""Claude's and Gemini's stock clients: what was cut has failed, and what was told is counted, as of OpenAI's."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple

import pytest

from streamlab.chunks.captures import Captures
from streamlab.latency.calls import measure
from streamlab.latency.observation import Observation
from streamlab.latency.plan import Direct
from streamlab.settings import Settings
from tests import test_anthropic as claude
from tests import test_google as gemini
from tests.captures import read, states
from tests.conftest import http, raw_endpoint
from tests.observations import plan_of
from tests.spoken import KEY, asking

pytest.importorskip("langchain_anthropic", reason="`make providers` installs it")
pytest.importorskip("langchain_google_genai", reason="`make providers` installs it")


class Spoken(NamedTuple):
    """A provider's model, its settings for an address, and bodies of its answers."""

    model: str
    settings: Callable[[str], dict[str, str]]
    thoughtful: bytes
    """Streamed, with thoughts."""
    tokens: tuple[int, bool, bool, int]
    """Of these: the visible tokens, whether they are estimated, whether there were thoughts, and all that were sent."""
    whole: bytes
    blocked: bytes
    broken: Sequence[tuple[str, bytes, str]]


def message(reason: str) -> bytes:
    """Answer without streaming, as Claude does."""
    usage = {"input_tokens": 40, "cache_read_input_tokens": 1_000, "output_tokens": 5}
    said = {"content": [{"type": "text", "text": "All of it"}], "stop_reason": reason, "stop_sequence": None}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m"}
    return json.dumps(head | said | {"usage": usage}).encode()


CLAUDE = Spoken(
    claude.MODEL,
    lambda url: {"anthropic_api_key": KEY, "anthropic_base_url": url},
    claude.THINKING
    + claude.event("content_block_stop", index=0)
    + claude.text("Five").removeprefix(claude.BEGIN)
    + claude.stopped("end_turn", output_tokens=9),
    (1, True, True, 9),
    message("max_tokens"),
    message("refusal"),
    claude.BROKEN,
)
GEMINI = Spoken(
    gemini.MODEL,
    lambda url: {"google_api_key": KEY, "google_gemini_base_url": url.removesuffix("/v1")},
    gemini.chunk({"text": "Well.", "thought": True})
    + gemini.chunk("Five", finish="STOP", usage=gemini.FULL | {"thoughtsTokenCount": 4, "totalTokenCount": 16}),
    (5, False, True, 9),
    gemini.chunk("All of it", finish="MAX_TOKENS", usage=gemini.FULL)[6:],
    gemini.chunk("I", finish="SAFETY")[6:],
    gemini.BROKEN,
)
PROVIDERS = {"claude": CLAUDE, "gemini": GEMINI}
BROKEN = [
    pytest.param(spoken, body, code, way, id=f"{name} {case} {way}")
    for name, spoken in PROVIDERS.items()
    for case, body, code in spoken.broken
    for way in ("stream", "astream")
    if code != "rate_limited" and (way == "stream" or case == "in the text")  # a rate limit is waited for
]
both = pytest.mark.parametrize("spoken", [pytest.param(spoken, id=name) for name, spoken in PROVIDERS.items()])
streaming = pytest.mark.parametrize("way", ["stream", "astream"])


def called(spoken: Spoken, answer: bytes, way: Direct) -> Observation:
    with raw_endpoint(answer) as server:
        plan = plan_of(models=(spoken.model,), pairs=1, warm_ups=0, ways=(way,))
        (one,) = measure(plan, Settings.model_validate(spoken.settings(server.base_url)), "")
    return one


@contextmanager
def captures_of(spoken: Spoken, body: bytes) -> Iterator[Captures]:
    with (
        raw_endpoint(http(body)) as server,
        asking(**spoken.settings(server.base_url)) as models,
        closing(Captures(Settings(_env_file=None), models)) as captures,
    ):
        yield captures


@pytest.mark.parametrize(("spoken", "body", "code", "way"), BROKEN)
def test_what_breaks_within_an_answer_fails_the_call(spoken: Spoken, body: bytes, code: str, way: Direct) -> None:
    """Also where the stock client takes it for whole: with the code that the app's own client names."""
    assert called(spoken, http(body), way).error == code


@both
def test_nor_is_it_a_whole_capture(spoken: Spoken) -> None:
    """In any read mode."""
    cut = next(body for name, body, _ in spoken.broken if name == "in the text")
    with captures_of(spoken, cut) as captures:
        found = read(captures, "calls", spoken.model)
    assert states({mode: each for mode, each in found.items() if mode != "invoke"}) == {("failed", "connection_lost")}


@both
@streaming
@pytest.mark.parametrize("packed", [False, True])
def test_a_whole_answer_is_counted(spoken: Spoken, way: Direct, packed: bool) -> None:
    """Its tokens as the provider told them, and whether it thought; also packed on the way."""
    body = gzip.compress(spoken.thoughtful) if packed else spoken.thoughtful
    headers = ("Content-Encoding: gzip",) if packed else ()
    one = called(spoken, http(body, "200 OK", "text/event-stream", *headers), way)
    assert one.error is None
    assert (one.tokens, one.tokens_estimated, one.thought, one.sent_tokens) == spoken.tokens


@both
def test_one_that_was_not_streamed_is_judged_alike(spoken: Spoken) -> None:
    """Cut at its length it is one; that the provider blocked it is a failure."""
    one = called(spoken, http(spoken.whole, kind="application/json"), "invoke")
    assert (one.error, one.sent_tokens, one.streamed) == (None, 5, False)
    assert called(spoken, http(spoken.blocked, kind="application/json"), "invoke").error == "content_filtered"


@both
def test_a_key_that_is_repeated_is_not_told(spoken: Spoken) -> None:
    """An error within a stream may have it in its words."""
    said = {"code": 503, "type": "overloaded_error", "message": f"no {KEY}"}
    begun = spoken.thoughtful[:400].rpartition(b"\n\n")[0]
    error = b"\n\nevent: error\ndata: " + json.dumps({"type": "error", "error": said}).encode() + b"\n\n"
    with captures_of(spoken, begun + error) as captures:
        found = read(captures, "calls", spoken.model)
    assert states(found) != {("completed", None)}
    assert not [each for each in found.values() if KEY in (each.detail or "")]
