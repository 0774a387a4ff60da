"""What a front end sends to have an answer, read into what a prompt takes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NoReturn

from ag_ui.core import (
    AssistantMessage,
    ContentPart,
    DataSource,
    DeveloperMessage,
    DocumentPart,
    ImagePart,
    Message,
    RunAgentInput,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, InvalidToolCall
from langchain_core.messages import SystemMessage as Instructions
from langchain_core.messages import ToolCall as Call
from langchain_core.messages import ToolMessage as Result
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from streamlab.completions.prompt import MESSAGES, TOOLS, Prompt
from streamlab.gateway.attachments import content_of, file_at, part_of
from streamlab.gateway.errors import Refusal
from streamlab.gateway.functions import Function, check_names
from streamlab.gateway.mistakes import mistakes, sentence_of
from streamlab.gateway.protocols.ag_ui.conversation import Conversation
from streamlab.gateway.protocols.ag_ui.messages import said
from streamlab.text.surrogates import whole

ID_CHARACTERS = 1_000
NOTHING = {"type": "object", "properties": {}}  # that a function is called with
UNANSWERED = "There is no result."
HINT = "See https://docs.ag-ui.com for what a RunAgentInput is."


class Wanted(BaseModel):
    """What `forwardedProps` say of the answer; applications put other things there, too."""

    model_config = ConfigDict(strict=True, extra="ignore")

    model: str | None = Field(None, max_length=500)
    agent: bool | None = None
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)


def _distinct(functions: list[Function]) -> list[Function]:
    check_names([function.name for function in functions])
    return functions


def _mapped(given: object) -> object:
    return given if isinstance(given, Mapping) else {}


class Given(BaseModel):
    """What is for the model, of which the protocol says less than a model wants."""

    tools: Annotated[list[Function], AfterValidator(_distinct)] | None = None
    forwarded_props: Annotated[Wanted, BeforeValidator(_mapped)] = Field(alias="forwardedProps")

    @property
    def functions(self) -> Iterator[dict[str, Any]]:
        """Give the functions as OpenAI has them."""
        for tool in self.tools or ():
            function = tool.model_dump(include={"name", "description"})
            function["parameters"] = NOTHING if tool.parameters is None else tool.parameters
            yield {"type": "function", "function": function}


class Asked:
    """A run that is asked for. Raises Refusal with what is wrong, without what was sent."""

    def __init__(self, body: bytes) -> None:
        sent: Any = None
        try:
            sent = json.loads(body, parse_constant=_not_json)
            _check_counts(sent)
            self._input = RunAgentInput.model_validate(sent)
            self.conversation = self._conversation()
            if b"\\u" in body:
                self._input = RunAgentInput.model_validate(whole(sent))
            sent = self._given
            given = Given.model_validate(sent)
        except ValidationError as error:
            found = mistakes(error.errors(include_url=False, include_input=False), sent)
            raise Refusal(422, "invalid_request", sentence_of(found), HINT) from None
        except RecursionError:
            raise _invalid("", "The body is nested too deeply.") from None
        except ValueError:  # also of bytes that are no UTF-8
            raise _invalid("", "The body is not JSON.") from None
        self._check()
        wanted = given.forwarded_props
        self.prompt = Prompt(
            tuple(self._messages()),
            wanted.model or "",
            wanted.temperature,
            bool(wanted.agent),
            tuple(given.functions),
            request=body,
        )

    @property
    def _given(self) -> dict[str, Any]:
        asked = self._input
        tools = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in asked.tools or ()
        ]
        return {"tools": tools, "forwardedProps": asked.forwarded_props}

    def _conversation(self) -> Conversation:
        asked = self._input
        calls = [call.id for message in asked.messages for call in _calls(message)]
        messages = said(asked.messages).decode()
        version = asked.protocol_version or ""
        return Conversation(asked.thread_id, asked.run_id, messages, tuple(calls), bool(asked.tools), version)

    def _check(self) -> None:
        asked = self._input
        for name, id in (("threadId", asked.thread_id), ("runId", asked.run_id)):
            if not 0 < len(id) <= ID_CHARACTERS:
                raise _invalid(name, f"It must have 1 to {ID_CHARACTERS:,} characters.")
        if asked.resume:
            raise _invalid("resume", "No run of this server has interrupts to be answered.")
        spoken = [
            message for message in asked.messages if isinstance(message, UserMessage | AssistantMessage | ToolMessage)
        ]
        if not spoken or isinstance(spoken[-1], AssistantMessage):
            raise _invalid("messages", "The last one must be the user's or a tool's.")

    def _messages(self) -> Iterator[BaseMessage]:
        """Give the messages as models take them: each call with its result, and none without."""
        results = self._results()
        context = "\n\n".join(f"{each.description}:\n{each.value}" for each in self._input.context or ())
        for number, message in enumerate(self._input.messages):
            if isinstance(message, SystemMessage | DeveloperMessage):
                yield Instructions(f"{message.content}\n\n{context}" if context else message.content)
            elif context:
                yield Instructions(context)
            context = ""
            if isinstance(message, UserMessage):
                yield HumanMessage(_shown(message.content, number))
            elif isinstance(message, AssistantMessage) and (message.content or message.tool_calls):
                yield _answer(message)
                yield from (
                    results.get(call.id) or Result(UNANSWERED, tool_call_id=call.id) for call in _calls(message)
                )

    def _results(self) -> dict[str, Result]:
        found: dict[str, Result] = {}
        for number, message in enumerate(self._input.messages):
            if isinstance(message, ToolMessage):
                told = "\n".join(filter(None, (_text(message.content, number), message.error)))
                status = "error" if message.error else "success"
                found[message.tool_call_id] = Result(told, tool_call_id=message.tool_call_id, status=status)
        return found


def _calls(message: Message) -> Sequence[ToolCall]:
    return (message.tool_calls or ()) if isinstance(message, AssistantMessage) else ()


def _text(content: str | list[ContentPart], number: int) -> str:
    if isinstance(content, str):
        return content
    for part in content:
        if not isinstance(part, TextPart):
            raise _invalid(f"messages.{number}.content", f"No model here takes parts of the type {part.type}.")
    return "\n".join(part.text for part in content if isinstance(part, TextPart))


def _shown(content: str | list[ContentPart], number: int) -> str | list[str | dict[str, Any]]:
    """Read a content, which may show images and bring texts along."""
    return content if isinstance(content, str) else content_of([_part(part, number) for part in content])


def _part(part: ContentPart, number: int) -> str | dict[str, Any]:
    if not isinstance(part, ImagePart | DocumentPart):
        return _text([part], number)
    place, source = f"messages.{number}.content", part.source
    if not isinstance(source, DataSource):
        raise _invalid(place, "Files must come as data, for this server fetches nothing from elsewhere.")
    named = part.metadata if isinstance(part.metadata, Mapping) else {}
    name = named.get("filename")
    try:
        return part_of(file_at(f"data:{source.mime_type};base64,{source.value}", name if isinstance(name, str) else ""))
    except ValueError as error:
        raise _invalid(place, f"{str(error)[0].upper()}{str(error)[1:]}.") from None


def _answer(message: AssistantMessage) -> AIMessage:
    """Tell what the model said and called; arguments that are no JSON object stay as it wrote them."""
    good: list[Call] = []
    bad: list[InvalidToolCall] = []
    for call in _calls(message):
        name, arguments = call.function.name, call.function.arguments
        try:
            read = json.loads(arguments)
        except (ValueError, RecursionError):
            read = None
        if isinstance(read, dict):
            good.append(Call(name=name, args=read, id=call.id, type="tool_call"))
        else:
            bad.append(InvalidToolCall(name=name, args=arguments, id=call.id, error=None, type="invalid_tool_call"))
    return AIMessage(message.content or "", tool_calls=good, invalid_tool_calls=bad)


def _check_counts(sent: object) -> None:
    """Refuse what is more than may be, before each of it is looked at. Raises Refusal."""
    if not isinstance(sent, dict):
        return
    messages = sent.get("messages")
    parts = (value for each in _listed(messages) if isinstance(each, dict) for value in each.values())
    for name, many, most in (
        ("messages", messages, MESSAGES),
        ("tools", sent.get("tools"), TOOLS),
        ("context", sent.get("context"), MESSAGES),
        *(("messages", each, MESSAGES) for each in parts),
    ):
        if len(_listed(many)) > most:
            raise _invalid(name, f"More than {most:,} were sent.")


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _invalid(place: str, sentence: str) -> Refusal:
    message = f"{place}: {sentence}" if place else sentence
    return Refusal(422, "invalid_request", message, HINT)
