"""Messages and tools as OpenAI's two APIs have them, read into what a prompt takes."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, NoReturn, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from pydantic import BaseModel, BeforeValidator, Field, ValidationError
from pydantic_core import PydanticCustomError, from_json

from streamlab.gateway.protocols.openai.errors import FieldRefusal
from streamlab.text.surrogates import whole

TEXT_PARTS = ("text", "input_text", "output_text", "summary_text")
PLACE = re.compile(r"(?!str$)[a-z_0-9]{1,40}", re.ASCII)
"""The names of fields, and not those that pydantic has for the choices where there are several."""

R = TypeVar("R", bound=BaseModel)


def refuse(sentence: str) -> PydanticCustomError:
    """Make the error of a value that cannot be honoured."""
    return PydanticCustomError("unsupported", "{sentence}", {"sentence": sentence})


def _text_of(content: object) -> object:
    """Read a content, which may be a list of parts, as one text."""
    if not isinstance(content, list):
        return content
    return "\n".join(map(_part_text, content))


def _part_text(part: object) -> str:
    if not isinstance(part, Mapping) or not isinstance(kind := part.get("type"), str):
        raise refuse("each part of a content must be an object with a type")
    text = part.get("refusal" if kind == "refusal" else "text")
    if kind not in (*TEXT_PARTS, "refusal"):
        raise refuse(f"no model here takes parts of the type {kind[:40]}, only text")
    if not isinstance(text, str):
        raise refuse(f"a part of the type {kind} must have a text")
    return text


Content = Annotated[str, BeforeValidator(_text_of)]
"""A text, or parts that are texts."""


FunctionName = Annotated[str, Field(min_length=1, max_length=256)]


class NamedFunction(BaseModel):
    name: FunctionName


def call(name: str, arguments: str, id: str) -> AIMessage:
    """Make a message that calls a function; arguments that are no JSON object stay as they were written."""
    try:
        read = json.loads(arguments)
    except ValueError:
        read = None
    if isinstance(read, dict):
        return AIMessage("", tool_calls=[{"name": name, "args": read, "id": id, "type": "tool_call"}])
    wrong = {"name": name, "args": arguments, "id": id, "error": None, "type": "invalid_tool_call"}
    return AIMessage("", invalid_tool_calls=[wrong])


def joined(messages: Iterable[BaseMessage]) -> list[BaseMessage]:
    """Join what an assistant said and the calls that it made then, which stand side by side, into one message."""
    found: list[BaseMessage] = []
    for message in messages:
        last = found[-1] if found else None
        if isinstance(message, AIMessage) and isinstance(last, AIMessage) and _calls(message):
            found[-1] = AIMessage(
                last.content,
                tool_calls=[*last.tool_calls, *message.tool_calls],
                invalid_tool_calls=[*last.invalid_tool_calls, *message.invalid_tool_calls],
            )
        else:
            found.append(message)
    return found


def check_calls(messages: Sequence[BaseMessage], field: str) -> None:
    """Check that results stand after the calls that they are of, and that no call is without. Raises FieldRefusal."""
    waiting: set[str | None] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in waiting:
                raise FieldRefusal(field, "A tool's result must follow the assistant's message that called the tool.")
            waiting.discard(message.tool_call_id)
        elif waiting:
            break
        else:
            waiting = set(_calls(message)) if isinstance(message, AIMessage) else set()
    if waiting:
        raise FieldRefusal(field, "A tool call of the assistant is without a result.")


def _calls(message: AIMessage) -> list[str | None]:
    return [each["id"] for each in (*message.tool_calls, *message.invalid_tool_calls)]


def read(kind: type[R], body: bytes) -> R:
    """Read a request. Raises FieldRefusal with the first thing that is wrong, without what was sent."""
    try:
        halves = b"\\u" in body  # which `from_json` takes for no JSON
        sent = whole(json.loads(body, parse_constant=_not_json)) if halves else from_json(body, allow_inf_nan=False)
    except (ValueError, RecursionError):
        raise FieldRefusal(None, "The body is not JSON.", "invalid_json") from None
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        raise _problem(error) from None


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _problem(error: ValidationError) -> FieldRefusal:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"] if _is_place(part))
    place = place.removeprefix(".")
    sentence = str(first["msg"]).removeprefix("Value error, ").encode(errors="replace").decode()
    code = {"missing": "missing_required_parameter", "unsupported": "unsupported_parameter"}.get(first["type"])
    return FieldRefusal(place or None, f"{place}: {sentence}." if place else f"{sentence}.", code or "invalid_value")


def _is_place(part: int | str) -> bool:
    return isinstance(part, int) or PLACE.fullmatch(part) is not None
