"""The data of events as JSON Schema, made from their types, for the description of the API."""

import sys
from typing import Any

from pydantic import TypeAdapter

from streamlab.events.event import EVENTS
from streamlab.gateway.control import CONTROL_EVENTS, Refused

Schema = dict[str, Any]

UNSAID = {
    "title": None,  # repeats the field's name
    "additionalProperties": False,  # there may be more one day, and clients skip what they do not know
    "minimum": -sys.float_info.max,
    "maximum": sys.float_info.max,
}


def _log_event(name: str, kind: type[Any]) -> Schema:
    """Describe an event of a log, of which what is None is not sent."""
    schema = _described(name, kind)
    fields: dict[str, Schema] = schema["properties"]
    needed = [field for field, described in fields.items() if described.get("default", field) is not None]
    properties = {"type": {"const": name}} | {field: _present(described) for field, described in fields.items()}
    return schema | {"properties": properties, "required": ["type", *needed]}


def _present(field: Schema) -> Schema:
    """Describe a field where it is sent."""
    kinds = [kind for kind in field.get("anyOf", []) if kind != {"type": "null"}]
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "default")}
    return {**kinds[0], **rest} if kinds else rest


def _described(name: str, kind: type[Any]) -> Schema:
    schema = TypeAdapter(kind).json_schema()
    return {"title": name, **_plain(schema, schema.pop("$defs", {}))}


def _plain(value: Any, definitions: dict[str, Schema]) -> Any:
    """Put definitions where they are referred to, and leave out what says nothing to a reader."""
    match value:
        case {"$ref": str(reference)}:
            return _plain(definitions[reference.rpartition("/")[2]], definitions)
        case dict():
            return {key: _plain(each, definitions) for key, each in value.items() if not _says_nothing(key, each)}
        case list():
            return [_plain(each, definitions) for each in value]
    return value


def _says_nothing(key: str, value: Any) -> bool:
    """Tell whether a keyword is one to leave out; a property of the same name has a schema for its value."""
    return key in UNSAID and not isinstance(value, dict) and UNSAID[key] in (None, value)


EVENT_SCHEMAS: dict[str, Schema] = {name: _log_event(name, kind) for name, kind in EVENTS.items()} | {
    name: _described(name, kind) for name, kind in CONTROL_EVENTS.items() if kind is not Refused
}
EVENT_SCHEMAS["snapshot"]["properties"]["tools"]["items"] = EVENT_SCHEMAS["tool_result"]  # as it stood in the log
