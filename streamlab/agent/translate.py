"""LangChain's events of an agent -> StreamEvent. One branch per kind; nothing here waits or sends."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.tools import ToolException

from streamlab.events.event import FinalAnswer, StreamEvent, TextDelta, Thinking, ToolCall, ToolResult, Usage
from streamlab.models.message_chunks import reasoning_text
from streamlab.models.usage import added, reported_usage
from streamlab.runs.chain import Clock, answer_remark

LONGEST_RESULT = 60 * 1024  # characters, each of at most 4 bytes: within the bound of one event

Upstream = Mapping[str, Any]  # an event of `astream_events(version="v2")`


@dataclass
class Translator:
    """Takes the upstream events of one agent run in their order, gives ours; `clock` says when each one arrived.

    What a tool does inside is the tool's own: models that it calls do not leak into the answer. A call that the
    graph answers without running a tool (an unknown name, arguments that do not fit) has its call and result, too.
    """

    clock: Clock
    usage: Usage | None = None
    unreported: bool = False  # some step's usage is not in the sum
    final: str | None = None
    step: int = 0
    remark: str | None = None
    _inside: set[str] = field(default_factory=set)  # run ids of tools, and of all that runs below them
    _asked: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # call ids that have not begun
    _begun: dict[str, str] = field(default_factory=dict)  # call id -> tool, without a result so far

    def translate(self, event: Upstream) -> Iterator[StreamEvent]:
        if self._inside.intersection(event["parent_ids"]):
            self._inside.add(event["run_id"])
            return
        data = event["data"]
        match event["event"]:
            case "on_chat_model_start":
                self.step += 1
            case "on_chat_model_stream":
                yield from self._written(data["chunk"])
            case "on_chat_model_end":
                self._remember(data["output"])
            case "on_tool_start":
                self._inside.add(event["run_id"])
                yield from self._called(event["name"], data.get("input"))
            case "on_tool_end":
                yield from self._returned(data.get("output"))
            case "on_tool_error":
                yield from self._result(data.get("tool_call_id"), event["name"], _said(data.get("error")), failed=True)
            case "on_chain_end" if not event["parent_ids"]:
                yield from self._ended(data.get("output"))
            case "on_chain_end":  # of a node, among whose messages may be results that came from no tool
                yield from self._returned(data.get("output"))

    @property
    def _now(self) -> dict[str, Any]:
        """When and in which step an event arrives."""
        return {"at": self.clock(), "step": max(1, self.step)}

    def _written(self, chunk: Any) -> Iterator[StreamEvent]:
        if not isinstance(chunk, AIMessageChunk):
            return
        if reasoning := reasoning_text(chunk):
            yield Thinking(reasoning, **self._now)
        if text := chunk.text:
            yield TextDelta(text, **self._now)

    def _remember(self, message: Any) -> None:
        if not isinstance(message, AIMessage):
            return
        self.remark = answer_remark(
            message.response_metadata.get("finish_reason"), message.additional_kwargs.get("text_kind")
        )
        for call in [*message.tool_calls, *message.invalid_tool_calls]:
            self._asked[call["id"] or ""] = call
        if used := message.usage_metadata:
            reported = reported_usage(used)
            self.usage = added(self.usage, reported) if self.usage else reported
        else:
            self.unreported = True

    def _called(self, tool: str, arguments: Any) -> Iterator[StreamEvent]:
        """Find the call that this start belongs to: the same tool and arguments, or else the first of this tool."""
        same_tool = [call_id for call_id, call in self._asked.items() if call["name"] == tool]
        same = [call_id for call_id in same_tool if self._asked[call_id]["args"] == arguments]
        for call_id in (same or same_tool)[:1]:
            yield from self._call(call_id)

    def _call(self, call_id: str) -> Iterator[StreamEvent]:
        call = self._asked.pop(call_id)
        self._begun[call_id] = call["name"]
        yield ToolCall(call["name"], call_id, call["args"], **self._now)

    def _returned(self, output: Any) -> Iterator[StreamEvent]:
        for message in _tool_messages(output):
            failed = message.status == "error"
            yield from self._result(message.tool_call_id, message.name or "", parsed(message), failed=failed)

    def _result(self, call_id: str | None, tool: str, result: Any, *, failed: bool) -> Iterator[StreamEvent]:
        if call_id in self._asked:
            yield from self._call(call_id)
        if call_id is None or self._begun.pop(call_id, None) is None:
            return
        yield ToolResult(tool, call_id, _bounded(result), "failed" if failed else "completed", **self._now)

    def _ended(self, output: Any) -> Iterator[StreamEvent]:
        messages = output.get("messages") if isinstance(output, Mapping) else None
        last = messages[-1] if messages else None
        self.final = last.text if isinstance(last, AIMessage) else ""
        yield FinalAnswer(self.final, **self._now)


def parsed(output: Any) -> Any:
    """Turn a tool's output into plain data, whatever its shape.

    It may be a message, a dict, a list, text, JSON text or anything else.
    """
    match output:
        case BaseMessage():
            artifact = getattr(output, "artifact", None)
            return parsed(output.text if artifact is None else artifact)
        case str():
            return _from_json(output)
        case Mapping():
            return {str(key): parsed(value) for key, value in output.items()}
        case list() | tuple():
            return [parsed(value) for value in output]
        case bool() | int() | float() | None:
            return output
        case _:
            return str(output)


def _bounded(result: Any) -> Any:
    """Cut a result to what one event can hold.

    Anything longer becomes the beginning of its JSON. The model still gets the whole.
    """
    written = json.dumps(result, ensure_ascii=False)
    return result if len(written) <= LONGEST_RESULT else f"{written[:LONGEST_RESULT]} …"


def _from_json(text: str) -> Any:
    """Parse objects and lists only: a text that happens to be a number or `null` was meant as text."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _said(error: Any) -> str:
    """Say why a tool failed. Its own refusal is a sentence; any other exception needs its name to be understood."""
    if isinstance(error, Exception) and not isinstance(error, ToolException):
        return f"{type(error).__name__}: {error}"
    return str(error)


def _tool_messages(output: Any) -> Iterator[ToolMessage]:
    """Find the tool messages in what a tool or a node gave.

    They are there alone, in a list, under `messages`, or in a Command's update.
    """
    match output:
        case ToolMessage():
            yield output
        case list() | tuple():
            for item in output:
                yield from _tool_messages(item)
        case Mapping():
            yield from _tool_messages(output.get("messages"))
        case _ if hasattr(output, "update") and not isinstance(output, (str, bytes)):
            yield from _tool_messages(output.update)
