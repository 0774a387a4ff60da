"""The part of a chat-completions request that the demo model reads."""

from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from streamlab.demo_model.errors import ApiError, describe


class Message(BaseModel):
    role: str
    content: str | list[dict[str, Any]] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(str(block["text"]) for block in self.content if block.get("type") == "text")
        return self.content or ""


class StreamOptions(BaseModel):
    include_usage: bool | None = None


class ChatRequest(BaseModel):
    """Fields that are not named here, tools among them, are accepted and have no effect."""

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
    demo: dict[str, Any] = {}

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def stops(self) -> list[str]:
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    def texts(self, *roles: str) -> list[str]:
        """What the messages of these roles say, oldest first."""
        return [message.text for message in self.messages if message.role in roles]


def read_request(body: bytes) -> ChatRequest:
    """Raises ApiError 400."""
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise ApiError(400, f"The request is not valid: {describe(error)}.") from error
