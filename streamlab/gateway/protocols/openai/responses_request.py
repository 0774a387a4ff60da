"""What may be asked of `POST /responses`."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from streamlab.completions.prompt import MESSAGES, TOOLS, Prompt
from streamlab.gateway.functions import Function, FunctionName, Schema, check_names
from streamlab.gateway.mistakes import invalid
from streamlab.gateway.protocols.openai.chat_request import (
    Refused,
    chat_prompt,
    refused_unless,
    tool_parameters,
)
from streamlab.gateway.protocols.openai.errors import FieldRefusal
from streamlab.gateway.protocols.openai.fields import (
    Choice,
    Effort,
    Includable,
    Metadata,
    PlainFormat,
    Probability,
    ServiceTier,
    StreamOptions,
    Summary,
    Tokens,
    Verbosity,
    chosen,
)
from streamlab.gateway.protocols.openai.messages import (
    CalledFunction,
    Content,
    Sent,
    UserContent,
    call,
    check_messages,
    joined,
    parts_told,
)
from streamlab.models.options import DEFAULT_TEMPERATURE

LOGPROBS = "message.output_text.logprobs"
FIELDS = {
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text",
    "verbosity": "text",
    "reasoning_effort": "reasoning",
}
"""Where chat completions' fields stand here."""


class InputMessage(Sent):
    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: UserContent

    @model_validator(mode="after")
    def _shown_by_the_user(self) -> Self:
        if self.role != "user" and isinstance(self.content, list):
            raise ValueError("only a message of the user may show an image")
        return self

    @property
    def read(self) -> Iterator[BaseMessage]:
        match self.role:
            case "system" | "developer":
                yield SystemMessage(self.content)
            case "user":
                yield HumanMessage(self.content)
            case "assistant":
                yield AIMessage(self.content)

    @property
    def told(self) -> dict[str, Any]:
        parts = parts_told(self.content)
        if self.role == "assistant":
            parts = [{"type": "output_text", "text": self.content, "annotations": []}]
        return {"type": "message", "role": self.role, "content": parts}


class InputCall(CalledFunction):
    type: Literal["function_call"]
    call_id: str

    @property
    def read(self) -> Iterator[BaseMessage]:
        yield call(self.name, self.arguments, self.call_id)

    @property
    def told(self) -> dict[str, Any]:
        return self.model_dump()


class InputResult(Sent):
    type: Literal["function_call_output"]
    call_id: str
    output: Content

    @property
    def read(self) -> Iterator[BaseMessage]:
        yield ToolMessage(self.output, tool_call_id=self.call_id)

    @property
    def told(self) -> dict[str, Any]:
        return self.model_dump()


class InputReasoning(Sent):
    """What a model thought before, which no model here is told."""

    type: Literal["reasoning"]

    @property
    def read(self) -> Iterator[BaseMessage]:
        return iter(())

    @property
    def told(self) -> dict[str, Any]:
        return {"type": "reasoning", "summary": []}


TAGS = ("message", "function_call", "function_call_output", "reasoning")


def _tag(item: object) -> str | None:
    """Name the kind of an item, by a name that no field has."""
    kind = item.get("type") or "message" if isinstance(item, dict) else getattr(item, "type", None)
    return f"#{kind}"


InputItem = Annotated[
    Annotated[InputMessage, Tag("#message")]
    | Annotated[InputCall, Tag("#function_call")]
    | Annotated[InputResult, Tag("#function_call_output")]
    | Annotated[InputReasoning, Tag("#reasoning")],
    Discriminator(
        _tag,
        custom_error_type="unsupported",
        custom_error_message=f"must be an object of one of the types {', '.join(TAGS)}",
    ),
]


def _as_items(sent: object) -> object:
    """Read an input that is a text as the one message of it."""
    if isinstance(sent, str):
        return [{"role": "user", "content": sent}]
    if not isinstance(sent, list):
        raise invalid("must be a string or a list of items")
    return sent


class OfTypeFunction(Sent):
    type: Literal["function"]


class FunctionTool(Function, OfTypeFunction):  # in this order, so that the type is looked at first
    @property
    def given(self) -> dict[str, Any]:
        return {"type": "function", "function": self.model_dump(exclude={"type"}, exclude_none=True)}


def _distinct(tools: list[FunctionTool]) -> list[FunctionTool]:
    check_names([tool.name for tool in tools])
    return tools


class ChosenTool(OfTypeFunction):
    name: str


class NamedSchema(Sent):
    """A format that chat completions have in two parts."""

    type: Literal["json_schema"]
    name: FunctionName
    description: str | None = None
    json_schema: Schema = Field(alias="schema")
    strict: bool | None = None


class TextOptions(Sent):
    format: Annotated[PlainFormat | NamedSchema, Discriminator("type")] | None = None
    verbosity: Verbosity | None = None

    @property
    def given(self) -> dict[str, Any] | None:
        """Return the format as chat completions have it, None for plain text."""
        if isinstance(self.format, NamedSchema):
            schema = self.format.model_dump(by_alias=True, exclude_none=True, exclude={"type"})
            return {"type": "json_schema", "json_schema": schema}
        return {"type": self.format.type} if self.format and self.format.type != "text" else None


class Reasoning(Sent):
    effort: Effort = None
    summary: Summary | None = None


class AskedResponse(Sent):
    """A request; what it has besides is ignored. `agent` is this server's own field."""

    input: Annotated[list[InputItem], Field(max_length=MESSAGES), BeforeValidator(_as_items)]
    model: str | None = Field(None, max_length=10_000)
    instructions: str | None = None
    previous_response_id: str | None = Field(None, max_length=200)
    stream: bool | None = None
    background: bool | None = None
    store: bool | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: Probability | None = None
    max_output_tokens: Tokens | None = None
    tools: Annotated[list[FunctionTool], Field(max_length=TOOLS), AfterValidator(_distinct)] | None = None
    tool_choice: Annotated[Choice | ChosenTool, chosen] | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    reasoning: Reasoning | None = None
    metadata: Metadata | None = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: ServiceTier | None = None
    stream_options: StreamOptions | None = None
    agent: bool | None = None

    include: list[Includable] | None = None
    top_logprobs: Refused = None
    conversation: Annotated[None, refused_unless("go on by previous_response_id")] = None
    prompt: Annotated[None, refused_unless("this server keeps no prompts")] = None
    moderation: Refused = None

    @property
    def kept(self) -> bool:
        return self.store is not False

    def check(self) -> None:
        """Raise FieldRefusal for fields that do not go together."""
        if self.background and not self.kept:
            raise FieldRefusal("background", "With background the response must be stored.")
        if self.stream_options is not None and not self.stream:
            raise FieldRefusal("stream_options", "stream_options may be sent only together with stream.")
        if LOGPROBS in (self.include or ()):
            sentence = "include may not ask for log probabilities, which this server does not have."
            raise FieldRefusal("include", sentence, "unsupported_parameter")

    def items(self) -> list[dict[str, Any]]:
        """Return the items of the input as they are told, each with an id."""
        return [item.told | {"id": f"item_{secrets.token_hex(12)}", "status": "completed"} for item in self.input]

    def asked(self, before: Sequence[BaseMessage]) -> Prompt:
        """Read what is asked after the messages `before`. Raises FieldRefusal."""
        system = [SystemMessage(self.instructions)] if self.instructions else []
        messages = joined([*system, *before, *messages_of(self.input)])
        check_messages(messages, "input")
        tools = tuple(tool.given for tool in self.tools or ())
        agent = bool(self.agent)
        asked = chat_prompt(messages, self.model, self.temperature, tools, self._parameters, agent, FIELDS)
        return replace(asked, detached=bool(self.background))

    @property
    def _parameters(self) -> dict[str, Any]:
        text, reasoning = self.text or TextOptions(), self.reasoning or Reasoning()
        choice = self.tool_choice
        chosen = {"type": "function", "function": {"name": choice.name}} if isinstance(choice, ChosenTool) else choice
        given = {
            "max_completion_tokens": self.max_output_tokens,
            "top_p": self.top_p,
            "response_format": text.given,
            "verbosity": text.verbosity,
            "reasoning_effort": reasoning.effort,
        }
        offered = [tool.name for tool in self.tools or ()]
        chosen_tools = tool_parameters(chosen, offered, self.parallel_tool_calls)
        return {name: value for name, value in given.items() if value is not None} | chosen_tools

    def told(self, run_id: str, model: str, created: int) -> dict[str, Any]:
        """Return the members of the response's object that stay the same."""
        choice = self.tool_choice
        text = self.text or TextOptions()
        told_format = text.format.model_dump(by_alias=True, exclude_none=True) if text.format else {"type": "text"}
        return {
            "id": f"resp_{run_id}",
            "object": "response",
            "created_at": created,
            "model": model,
            "instructions": self.instructions,
            "previous_response_id": self.previous_response_id,
            "background": bool(self.background),
            "store": self.kept,
            "temperature": DEFAULT_TEMPERATURE if self.temperature is None else self.temperature,
            "top_p": 1.0 if self.top_p is None else self.top_p,
            "max_output_tokens": self.max_output_tokens,
            "max_tool_calls": None,
            "tools": [tool.model_dump() for tool in self.tools or ()],
            "tool_choice": choice.model_dump() if isinstance(choice, ChosenTool) else choice or "auto",
            "parallel_tool_calls": self.parallel_tool_calls is not False,
            "text": {"format": told_format} | ({"verbosity": text.verbosity} if text.verbosity else {}),
            "reasoning": (self.reasoning or Reasoning()).model_dump(),
            "truncation": self.truncation or "disabled",
            "metadata": self.metadata or {},
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
            "top_logprobs": 0,
            "service_tier": "default",
            "user": self.user,
            "safety_identifier": self.safety_identifier,
            "prompt_cache_key": self.prompt_cache_key,
        }


def messages_of(items: Iterable[InputItem]) -> list[BaseMessage]:
    return [message for item in items for message in item.read]
