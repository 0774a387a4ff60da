"""What the AI SDK's chats send, and what its packages of `tests/frontends/ai_sdk`, as installed, make of an answer."""

import base64
import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from streamlab.events.event import Done, Error
from streamlab.gateway.control import Open
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.ai_sdk.message import Version
from streamlab.gateway.protocols.ai_sdk.writer import MessageWriter
from streamlab.hub import Item, Position
from tests.gateway import parse_stream
from tests.javascript import ROOT, install

FOLDER = ROOT / "tests/frontends/ai_sdk"
EXAMPLE = ROOT / "examples/ai-sdk"
READERS: list[tuple[str, Version]] = [("5.0.92", 5), ("5", 5), ("6", 5), ("7", 5), ("6", 6), ("7", 7)]
"""Versions of the packages, each with the one that it asks for. What is for 5 is for all of them.

5.0.92 is the first one that reads a finish reason, and takes no field that it does not know.
"""

Json = dict[str, Any]
RUN = "run-1"


@dataclass(frozen=True)
class Read:
    """What a chat has when it has read an answer."""

    state: Json

    @property
    def parts(self) -> list[Json]:
        message: Json = self.state["messages"][-1]
        assert (message["role"], message["id"]) == ("assistant", RUN)
        parts: list[Json] = message["parts"]
        return parts

    @property
    def read(self) -> list[Json]:
        """The parts of the message that a program reads without a chat."""
        parts: list[Json] = self.state["read"]["parts"]
        return parts

    @property
    def last_step(self) -> list[Json]:
        starts = [at for at, part in enumerate(self.parts) if part["type"] == "step-start"]
        return self.parts[starts[-1] + 1 :] if starts else []

    @property
    def answer(self) -> str:
        return "".join(part["text"] for part in self.last_step if part["type"] == "text")

    @property
    def tools(self) -> list[Json]:
        return [part for part in self.parts if part["type"] == "dynamic-tool"]

    @property
    def finish(self) -> Json:
        (finish,) = self.state["finishes"]
        return dict(finish)


class Readers:
    """A chat of each version in a program of Node, which reads answers one after the other."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        install(FOLDER)
        command = [str(shutil.which("node")), "in_node.mjs"]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=FOLDER, stdin=pipe, stdout=pipe, text=True, encoding="utf-8") as process:
            yield cls(process)
            assert process.stdin
            process.stdin.close()

    def read(self, version: str, body: bytes) -> Read:
        assert self._process.stdin
        assert self._process.stdout
        asked = {"version": version, "body": base64.b64encode(body).decode()}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Read(json.loads(self._process.stdout.readline()))


def framed(items: Sequence[Item], cuts: Sequence[int] = ()) -> list[Frame]:
    """The items in frames that are cut before these places."""
    ends = [*sorted(set(cuts)), len(items)]
    starts = [0, *ends[:-1]]
    groups = [list(items[start:end]) for start, end in zip(starts, ends, strict=True) if start < end]
    return [Frame(group, Position("", group[-1].seq), lambda place, event: b"", whole=False) for group in groups]


def written(frames: Sequence[Frame], version: Version = 5) -> bytes:
    """The whole body of an answer."""
    writer = MessageWriter(version)
    packets = [*writer.opening(Open(RUN, "", None, None))]
    for frame in frames:
        packets += [*writer.frame(frame), *writer.sign_of_life()]
    packets += writer.closing(None)
    return b"".join(packet.data.message["body"] for packet in packets)


def chunks(body: bytes) -> list[Json]:
    """The chunks, whose end must be told."""
    *told, end = [sent.data for sent in parse_stream(body)]
    assert end == "[DONE]"
    return [json.loads(line) for line in told]


def check_chunks(told: list[Json]) -> None:
    """Each start has its end, parts and calls are of an open step, and nothing comes after the end."""
    open_parts: list[str] = []
    calls: Counter[str] = Counter()
    in_step = False
    assert [each["type"] for each in told].count("finish") == 1
    assert (told[0]["type"], told[-1]["type"]) == ("start", "finish")
    for chunk in told[1:]:
        kind, _, what = chunk["type"].rpartition("-")
        match what:
            case "step":
                assert not open_parts
                assert in_step == (chunk["type"] != "start-step")
                in_step = chunk["type"] != "finish-step"
            case "start":
                assert in_step
                assert not open_parts
                open_parts = [chunk["id"]]
            case "delta":
                assert open_parts == [chunk["id"]]
                assert chunk["delta"]
            case "end":
                assert open_parts.pop() == chunk["id"]
            case "available" if kind == "tool-input":
                assert in_step
                assert chunk["toolCallId"] not in calls
                calls[chunk["toolCallId"]] = 0
            case "available" | "error" if kind == "tool-output":
                calls[chunk["toolCallId"]] += 1
    assert not in_step
    assert not open_parts
    assert set(calls.values()) <= {1}


def check_read(read: Read, events: list[Item]) -> None:
    """The chat is at rest, and has all that was told."""
    done = events[-1]
    assert isinstance(done, Done)
    failed = done.status in ("failed", "lost") or any(isinstance(event, Error) for event in events)
    assert read.state["status"] == ("error" if failed else "ready")
    assert read.state["calls"] == 0  # the tools are none of the page's
    assert bool(read.state["errors"]) == failed
    assert read.read == read.parts
    assert {part["state"] for part in read.parts if "state" in part} <= {"done", "output-available", "output-error"}


def said(*parts: Any, role: str = "user") -> Json:
    return {"id": "m", "role": role, "parts": list(parts)}


def text(content: str) -> Json:
    return {"type": "text", "text": content, "state": "done", "providerMetadata": {"any": {}}}


def chat(*messages: Json, **more: Any) -> Json:
    sent = list(messages) or [said(text("What is streaming?"))]
    return {"id": "chat", "messages": sent, "trigger": "submit-message", "messageId": None} | more


def check_sentence(answer: httpx2.Response) -> None:
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.endswith(".")
    assert "\n" not in answer.text
