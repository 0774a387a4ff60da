"""Bodies that servers send, from `tests/cases/wire` or made here, and what is read from them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamlab.models.chunks import Chunk, ChunkReader
from streamlab.models.failures import Failure

CASES = Path(__file__).parent / "cases" / "wire"


def case(name: str) -> bytes:
    return next(CASES.glob(f"{name}.*")).read_bytes()


@dataclass
class Reading:
    """What a body amounts to. `calls` are names and arguments, `ids` theirs."""

    text: str = ""
    thoughts: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    finish: str | None = None
    usage: dict[str, Any] | None = None
    failure: Failure | None = None

    def take(self, chunk: Chunk) -> None:
        """Add a chunk, in the one form that all have."""
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk["choices"]:
            self.finish = choice.get("finish_reason") or self.finish
            delta = choice["delta"]
            assert delta.keys() <= {"content", "reasoning_content", "tool_calls", "text_kind"}
            self.text += delta.get("content", "")
            self.thoughts += delta.get("reasoning_content", "")
            self.kinds += [delta["text_kind"]] if "text_kind" in delta else []
            for call in delta.get("tool_calls", ()):
                self._call(call)

    def _call(self, call: dict[str, Any]) -> None:
        if call["index"] == len(self.calls):
            self.calls.append(("", ""))
            self.ids.append(call["id"])
        else:
            assert call["id"] is None, "only the first piece has it"
        name, arguments = self.calls[call["index"]]
        function = call["function"]
        self.calls[call["index"]] = (name + (function["name"] or ""), arguments + function["arguments"])


def read(*parts: bytes, taken: Sequence[str] = (), key: str = "") -> Reading:
    """Read a body that arrives in these parts, to its end or its failure."""
    reader, reading = ChunkReader(taken, key), Reading()
    try:
        for part in parts:
            for chunk in reader.feed(part):
                reading.take(chunk)
        for chunk in reader.close():
            reading.take(chunk)
    except Failure as failure:
        reading.failure = failure
    return reading


def events(*values: Any, done: bool = True) -> bytes:
    """Write values as server-sent events; a string is one as it is, such as `[DONE]`."""
    lines = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return "".join(f"data: {line}\n\n" for line in [*lines, *(["[DONE]"] if done else [])]).encode()


def chunk(delta: Any = None, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    """Make a chunk as OpenAI's server sends it."""
    choice = {"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **fields}


def calling(*calls: Any, finish: str = "tool_calls") -> bytes:
    """Write a stream in which each of these stands in the `tool_calls` of a chunk of its own."""
    return events(*(chunk({"tool_calls": [call]}) for call in calls), chunk(finish=finish))


HI = chunk({"content": "Hi"})
STOP = chunk(finish="stop")


def piece(arguments: Any = "", **members: Any) -> dict[str, Any]:
    """Make a piece of a tool call; what is not given is not there."""
    function = {name: members.pop(name) for name in ("name",) if name in members} | {"arguments": arguments}
    return {**members, "function": function}


def call_piece(*pieces: dict[str, Any]) -> dict[str, Any]:
    return chunk({"tool_calls": list(pieces)})
