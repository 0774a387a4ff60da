"""Functions of a caller that a model may call: what each of them must be, whichever protocol tells of it."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from streamlab.gateway.mistakes import check_depth, invalid

TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
IN_A_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
INSIDE = ("items", "additionalProperties", "contains", "not", "if", "then", "else", "propertyNames")


def _check_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Refuse what is no JSON schema, by the keywords on which all of its versions agree."""
    left: list[Any] = [check_depth(schema)]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            left += _inner(each)
        elif not isinstance(each, bool):
            raise invalid("must be a JSON schema, in which each schema is an object")
    return schema


def _inner(schema: dict[str, Any]) -> Iterator[Any]:
    """Give the schemas within a schema."""
    for name in BY_NAME:
        if not isinstance(inner := schema.get(name, {}), dict):
            raise invalid(f"must be a JSON schema, in which {name} is an object")
        yield from inner.values()
    for name in IN_A_LIST:
        if not isinstance(inner := schema.get(name, []), list):
            raise invalid(f"must be a JSON schema, in which {name} is a list")
        yield from inner
    for name in INSIDE:
        inner = schema.get(name, True)
        yield from inner if name == "items" and isinstance(inner, list) else [inner]
    if not _strings(schema.get("required", [])):
        raise invalid("must be a JSON schema, in which required is a list of names")
    types = schema.get("type", [])
    types = types if isinstance(types, list) else [types]
    if not _strings(types) or not TYPES.issuperset(types):
        raise invalid(f"must be a JSON schema, in which each type is one of {', '.join(sorted(TYPES))}")


def _strings(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _check_object(schema: dict[str, Any]) -> dict[str, Any]:
    """Refuse a schema of anything but an object, as which a function takes what it is called with."""
    if schema and schema.get("type") != "object":
        raise invalid("must be a JSON schema of the type object")
    return schema


FunctionName = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]
Schema = Annotated[dict[str, Any], AfterValidator(_check_schema)]
Parameters = Annotated[Schema, AfterValidator(_check_object)]


class Function(BaseModel):
    model_config = ConfigDict(strict=True)

    name: FunctionName
    description: str | None = None
    parameters: Parameters | None = None
    strict: bool | None = None


def check_names(names: Sequence[str]) -> None:
    """Refuse two functions of one name, which no answer could tell apart."""
    if len(set(names)) < len(names):
        raise invalid("must have functions of different names")
