"""Fields that OpenAI's two APIs have alike: what may stand in each, so that a wrong one is refused before it is used.

What a server may or may not take with a certain model is left for that server to say.
"""

from typing import Annotated, Literal, get_args

from openai.types.responses import ResponseIncludable
from openai.types.shared import ReasoningEffort
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field

from streamlab.gateway.functions import FunctionName, Schema
from streamlab.gateway.mistakes import invalid
from streamlab.gateway.protocols.openai.messages import Sent

STOPS = 4

Choice = Literal["none", "auto", "required"]
Effort = ReasoningEffort
Includable = ResponseIncludable
ServiceTier = Literal["auto", "default", "flex", "scale", "priority", "fast"]
Summary = Literal["auto", "concise", "detailed"]
Verbosity = Literal["low", "medium", "high"]

Tokens = Annotated[int, Field(ge=1, le=2**31 - 1)]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


def _check_choice(choice: object) -> object:
    named = isinstance(choice, dict) and choice.get("type") == "function"
    if not named and choice not in get_args(Choice):
        raise invalid("must be none, auto, required or an object of the type function that names a tool")
    return choice


chosen = BeforeValidator(_check_choice)


def _check_stop(stop: object) -> object:
    """Refuse what is no mark to stop at; an empty list, as some clients send it, asks for nothing."""
    if stop in (None, []):
        return None
    texts = stop if isinstance(stop, list) else [stop]
    if len(texts) > STOPS or not all(isinstance(text, str) and text for text in texts):
        raise invalid(f"must be a string or a list of up to {STOPS} strings, none of them empty")
    return stop


Stop = Annotated[str | list[str] | None, BeforeValidator(_check_stop)]


def _check_tokens(bias: dict[str, int]) -> dict[str, int]:
    if not all(token.isascii() and token.isdecimal() for token in bias):
        raise invalid("must have numbers of tokens as its keys")
    return bias


LogitBias = Annotated[dict[str, Annotated[int, Field(ge=-100, le=100)]], AfterValidator(_check_tokens)]


class StreamOptions(Sent):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class PlainFormat(Sent):
    type: Literal["text", "json_object"]


class JsonSchema(Sent):
    name: FunctionName
    description: str | None = None
    json_schema: Schema | None = Field(None, alias="schema")
    strict: bool | None = None


class SchemaFormat(Sent):
    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[PlainFormat | SchemaFormat, Discriminator("type")]
