"""Messages and tools as OpenAI's two APIs have them, read into what a prompt takes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, NoReturn, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage, ToolMessage
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from streamlab.gateway.attachments import content_of, file_at, part_of
from streamlab.gateway.mistakes import Place, invalid, mistakes, unsupported
from streamlab.gateway.protocols.openai.errors import FieldRefusal
from streamlab.text.surrogates import whole

TEXT_PARTS = ("text", "input_text", "output_text", "summary_text")
CODES = {
    "missing": "missing_required_parameter",
    "union_tag_not_found": "missing_required_parameter",
    "unsupported": "unsupported_parameter",
}
"""OpenAI's names of what may be wrong with a field; those of a wrong type and of a wrong value stand for the rest."""


class Sent(BaseModel):
    """A part of a request. As OpenAI, this server takes no text for a number; what there is besides is ignored."""

    model_config = ConfigDict(strict=True)


R = TypeVar("R", bound=BaseModel)
Shown = str | list[str | dict[str, Any]]
"""The content of a message, as LangChain has it."""


def _text_of(content: object) -> str:
    """Read a content, which may be a list of parts, as one text."""
    shown = _shown_in(content)
    if not isinstance(shown, str):
        raise invalid("must be text: only a message of the user may show an image")
    return shown


def _shown_in(content: object) -> Shown:
    """Read a content, which may be a list of parts, as one text, or as blocks where it shows an image."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid("must be a string or a list of parts")
    return content_of([_part(part) for part in content])


def _part(part: object) -> str | dict[str, Any]:
    if not isinstance(part, Mapping) or not isinstance(kind := part.get("type"), str):
        raise invalid("must have parts that are objects with a type")
    try:
        match kind:
            case "image_url":
                image = part.get("image_url")
                return part_of(file_at(image.get("url") if isinstance(image, Mapping) else image))
            case "input_image":
                return part_of(file_at(part.get("image_url")))
            case "file" | "input_file":
                file = part.get("file") if kind == "file" else part
                given = file if isinstance(file, Mapping) else {}
                name = given.get("filename")
                return part_of(file_at(given.get("file_data"), name if isinstance(name, str) else ""))
    except ValueError as error:
        raise invalid(str(error)) from None
    return _part_text(part, kind)


def _part_text(part: Mapping[Any, Any], kind: str) -> str:
    text = part.get("refusal" if kind == "refusal" else "text")
    if kind not in (*TEXT_PARTS, "refusal"):
        raise unsupported(f"no model here takes parts of the type {kind[:40]}, only text, images and files")
    if not isinstance(text, str):
        raise invalid(f"must have a text in each part of the type {kind}")
    return text


Content = Annotated[str, BeforeValidator(_text_of)]
"""A text, or parts that are texts."""
UserContent = Annotated[Shown, BeforeValidator(_shown_in)]
"""The same, and images."""


def parts_told(content: Shown) -> list[dict[str, Any]]:
    """Tell a content again, in parts as responses have them."""
    blocks: Shown = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [_part_told(block) for block in blocks if isinstance(block, dict)]


def _part_told(block: dict[str, Any]) -> dict[str, Any]:
    if block["type"] == "text":
        return {"type": "input_text", "text": block["text"]}
    url = f"data:{block['mime_type']};base64,{block['base64']}"
    return {"type": "input_image", "image_url": url, "detail": "auto"}


class CalledFunction(Sent):
    """A function that a model called, by whatever name it did."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    arguments: str


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


def check_messages(messages: Sequence[BaseMessage], field: str) -> None:
    """Check that there is something to answer, that results stand after the calls that they are of, and that no call
    is without. Raises FieldRefusal.
    """
    if all(isinstance(message, SystemMessage) for message in messages):
        raise FieldRefusal(field, f"{field} must have a message to answer.")
    waiting: set[str | None] = set()
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id not in waiting:
                raise FieldRefusal(field, f"{field} must have each tool's result after the message that calls it.")
            waiting.discard(message.tool_call_id)
        elif waiting:
            break
        else:
            waiting = set(_calls(message)) if isinstance(message, AIMessage) else set()
    if waiting:
        raise FieldRefusal(field, f"{field} must have a result for each tool call of the assistant.")


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
        raise _problem(error, sent) from None


def _not_json(name: str) -> NoReturn:
    raise ValueError(name)


def _problem(error: ValidationError, sent: object) -> FieldRefusal:
    first = mistakes(error.errors(include_url=False, include_input=False), sent)[0]
    place = _param(first.place)
    code = CODES.get(first.type) or ("invalid_type" if first.type.endswith("_type") else "invalid_value")
    return FieldRefusal(place or None, f"{first.sentence(place)}.", code)


def _param(place: Place) -> str:
    """Write a place as OpenAI does."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
