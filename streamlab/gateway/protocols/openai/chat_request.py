"""What may be asked of `POST /chat/completions`."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from streamlab.completions.prompt import MESSAGES, TOOLS, Prompt
from streamlab.gateway.functions import Function, check_names
from streamlab.gateway.mistakes import unsupported
from streamlab.gateway.protocols.openai.errors import FieldRefusal
from streamlab.gateway.protocols.openai.fields import (
    Choice,
    Effort,
    LogitBias,
    Metadata,
    Probability,
    ResponseFormat,
    Seed,
    ServiceTier,
    Stop,
    StreamOptions,
    Tokens,
    Verbosity,
    chosen,
)
from streamlab.gateway.protocols.openai.messages import CalledFunction, Sent, UserContent, call, check_messages, joined

GIVEN_ON = (
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "top_p",
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "logit_bias",
    "response_format",
    "reasoning_effort",
    "verbosity",
)
"""Fields that the model's server is to judge."""


def refused_unless(sentence: str, *allowed: object) -> BeforeValidator:
    """Refuse every value but those that ask for nothing."""

    def check(value: object) -> object:
        if value is not None and not any(type(value) is type(each) and value == each for each in allowed):
            raise unsupported(sentence)
        return None

    return BeforeValidator(check)


Refused = Annotated[None, refused_unless("this server does not offer it", False, 0, [], {})]


class Tool(Sent):
    type: Literal["function"]
    function: Function

    @property
    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


def _distinct(tools: list[Tool]) -> list[Tool]:
    check_names([tool.function.name for tool in tools])
    return tools


class NamedFunction(Sent):
    name: str


class NamedTool(Sent):
    type: Literal["function"]
    function: NamedFunction


class Call(Sent):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Message(Sent):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: UserContent | None = None
    tool_calls: list[Call] | None = None
    tool_call_id: str | None = None
    function_call: Annotated[None, refused_unless("send tool_calls instead")] = None
    audio: Annotated[None, refused_unless("no model here takes audio")] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and self.role != "assistant":
            raise ValueError(f"a message of the role {self.role} must have a content")
        if self.role != "user" and isinstance(self.content, list):
            raise ValueError("only a message of the user may show an image")
        return self

    @property
    def read(self) -> Iterator[BaseMessage]:
        content = self.content or ""
        match self.role:
            case "system" | "developer":
                yield SystemMessage(content)
            case "user":
                yield HumanMessage(content)
            case "tool":
                yield ToolMessage(content, tool_call_id=self.tool_call_id or "")
            case "assistant":
                yield AIMessage(content)
                for each in self.tool_calls or ():
                    yield call(each.function.name, each.function.arguments, each.id)


class ChatCompletion(Sent):
    """A request; what it has besides is ignored. `agent` and `background` are this server's own fields."""

    messages: list[Message] = Field(min_length=1, max_length=MESSAGES)
    model: str | None = Field(None, max_length=10_000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    tools: Annotated[list[Tool], Field(max_length=TOOLS), AfterValidator(_distinct)] | None = None
    tool_choice: Annotated[Choice | NamedTool, chosen] | None = None
    parallel_tool_calls: bool | None = None
    agent: bool | None = None
    background: bool | None = None

    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    stop: Stop = None
    top_p: Probability | None = None
    seed: Seed | None = None
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    logit_bias: LogitBias | None = None
    response_format: ResponseFormat | None = None
    reasoning_effort: Effort = None
    verbosity: Verbosity | None = None

    metadata: Metadata | None = None
    store: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    service_tier: ServiceTier | None = None

    n: Annotated[None, refused_unless("must be 1, for one answer is given at a time", 1)] = None
    logprobs: Refused = None
    top_logprobs: Refused = None
    audio: Refused = None
    modalities: Annotated[None, refused_unless("answers are text", [], ["text"])] = None
    functions: Annotated[None, refused_unless("send tools instead", [])] = None
    function_call: Annotated[None, refused_unless("send tool_choice instead", "none", "auto")] = None
    web_search_options: Annotated[None, refused_unless("this server does not offer it")] = None
    moderation: Refused = None

    @property
    def prompt(self) -> Prompt:
        """Read what is asked. Raises FieldRefusal."""
        messages = joined(each for message in self.messages for each in message.read)
        check_messages(messages, "messages")
        self._check()
        tools = tuple(tool.given for tool in self.tools or ())
        parameters = self.model_dump(include=set(GIVEN_ON), exclude_none=True, by_alias=True) | self._choice
        asked = chat_prompt(messages, self.model, self.temperature, tools, parameters, bool(self.agent))
        return replace(asked, detached=bool(self.background))

    def _check(self) -> None:
        """Raise FieldRefusal for fields that do not go together."""
        if self.stream_options is not None and not self.stream:
            raise FieldRefusal("stream_options", "stream_options may be sent only together with stream.")
        if None not in (both := (self.max_tokens, self.max_completion_tokens)) and len(set(both)) > 1:
            raise FieldRefusal("max_tokens", "max_tokens must be the same as max_completion_tokens, or left out.")

    @property
    def _choice(self) -> dict[str, Any]:
        choice = self.tool_choice
        return tool_parameters(
            choice.model_dump() if isinstance(choice, NamedTool) else choice,
            [tool.function.name for tool in self.tools or ()],
            self.parallel_tool_calls,
        )


def tool_parameters(choice: str | dict[str, Any] | None, offered: list[str], parallel: bool | None) -> dict[str, Any]:
    """Make the fields that say how the tools are used, of a choice as chat completions have it. Raises FieldRefusal."""
    named = choice["function"]["name"] if isinstance(choice, dict) else None
    if (named and named not in offered) or (choice == "required" and not offered):
        raise FieldRefusal("tool_choice", "tool_choice must be of a tool that is among the tools.")
    given = {"tool_choice": choice, "parallel_tool_calls": parallel}
    return {name: value for name, value in given.items() if value is not None} if offered else {}


def chat_prompt(
    messages: list[BaseMessage],
    model: str | None,
    temperature: float | None,
    tools: tuple[dict[str, Any], ...],
    parameters: dict[str, Any],
    agent: bool,
    fields: Mapping[str, str] | None = None,
) -> Prompt:
    """Make the prompt of either API; `fields` are where its parameters stand, if not at the top.

    Raises FieldRefusal for what the agent cannot honour.
    """
    if agent and tools:
        raise FieldRefusal("agent", "With agent the server's tools are used, and none may be sent.")
    if agent and parameters:
        name = next(iter(parameters))
        field = (fields or {}).get(name, name)
        raise FieldRefusal(field, f"The server's agent does not take {field}.", "unsupported_parameter")
    return Prompt(tuple(messages), model or "", temperature, agent, tools, parameters, "before_text")
