"""The part of a chat-completions request that the demo model reads."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from streamlab.demo_model.attached import Attached, attached_to, without_files
from streamlab.demo_model.errors import ApiError, describe


class CalledFunction(BaseModel):
    name: str
    arguments: str


class ToolCall(BaseModel):
    id: str
    function: CalledFunction


class Message(BaseModel):
    role: str
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(str(block["text"]) for block in self.content if block.get("type") == "text")
        return self.content or ""

    @property
    def attached(self) -> list[Attached]:
        """Return what goes with it: images, and the texts that stand in it under their names."""
        return attached_to(self.content if isinstance(self.content, list) else [], self.text)


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class Function(BaseModel):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None

    @property
    def properties(self) -> dict[str, Any]:
        """Return the schemas of the parameters, by name."""
        properties = (self.parameters or {}).get("properties")
        return properties if isinstance(properties, dict) else {}


class Tool(BaseModel):
    """Tools of other types than `function` have no function, and no effect."""

    function: Function | None = None


class NamedTool(BaseModel):
    function: Function


class ChatRequest(BaseModel):
    """Fields that are not named here are accepted and have no effect."""

    model: str = Field(max_length=10_000)
    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    n: Literal[1] | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = None
    response_format: dict[str, Any] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    demo: dict[str, Any] = {}

    @model_validator(mode="after")
    def _calls_have_results(self) -> Self:
        waiting: set[str | None] = set()
        for message in self.messages:
            if message.role == "tool":
                if message.tool_call_id not in waiting:
                    raise ValueError("a message of role tool must answer a call of the assistant's message before it")
                waiting.discard(message.tool_call_id)
            elif waiting:
                break
            else:
                waiting = {call.id for call in message.tool_calls or []}
        if waiting:
            raise ValueError(f"tool calls without a result: {', '.join(sorted(map(str, waiting)))}")
        return self

    @model_validator(mode="after")
    def _named_tool_is_offered(self) -> Self:
        if isinstance(self.tool_choice, NamedTool) and not self.offered:
            raise ValueError(f"tool_choice names {self.tool_choice.function.name}, which is not among the tools")
        return self

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def functions(self) -> dict[str, Function]:
        """Return the functions of the tools, by name."""
        return {tool.function.name: tool.function for tool in self.tools or [] if tool.function}

    @property
    def offered(self) -> dict[str, Function]:
        """Return the functions that may be called, by name."""
        if isinstance(self.tool_choice, NamedTool):
            name = self.tool_choice.function.name
            return {name: self.functions[name]} if name in self.functions else {}
        return {} if self.tool_choice == "none" else self.functions

    @property
    def must_call(self) -> bool:
        return self.tool_choice == "required" or isinstance(self.tool_choice, NamedTool)

    @property
    def attached(self) -> list[Attached]:
        """Return what goes with the last question."""
        last = self.messages[-1]
        return last.attached if last.role == "user" else []

    def texts(self, *roles: str) -> list[str]:
        """Return what the messages of these roles say, oldest first, without the files that stand in them."""
        return [without_files(message.text) for message in self.messages if message.role in roles]


def read_request(body: bytes) -> ChatRequest:
    """Parse a request, or raise ApiError 400."""
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise ApiError(400, f"The request is not valid: {describe(error)}.") from error
