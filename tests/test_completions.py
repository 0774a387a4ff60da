"""Chunks that are joined before the chain sees them."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.models.chunks import TEXTS, join
from streamlab.models.connections import LONGEST
from streamlab.models.failures import Failure
from tests.conftest import PATIENCE, http, provider, sse


def chunk(delta: dict[str, Any], **choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, **choice}]}


texts = st.text(min_size=1, max_size=4)
chunks = st.one_of(
    st.builds(lambda kind, text: chunk({kind: text}), st.sampled_from(TEXTS), texts),
    st.builds(lambda text: chunk({"content": text, "text_kind": "refusal"}), texts),
    st.just(chunk({"tool_calls": [{"index": 0}]})),
    st.just(chunk({}, finish_reason="stop")),
    st.just({"choices": [], "usage": {"prompt_tokens": 1}}),
)


def said(chunks: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """All that the chunks say, adjacent texts of one kind together."""
    found: list[tuple[str, Any]] = []
    for each in chunks:
        pieces = [
            (name, value)
            for choice in each["choices"]
            for name, value in (choice["delta"] | {"finish": choice.get("finish_reason")}).items()
        ]
        for name, value in [*pieces, ("usage", each.get("usage"))]:
            if name in TEXTS and found and found[-1][0] == name:
                found[-1] = (name, found[-1][1] + value)
            elif value:
                found.append((name, value))
    return found


@given(st.lists(chunks, max_size=8))
def test_what_is_joined_says_the_same(given: list[dict[str, Any]]) -> None:
    """Every text, finish, usage and tool call is there, in its order; nothing is joined across them."""
    joined: list[dict[str, Any]] = []
    for each in given:
        both = join(joined[-1], each) if joined else None
        joined[-1:] = [both] if both else [*joined[-1:], each]
    assert said(joined) == said(given)


def test_texts_of_a_kind_become_one() -> None:
    """And only they."""
    assert join(chunk({"content": "a"}), chunk({"content": "b"})) == chunk({"content": "ab"})
    assert join(chunk({"content": "a"}), chunk({"reasoning_content": "b"})) is None
    assert join(chunk({"content": "a"}), chunk({}, finish_reason="stop")) is None
    assert join(chunk({"content": "a", "text_kind": "refusal"}), chunk({"content": "b"})) is None
    assert join(chunk({"content": "a"}), {"choices": [], "usage": None}) is None


@contextmanager
def gated_endpoint(*parts: bytes) -> Iterator[tuple[str, list[threading.Event]]]:
    """A server that answers one request: each part once its event is set."""
    gates = [threading.Event() for _ in parts]

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as request:
            head = b"".join(iter(request.readline, b"\r\n"))
            request.read(int(head.lower().partition(b"content-length:")[2].split()[0]))
            for part, gate in zip(parts, gates, strict=True):
                gate.wait(PATIENCE)
                with suppress(OSError):  # the client may have seen enough
                    connection.sendall(part)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", gates
        thread.join()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("apart", [True, False])
def test_nothing_that_has_arrived_waits_for_what_has_not(apart: bool) -> None:
    """A burst is joined and given before the next one is sent, its events in HTTP chunks of their own or in one."""
    bursts = [[f"{burst}{number} " for number in range(9)] for burst in range(8)]
    events = [[chunked(sse(text, finish=None)) for text in burst] for burst in bursts]
    whole = [chunked(sse(*burst, finish=None)) for burst in bursts]
    parts = [b"".join(burst) for burst in events] if apart else whole
    with gated_endpoint(HEAD, *parts, chunked(sse()) + b"0\r\n\r\n") as (url, gates), provider(url) as models:
        stream = (message.text for message in models.chat_model("m", 1.0).stream("hi"))
        gates[0].set()
        for number, (burst, gate) in enumerate(zip(bursts, gates[1:], strict=False)):
            gate.set()
            given = str(next(stream))
            while number == 0 and given != "".join(burst):  # it may have come with the head, which is read as it is
                given += next(stream)
            assert given == "".join(burst)
        gates[-1].set()
        assert "".join(stream) == ""


def test_what_came_before_garbage_is_given() -> None:
    """Also when one read brought both."""
    body = sse("one ", "two", finish=None) + b"data: {garbage\n\n" + sse("three")
    with gated_endpoint(http(b""), body) as (url, gates), provider(url) as models:
        texts: list[str] = []
        stream = (message.text for message in models.chat_model("m", 1.0).stream("hi"))
        for gate in gates:
            gate.set()
        with pytest.raises(Failure, match="connection_lost"):
            texts.extend(stream)
        assert "".join(texts) == "one two"


def test_the_first_words_do_not_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three reads come as soon as they can; then a stream is left alone for a moment before each.

    The first words may come with the head, in a read that does not count.
    """
    slept: list[float] = []
    words = ["one", "two", "three", "four", "five"]
    parts = [sse(word, finish=None) for word in words]
    with gated_endpoint(http(b""), *parts, sse()) as (url, gates), provider(url) as models:
        stream = models.chat_model("m", 1.0).stream("hi")
        monkeypatch.setattr("streamlab.models.connections.time.sleep", slept.append)
        gates[0].set()
        for word, gate, pauses in zip(words, gates[1:], [0, 0, 0, 1, 2], strict=False):
            gate.set()
            assert next(stream).text == word
            assert pauses - 1 <= len(slept) <= pauses
        gates[-1].set()
        assert "".join(message.text for message in stream) == ""
    assert all(0 <= seconds <= LONGEST for seconds in slept)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_server_that_does_not_hang_up_keeps_nobody_waiting(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is whole when the server has said why it ended, whatever the connection does then."""
    monkeypatch.setattr("streamlab.models.providers.chat_openai.AFTER_END", 0.2)
    body = sse("whole").partition(b"data: [DONE]")[0]
    with gated_endpoint(HEAD, chunked(body), b"0\r\n\r\n") as (url, gates), provider(url) as models:
        model = models.chat_model("m", 1.0)
        for gate in gates[:-1]:
            gate.set()
        if asynchronous:

            async def text() -> str:
                return "".join([message.text async for message in model.astream("hi")])

            assert asyncio.run(text()) == "whole"
        else:
            assert "".join(message.text for message in model.stream("hi")) == "whole"
        gates[-1].set()
