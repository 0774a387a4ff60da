"""Chat-completions objects and the bytes of their server-sent events."""

import json
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from streamlab.demo_model.options import Options
from streamlab.demo_model.tool_use.calls import Call, CallPiece

TEXT = "\0"


def compact(value: Any) -> bytes:
    # Not escaped to ASCII, as OpenAI does not: characters of several bytes are a case that readers must survive.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


class ChunkWriter:
    """Encodes one answer. A content chunk costs one `json.dumps` of its text."""

    def __init__(self, id: str, model: str, options: Options, *, wants_usage: bool) -> None:
        self._options = options
        self._wants_usage = wants_usage and options.usage
        self._head = {"id": id, "created": int(time.time()), "model": model, "system_fingerprint": "scripted"}
        self._newline = b"\r\n" if options.crlf else b"\n"
        self._before = b": comment" + self._newline * 2 if options.comments else b""
        self._content = self._template({"content": [{"type": "text", "text": TEXT}] if options.blocks else TEXT})
        self._reasoning = self._template({"reasoning_content": TEXT})

    def opening(self) -> Iterator[bytes]:
        if self._options.empty_first:
            yield self._event(self._chunk([]))
        if self._options.role_only:
            yield self._event(self._delta({"role": "assistant", "content": ""}))

    def content(self, text: str) -> bytes:
        prefix, suffix = self._content
        return prefix + compact(text) + suffix

    def reasoning(self, text: str) -> bytes:
        prefix, suffix = self._reasoning
        return prefix + compact(text) + suffix

    def call(self, piece: CallPiece) -> bytes:
        if piece.name is None:
            call: dict[str, Any] = {"index": piece.index, "function": {"arguments": piece.text}}
        else:
            call = {"index": piece.index} | self._call(piece.index, Call(piece.name, piece.text))
        return self._event(self._delta({"tool_calls": [call]}))

    def closing(self, finish: str, usage: dict[str, Any]) -> Iterator[bytes]:
        yield self._event(self._delta({}, finish))
        if self._wants_usage:
            yield self._event(self._chunk([]) | {"usage": usage})
        yield self._line(b"[DONE]")

    def garbage(self) -> bytes:
        return self._line(b'{"choices": [{"delta": {"conte')

    def split(self, event: bytes) -> list[bytes]:
        """Cut an event within a field name, a character and the final line ends, if the options ask for it."""
        if not self._options.split:
            return [event]
        inside = next((index + 1 for index, byte in enumerate(event) if byte > 127), len(event) // 2)
        places = [0, 3, inside, len(event) - 1, len(event)]
        return [event[start:end] for start, end in pairwise(places)]

    def completion(self, text: str, calls: Sequence[Call], reasoning: str, finish: str, usage: dict[str, Any]) -> bytes:
        """Return the body of an answer that is not streamed."""
        content = [{"type": "text", "text": text}] if self._options.blocks else text
        message = {"role": "assistant", "content": content if text or not calls else None, "refusal": None}
        if calls:
            message["tool_calls"] = [self._call(index, call) for index, call in enumerate(calls)]
        if reasoning:
            message["reasoning_content"] = reasoning
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        body = self._head | {"object": "chat.completion", "choices": [choice]}
        return compact(body | {"usage": usage} if self._options.usage else body)

    def _call(self, index: int, call: Call) -> dict[str, Any]:
        # Ids are never the same twice in a conversation: the answer's own id is in them.
        id = f"call_{str(self._head['id'])[-20:]}{index:02}"
        return {"id": id, "type": "function", "function": {"name": call.tool, "arguments": call.arguments}}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        chunk = self._head | {"object": "chat.completion.chunk", "choices": choices}
        return chunk | {"usage": None} if self._wants_usage else chunk

    def _delta(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return self._chunk([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])

    def _template(self, delta: dict[str, Any]) -> tuple[bytes, bytes]:
        """Return the bytes before and after the text of such a delta."""
        # From the right: the model's name, which the client chose, stands before the text and could hold the mark.
        prefix, _, suffix = self._event(self._delta(delta)).rpartition(compact(TEXT))
        return prefix, suffix

    def _event(self, value: dict[str, Any]) -> bytes:
        return self._line(compact(value))

    def _line(self, data: bytes) -> bytes:
        return self._before + b"data: " + data + self._newline * 2
