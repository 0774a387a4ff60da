"""What the AI SDK's chat sends: the whole conversation as messages of parts, and what the page adds to it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic.alias_generators import to_camel

from streamlab.completions.prompt import MESSAGES, Prompt
from streamlab.gateway.attachments import content_of, file_at, part_of
from streamlab.gateway.errors import Refusal
from streamlab.gateway.mistakes import check_depth, invalid
from streamlab.text.surrogates import whole

GAVE = {"output-available": "success", "output-error": "error"}
IGNORED = ("reasoning", "reasoning-file", "source-url", "source-document", "custom")
"""Parts that are for the reader and not for the model. So is an app's own data."""


class _Sent(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", alias_generator=to_camel)


class _Part(_Sent):
    type: str


class TextPart(_Part):
    text: str


class ToolPart(_Part):
    """A call of a tool, and what it gave if it has."""

    tool_call_id: str
    tool_name: str | None = None
    state: str
    input: Any = None
    output: Any = None
    error_text: str | None = None

    @field_validator("input", "output")
    @classmethod
    def _writable(cls, value: Any) -> Any:
        """Take a value as UTF-8 has it. Half a character in it would have no way to the model."""
        return json.loads(json.dumps(check_depth(value), ensure_ascii=False).encode("utf-8", "replace"))

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.name:
            raise ValueError("must name its tool, by toolName or after `tool-` in its type")
        return self

    @property
    def name(self) -> str:
        return self.tool_name or ("" if self.type == "dynamic-tool" else self.type.removeprefix("tool-"))

    @property
    def arguments(self) -> dict[str, Any]:
        return self.input if isinstance(self.input, dict) else {"input": self.input}

    @property
    def result(self) -> str:
        given = self.output if self.state == "output-available" else self.error_text
        return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


class StepPart(_Part):
    """The beginning of a step."""


class RetryPart(_Part):
    """Says that what stands before it in its step is void."""


class OtherPart(_Part):
    """What is not for the model."""


class FilePart(_Part):
    """A file, which the address itself holds."""

    url: str
    media_type: str = ""
    filename: str | None = None

    @field_validator("url")
    @classmethod
    def _held(cls, url: str) -> str:
        if not url.startswith("data:"):
            raise ValueError("must be a data: URL in base64, for this server fetches nothing from elsewhere")
        return url

    @property
    def told(self) -> str | dict[str, Any]:
        """Return it as a part of a message. Raises Refusal."""
        try:
            return part_of(file_at(self.url, self.filename or "", self.media_type))
        except ValueError as error:
            raise _invalid(f"A file of the messages: {error}.") from None


def _kind(part: Any) -> str | None:
    """Name the kind of a part by its type; None for one that is not known."""
    name = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
    match name:
        case "text":
            return "text"
        case "step-start":
            return "step"
        case "data-retry":
            return "retry"
        case "file":
            return "file"
        case str() if name == "dynamic-tool" or name.startswith("tool-"):
            return "tool"
        case str() if name in IGNORED or name.startswith("data-"):
            return "other"
    return None


Part = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ToolPart, Tag("tool")]
    | Annotated[StepPart, Tag("step")]
    | Annotated[RetryPart, Tag("retry")]
    | Annotated[FilePart, Tag("file")]
    | Annotated[OtherPart, Tag("other")],
    Discriminator(
        _kind,
        custom_error_type="unknown_part",
        custom_error_message="must be an object of a type that is known here, such as text",
    ),
]


class UIMessage(_Sent):
    id: Any = None
    role: Literal["system", "user", "assistant"]
    parts: list[Part] = Field(max_length=10_000)

    @property
    def text(self) -> str:
        return "\n\n".join(part.text for part in self.parts if isinstance(part, TextPart) and part.text)

    @property
    def shown(self) -> str | list[str | dict[str, Any]]:
        """The text with the files, as LangChain has it, "" for nothing. Raises Refusal."""
        parts = [
            part.text if isinstance(part, TextPart) else part.told
            for part in self.parts
            if isinstance(part, FilePart) or (isinstance(part, TextPart) and part.text)
        ]
        return content_of(parts, "\n\n")


class SentChat(_Sent):
    """What `useChat` sends, with what the page put into its body. What else is there is for other servers."""

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, sent: object) -> object:
        try:
            return whole(sent) if isinstance(sent, dict) else sent
        except RecursionError:  # what was read as JSON may be too deep to be written as such
            raise invalid("must be nested less deeply") from None

    id: str = Field(min_length=1, max_length=500)
    messages: list[UIMessage] = Field(min_length=1, max_length=MESSAGES)
    trigger: Literal["submit-message", "regenerate-message"] | None = None
    model: str | None = Field(None, max_length=500)
    system: str | None = Field(None, description="instructions, as assistant-ui sends them")
    agent: bool | None = None
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)

    @property
    def question(self) -> UIMessage:
        """The message that is answered."""
        return self._to_answer[-1]

    def prompt(self) -> Prompt:
        """Tell the model what was said. Raises Refusal where there is no question to answer."""
        messages = self._to_answer
        if messages[-1].role != "user":
            raise _invalid("The last message must be the user's: send one, or have the answer written anew.")
        if not messages[-1].text.strip() and not any(isinstance(part, FilePart) for part in messages[-1].parts):
            raise _invalid("The question is empty.")
        agent = bool(self.agent)
        instructions = [SystemMessage(self.system)] if self.system else []
        told = (*instructions, *(each for message in messages for each in _told(message, agent)))
        return Prompt(told, self.model or "", self.temperature, agent)

    @property
    def _to_answer(self) -> list[UIMessage]:
        """The messages up to the question. A page that wants an answer anew leaves the old one out, or says so."""
        end = len(self.messages)
        if self.trigger == "regenerate-message":
            while end > 1 and self.messages[end - 1].role == "assistant":
                end -= 1
        return self.messages[:end]


@dataclass
class _Step:
    """What the model wrote in a step, and its calls that gave something."""

    texts: list[str] = field(default_factory=list)
    calls: list[ToolPart] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.texts and not self.calls


def _told(message: UIMessage, agent: bool) -> Sequence[BaseMessage]:
    match message.role:
        case "system":
            return [SystemMessage(message.text)] if message.text else []
        case "user":
            shown = message.shown
            return [HumanMessage(shown)] if shown else []
        case "assistant":
            steps = [step for step in _steps(message.parts) if not step.empty]
            return list(_as_calls(steps)) if agent else _as_text(steps)


def _steps(parts: Sequence[Part]) -> Iterator[_Step]:
    step = _Step()
    for part in parts:
        if isinstance(part, StepPart) or (isinstance(part, TextPart) and step.calls):
            yield step
            step = _Step()
        if isinstance(part, TextPart) and part.text:
            step.texts.append(part.text)
        elif isinstance(part, ToolPart) and part.state in GAVE:  # no model is told of a call without its result
            step.calls.append(part)
        elif isinstance(part, RetryPart):
            step.texts.clear()
    yield step


def _as_calls(steps: Sequence[_Step]) -> Iterator[BaseMessage]:
    """Tell a model that has tools of its calls as they were."""
    for step in steps:
        calls = [
            {"type": "tool_call", "id": call.tool_call_id, "name": call.name, "args": call.arguments}
            for call in step.calls
        ]
        yield AIMessage("".join(step.texts), tool_calls=calls)
        for call in step.calls:
            yield ToolMessage(call.result, tool_call_id=call.tool_call_id, name=call.name, status=GAVE[call.state])


def _as_text(steps: Sequence[_Step]) -> Sequence[BaseMessage]:
    """Tell a model that has no tools in words: some providers refuse calls where no tool is offered."""
    paragraphs: list[str] = []
    for step in steps:
        paragraphs += ["".join(step.texts)] if step.texts else []
        for call in step.calls:
            arguments = json.dumps(call.input, ensure_ascii=False)
            verb = "gave" if call.state == "output-available" else "failed:"
            paragraphs.append(f"[The tool {call.name}, called with {arguments}, {verb} {call.result}]")
    return [AIMessage("\n\n".join(paragraphs))] if paragraphs else []


def _invalid(said: str) -> Refusal:
    return Refusal(422, "invalid_request", said)
