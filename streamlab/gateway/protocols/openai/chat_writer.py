"""Chat completions: the events of a run as OpenAI's chunks, or as one object."""

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, assert_never

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
)
from streamlab.events.outcome import UNKNOWN
from streamlab.gateway.control import Close, Drain, Open
from streamlab.gateway.errors import draining
from streamlab.gateway.feed import Frame
from streamlab.gateway.protocols.openai.errors import SERVER, error_json, error_line, failure
from streamlab.gateway.protocols.openai.text import SentText, arguments_of, json_of
from streamlab.gateway.protocols.sse import STILL_HERE, Body, packet
from streamlab.gateway.writer import Packet, Writer
from streamlab.hub import Gap, Item, Log, Snapshot

DONE = b"data: [DONE]\n\n"
BETWEEN_STEPS = "\n\n"


class ChatForm(NamedTuple):
    """What all chunks of an answer have in common. `hands_back`: the model's calls are the caller's to run."""

    run_id: str
    model: str
    created: int
    usage: bool = False
    hands_back: bool = False

    @property
    def head(self) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.run_id}", "created": self.created, "model": self.model}


class ChatState(NamedTuple):
    """How far an answer is: `text` of its last step, `calls` handed back, and the end, once it came."""

    form: ChatForm
    text: SentText = SentText()
    calls: int = 0
    end: Literal["", "finished", "failed"] = ""


class ChatWriter(Writer[Body]):
    """Writes chunks with `reasoning_content`, as many compatible servers do, and of tools only the caller's own.

    What was sent cannot be taken back in this protocol, so a retry after text ends the answer with an error.
    """

    name = "openai-chat"

    def __init__(self, form: ChatForm) -> None:
        self._state = ChatState(form)

    def opening(self, event: Open) -> Sequence[Packet[Body]]:
        return [packet(_chunk(self._state.form, {"role": "assistant", "content": "", "refusal": None}))]

    def frame(self, frame: Frame) -> Sequence[Packet[Body]]:
        packets, self._state = frame.form(_write, self._state)
        return packets

    def sign_of_life(self) -> Sequence[Packet[Body]]:
        return STILL_HERE

    def closing(self, event: Drain | Close | None) -> Sequence[Packet[Body]]:
        if self._state.end == "failed":
            return []  # after which a `[DONE]` would pass it off as whole
        return [packet(error_line(leaving(event)) if event else DONE)]


def leaving(event: Drain | Close) -> dict[str, Any]:
    """Say why a stream ends before its run does: without that a client would take the answer for whole."""
    refusal = draining()
    return error_json(SERVER, refusal.code if isinstance(event, Drain) else event.code, str(refusal))


def _write(frame: Frame, state: ChatState) -> tuple[Sequence[Packet[Body]], ChatState]:
    chunks: list[bytes] = []
    for item in frame.items:
        if not state.end:
            state = _add(chunks, item, state)
    return [packet(b"".join(chunks), frame.events)] if chunks else [], state


def _add(chunks: list[bytes], item: Item, state: ChatState) -> ChatState:
    """Add the chunks of an item, and return the state after it."""
    match item:
        case TextDelta():
            return _add_text(chunks, item.step, item.content, state)
        case Thinking():
            if not item.state:
                chunks.append(_chunk(state.form, {"reasoning_content": item.content}))
        case ToolCall() if state.form.hands_back:
            chunks.append(_chunk(state.form, {"tool_calls": [{"index": state.calls} | call_json(item)]}))
            return state._replace(calls=state.calls + 1)
        case Snapshot():
            return _catch_up(chunks, item, state)
        case Retry() if state.text.length or state.calls:
            return _fail(chunks, item.code, state)
        case Error():
            return _fail(chunks, item.code, state, item)
        case Done():
            return _finish(chunks, item, state)
        case ToolCall() | ToolResult() | Retry() | FinalAnswer() | Gap():
            pass
        case _:
            assert_never(item)
    return state


def _add_text(chunks: list[bytes], step: int, text: str, state: ChatState) -> ChatState:
    if not text:
        return state
    sent = state.text
    if step != sent.step:
        if sent.length:
            chunks.append(_chunk(state.form, {"content": BETWEEN_STEPS}))
        sent = SentText(step)
    chunks.append(_chunk(state.form, {"content": text}))
    return state._replace(text=sent.add(text))


def _catch_up(chunks: list[bytes], snapshot: Snapshot, state: ChatState) -> ChatState:
    """Send what is missing of a step whose events are gone."""
    sent = state.text if state.text.step == snapshot.step else SentText(snapshot.step)
    missing = sent.missing(snapshot.text) if snapshot.step >= state.text.step else None
    if missing is None:
        return _fail(chunks, "internal", state)
    return _add_text(chunks, snapshot.step, missing, state)


def _fail(chunks: list[bytes], code: str, state: ChatState, error: Error | None = None) -> ChatState:
    chunks.append(error_line(failure(code, error)[1]))
    return state._replace(end="failed")


def _finish(chunks: list[bytes], done: Done, state: ChatState) -> ChatState:
    if not ended_well(done):
        return _fail(chunks, done.code or "internal", state)
    chunks.append(_chunk(state.form, {}, finish_reason(done, state.calls)))
    if state.form.usage:
        chunks.append(_line(state.form, [], usage_json(done.usage)))
    return state._replace(end="finished")


def ended_well(done: Done) -> bool:
    """Tell whether what was written is an answer: whole, or ended because somebody wanted it so."""
    return done.status == "completed" or (done.status == "stopped" and done.code is None)


def finish_reason(done: Done, calls: int) -> str:
    if done.code == "length":
        return "length"
    return "tool_calls" if calls and done.status == "completed" else "stop"


def _chunk(form: ChatForm, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _line(form, [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


def _line(form: ChatForm, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    chunk = form.head | {"object": "chat.completion.chunk", "choices": choices}
    return b"data: %s\n\n" % json_of(chunk | ({"usage": usage} if form.usage else {}))


def call_json(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.tool, "arguments": arguments_of(call.input)}
    return {"id": call.call_id, "type": "function", "function": function}


def usage_json(usage: Usage | None) -> dict[str, Any]:
    usage = usage or UNKNOWN
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }


def completion(form: ChatForm, log: Log) -> dict[str, Any]:
    """Write the whole answer of a run that ended well; of several steps the last one's text."""
    outcome, done = log.outcome(), log.done
    assert done
    calls = handed_back(log.since(0)) if form.hands_back else []
    message: dict[str, Any] = {
        "role": "assistant",
        "content": outcome.text if outcome.text or not calls else None,
        "refusal": None,
        "annotations": [],
    }
    if outcome.thinking:
        message["reasoning_content"] = outcome.thinking
    if calls:
        message["tool_calls"] = [call_json(call) for call in calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(done, len(calls))}
    return form.head | {"object": "chat.completion", "choices": [choice], "usage": usage_json(done.usage)}


def handed_back(events: Iterable[Item]) -> list[ToolCall]:
    """List the calls of the attempt that counts."""
    calls: list[ToolCall] = []
    for event in events:
        if isinstance(event, Retry):
            calls.clear()
        elif isinstance(event, ToolCall):
            calls.append(event)
    return calls
