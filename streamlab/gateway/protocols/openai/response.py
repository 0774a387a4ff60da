"""A response as OpenAI's object, made of the events of a run one by one, and the events that tell of it meanwhile."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, assert_never

from streamlab.events.event import (
    Done,
    Error,
    FinalAnswer,
    Retry,
    TextDelta,
    Thinking,
    ToolCall,
    ToolResult,
    Usage,
    first_seq,
)
from streamlab.events.outcome import UNKNOWN
from streamlab.gateway.protocols.openai.errors import response_error
from streamlab.gateway.protocols.openai.text import SentText, arguments_of, json_of
from streamlab.hub import Gap, Item, Snapshot

PREFIX = "resp_"
BOUND = 16  # more than the events that tell of one event of a log


class Head(NamedTuple):
    """What stays the same of a response: `members` are those of its object, in JSON without braces.

    `hands_back`: the model's calls are the caller's to run.
    """

    run_id: str
    created: int
    members: bytes
    hands_back: bool = False

    def item_id(self, kind: str, index: int) -> str:
        return f"{kind}_{self.run_id}_{index}"


class OpenItem(NamedTuple):
    """An item of the output that is being written: its number there, and where in the step's text its own begins."""

    number: int
    begin: int = 0


@dataclass(frozen=True, slots=True)
class ResponseState:
    """How far a response is. `sequence` is the number of the next event; whoever is there was sent all the same.

    So nothing else is compared.
    """

    head: Head
    sequence: int = 0
    begun: int = field(default=0, compare=False)  # items of the output
    calls: int = field(default=0, compare=False)  # of them those handed back
    output: tuple[tuple[int, bytes], ...] = field(default=(), compare=False)  # those that are finished
    text: SentText = field(default=SentText(), compare=False)  # of the last step
    thoughts: SentText = field(default=SentText(), compare=False)
    message: OpenItem | None = field(default=None, compare=False)
    reasoning: OpenItem | None = field(default=None, compare=False)
    error: Error | None = field(default=None, compare=False)
    end: bytes = field(default=b"", compare=False)  # the whole object, once the response has ended


class Line(NamedTuple):
    """An event of the stream, and its number."""

    number: int
    data: bytes


class ResponseDraft:
    """Goes on with a response from a state, and keeps the `lines` that tell of it.

    The numbers follow from the log: for every reader, in every process, an event has the same one. A merged delta has
    that of the last one it stands for, and after what was evicted they go on higher than they can have been.
    """

    def __init__(self, state: ResponseState) -> None:
        self.lines: list[Line] = []
        self._head = state.head
        self._sequence = state.sequence
        self._begun, self._calls = state.begun, state.calls
        self._output = state.output
        self._text, self._thoughts = state.text, state.thoughts
        self._message, self._reasoning = state.message, state.reasoning
        self._error, self._end = state.error, state.end

    @property
    def state(self) -> ResponseState:
        return ResponseState(
            self._head,
            self._sequence,
            self._begun,
            self._calls,
            self._output,
            self._text,
            self._thoughts,
            self._message,
            self._reasoning,
            self._error,
            self._end,
        )

    def open(self) -> None:
        """Write what comes before the run's events."""
        response = response_json(self._head, "in_progress")
        self._write("response.created", response=response)
        self._write("response.in_progress", response=response)

    def add(self, item: Item) -> None:
        """Write what an event of the run amounts to; after the end of the response nothing."""
        if self._end:
            return
        match item:
            case TextDelta():
                self._add_text(item.step, item.content, item.seq - first_seq(item))
            case Thinking():
                if not item.state:
                    self._add_thought(item.content, item.seq - first_seq(item))
            case ToolCall():
                if self._head.hands_back:
                    self._add_call(item)
            case Snapshot():
                self._catch_up(item)
            case Retry() if self._text.length or self._calls:
                self._fail(item.code)  # what was sent cannot be taken back
            case Retry():
                self._close("incomplete")
            case Error():
                self._error = item
            case Done():
                self._finish(item)
            case ToolResult() | FinalAnswer() | Gap():
                pass
            case _:
                assert_never(item)

    # Items of the output

    def _add_text(self, step: int, text: str, more: int = 0) -> None:
        """Add a piece of text, which stands for so many `more`."""
        self._close_reasoning("completed")
        if step != self._text.step:
            self._close_message("completed")
            self._text = SentText(step)
        if not self._message:
            self._message = OpenItem(self._begin("msg", "message", role="assistant", content=[]), self._text.length)
            self._tell(self._message, "msg", "content_part.added", content_index=0, part=_text_part(""))
        self._text = self._text.add(text)
        self._sequence += more
        self._tell(self._message, "msg", "output_text.delta", content_index=0, delta=text, logprobs=[])

    def _add_thought(self, text: str, more: int) -> None:
        if not self._reasoning:
            self._reasoning = OpenItem(self._begin("rs", "reasoning", summary=[]))
            self._thoughts = SentText()
            self._tell(self._reasoning, "rs", "reasoning_summary_part.added", summary_index=0, part=_summary_part(""))
        self._thoughts = self._thoughts.add(text)
        self._sequence += more
        self._tell(self._reasoning, "rs", "reasoning_summary_text.delta", summary_index=0, delta=text)

    def _add_call(self, call: ToolCall) -> None:
        self._close("completed")
        self._calls += 1
        said = {"call_id": call.call_id, "name": call.tool}
        item = OpenItem(self._begin("fc", "function_call", **said, arguments=""))
        arguments = arguments_of(call.input)
        self._tell(item, "fc", "function_call_arguments.delta", delta=arguments)
        self._tell(item, "fc", "function_call_arguments.done", arguments=arguments, name=call.tool)
        self._complete(item, "fc", "function_call", "completed", **said, arguments=arguments)

    def _begin(self, kind: str, type: str, **members: Any) -> int:
        """Begin an item of the output, and return its index."""
        index, self._begun = self._begun, self._begun + 1
        item = _item(self._head, kind, index, type, "in_progress", members)
        self._write("response.output_item.added", output_index=index, item=item)
        return index

    def _complete(self, item: OpenItem, kind: str, type: str, status: str, **members: Any) -> None:
        whole = _item(self._head, kind, item.number, type, status, members)
        self._output = (*self._output, (item.number, whole))
        self._write("response.output_item.done", output_index=item.number, item=whole)

    def _close(self, status: str) -> None:
        self._close_reasoning(status)
        self._close_message(status)

    def _close_message(self, status: str) -> None:
        if not (item := self._message):
            return
        self._message = None
        text = str(self._text)[item.begin :]
        self._tell(item, "msg", "output_text.done", content_index=0, text=text, logprobs=[])
        self._tell(item, "msg", "content_part.done", content_index=0, part=_text_part(text))
        self._complete(item, "msg", "message", status, role="assistant", content=[_text_part(text)])

    def _close_reasoning(self, status: str) -> None:
        if not (item := self._reasoning):
            return
        self._reasoning = None
        text = str(self._thoughts)
        self._tell(item, "rs", "reasoning_summary_text.done", summary_index=0, text=text)
        self._tell(item, "rs", "reasoning_summary_part.done", summary_index=0, part=_summary_part(text))
        self._complete(item, "rs", "reasoning", status, summary=[_summary_part(text)])

    def _catch_up(self, snapshot: Snapshot) -> None:
        """Write what is missing of a step whose events are gone."""
        self._sequence = max(self._sequence, 2 + BOUND * snapshot.seq)
        sent = self._text if self._text.step == snapshot.step else SentText(snapshot.step)
        missing = sent.missing(snapshot.text) if snapshot.step >= self._text.step else None
        if missing is None:
            self._fail("internal")
        elif missing:
            self._add_text(snapshot.step, missing)

    # The end

    def _fail(self, code: str, **members: Any) -> None:
        self._close("incomplete")
        self._write_end("response.failed", "failed", error=response_error(code, self._error), **members)

    def _finish(self, done: Done) -> None:
        usage, at = usage_json(done.usage), self._head.created + int(done.at)
        match done.status, done.code:
            case _ if self._error:
                self._fail(self._error.code, usage=usage)
            case "completed", "length":
                self._close("incomplete")
                reason = {"reason": "max_output_tokens"}
                self._write_end("response.incomplete", "incomplete", usage=usage, incomplete_details=reason)
            case "completed", _:
                self._close("completed")
                self._write_end("response.completed", "completed", usage=usage, completed_at=at)
            case "stopped", None:
                self._close("incomplete")
                # OpenAI's clients know no event of this name, but the status.
                self._write_end("response.incomplete", "cancelled", usage=usage)
            case _:
                self._fail(done.code or "internal", usage=usage)

    def _write_end(self, type: str, status: str, **members: Any) -> None:
        self._end = response_json(self._head, status, [item for _, item in sorted(self._output)], **members)
        self._write(type, response=self._end)

    # Lines

    def _tell(self, item: OpenItem, kind: str, type: str, **members: Any) -> None:
        """Write an event of a part of the output."""
        item_id = self._head.item_id(kind, item.number)
        self._write(f"response.{type}", item_id=item_id, output_index=item.number, **members)

    def _write(self, type: str, **members: Any) -> None:
        number, self._sequence = self._sequence, self._sequence + 1
        told = b",".join(b'"%s":%s' % (name.encode(), _encoded(value)) for name, value in members.items())
        name = type.encode()
        line = b'event: %s\ndata: {"type":"%s","sequence_number":%d,%s}\n\n' % (name, name, number, told)
        self.lines.append(Line(number, line))


def _encoded(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json_of(value)


def response_json(head: Head, status: str, output: Iterable[bytes] = (), **members: Any) -> bytes:
    """Write the object of a response."""
    changing = {"completed_at": None, "error": None, "incomplete_details": None, "usage": None} | members
    told = json_of({"status": status} | changing)[1:-1]
    return b'{%s,%s,"output":[%s]}' % (head.members, told, b",".join(output))


def response_of(head: Head, events: Iterable[Item]) -> tuple[bytes, list[Line]]:
    """Return the object of a response whose run has ended, and the whole stream that told of it."""
    draft = ResponseDraft(ResponseState(head))
    draft.open()
    for event in events:
        draft.add(event)
    return draft.state.end, draft.lines


def _item(head: Head, kind: str, index: int, type: str, status: str, members: dict[str, Any]) -> bytes:
    return json_of({"type": type, "id": head.item_id(kind, index), "status": status} | members)


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary_part(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}


def usage_json(usage: Usage | None) -> dict[str, Any]:
    usage = usage or UNKNOWN
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens or 0,
            "cache_write_tokens": usage.cache_write_tokens or 0,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
