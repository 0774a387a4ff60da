"""The messages that a client has once it was told something, added up as its own package does."""

import json
from collections.abc import Iterator, Sequence
from typing import TypeVar

from ag_ui.core import (
    AssistantMessage,
    FunctionCall,
    Message,
    ReasoningMessage,
    ReasoningMessageStartEvent,
    TextMessageStartEvent,
    ToolCall,
    ToolCallArgsEvent,
    ToolCallResultEvent,
    ToolCallStartEvent,
    ToolMessage,
)
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from streamlab.gateway.protocols.ag_ui.telling import Content, Restated, Standing, Telling, Told
from streamlab.hub import Item, Log, Snapshot

Written = TypeVar("Written", AssistantMessage, ReasoningMessage)
SAID: TypeAdapter[list[Message]] = TypeAdapter(list[Message])


class Messages:
    """Adds up what is told of one run."""

    def __init__(self) -> None:
        self._messages: list[Message] = []

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages)

    def add(self, told: Told) -> None:
        match told:
            case Content(part="reasoning"):
                self._find(ReasoningMessage(id=told.message, content="")).content += told.delta
            case Content():
                answer = self._answer(told.message)
                answer.content = (answer.content or "") + told.delta
            case TextMessageStartEvent():
                self._answer(told.message_id)
            case ReasoningMessageStartEvent():
                self._find(ReasoningMessage(id=told.message_id, content=""))
            case ToolCallStartEvent():
                self._begin_call(told)
            case ToolCallArgsEvent():
                self._calls()[told.tool_call_id].function.arguments += told.delta
            case ToolCallResultEvent():
                self._end_call(told)
            case Restated(anew=None):
                self._void(told.void)
            case Restated():
                self._messages.clear()
                for each in told.anew or ():
                    self.add(each)

    def _find(self, new: Written) -> Written:
        """Find the message of this id and kind, or take the new one in."""
        for message in reversed(self._messages):
            if message.id == new.id and isinstance(message, type(new)):
                return message
        self._messages.append(new)
        return new

    def _answer(self, id: str) -> AssistantMessage:
        return self._find(AssistantMessage(id=id))

    def _calls(self) -> dict[str, ToolCall]:
        answers = [message for message in self._messages if isinstance(message, AssistantMessage)]
        return {call.id: call for answer in answers for call in answer.tool_calls or ()}

    def _begin_call(self, start: ToolCallStartEvent) -> None:
        answer = self._answer(start.parent_message_id or start.tool_call_id)
        call = ToolCall(id=start.tool_call_id, function=FunctionCall(name=start.tool_call_name, arguments=""))
        answer.tool_calls = [*(answer.tool_calls or ()), call]

    def _end_call(self, result: ToolCallResultEvent) -> None:
        """Put the result after those that the calls of its answer have already: models insist on that."""
        answers = [number for number, message in enumerate(self._messages) if _calls(message, result.tool_call_id)]
        place = answers[0] + 1 if answers else len(self._messages)
        while place < len(self._messages) and isinstance(self._messages[place], ToolMessage):
            place += 1
        message = ToolMessage(
            id=result.message_id, content=result.content, tool_call_id=result.tool_call_id, metadata=result.metadata
        )
        self._messages.insert(place, message)

    def _void(self, id: str) -> None:
        """Take the text of a message back; what it called stays called."""
        answer = self._answer(id)
        answer.content = None
        if not answer.tool_calls:
            self._messages.remove(answer)


def _calls(message: Message, call_id: str) -> bool:
    return isinstance(message, AssistantMessage) and any(call.id == call_id for call in message.tool_calls or ())


def summed_up(log: Log, begin: Standing, seq: int) -> tuple[Sequence[Message], Standing]:
    """Sum up what a log tells until `seq`: the messages, and where their reader then stands."""
    telling, messages = Telling(begin), Messages()
    telling.tell_all(_until(log, seq))
    for told in telling.told:
        messages.add(told)
    return list(messages), telling.standing


def _until(log: Log, seq: int) -> Iterator[Item]:
    """Read the log until `seq`. Where that has left it, what the tools gave until then is all that is known."""
    for item in log.follow().read():
        if item.seq <= seq:
            yield item
        elif isinstance(item, Snapshot):
            yield Snapshot(seq, item.step, "", tuple(tool for tool in item.tools if tool.seq <= seq))


def said(messages: Sequence[Message]) -> bytes:
    """Write messages as one line of JSON."""
    try:
        return SAID.dump_json(list(messages), by_alias=True)
    except (UnicodeEncodeError, PydanticSerializationError):  # a lone surrogate has no UTF-8 form, but a JSON escape
        return json.dumps(SAID.dump_python(list(messages), by_alias=True), separators=(",", ":")).encode()
