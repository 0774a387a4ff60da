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
_NAMES = {name: kind.__name__ for name, kind in (EVENTS | CONTROL_EVENTS).items()}


def ref(name: str) -> Schema:
    """Refer to an event's schema by the event's name, or to another of `COMPONENTS` by its own."""
    return {"$ref": f"#/components/schemas/{_NAMES.get(name, name)}"}


EVENT_SCHEMAS["snapshot"]["properties"]["tools"]["items"] = ref("tool_result")  # as it stood in the log
COMPONENTS: dict[str, Schema] = {_NAMES[name]: schema for name, schema in EVENT_SCHEMAS.items()} | {
    "LogEvent": {
        "description": "An entry of a run's log. There may be more types one day.",
        "oneOf": [ref(name) for name in EVENTS],
        "discriminator": {"propertyName": "type", "mapping": {name: ref(name)["$ref"] for name in EVENTS}},
    },
    "StreamedEvent": {
        "type": "object",
        "description": "One event of the stream, as a reader of server-sent events hands it out.",
        "properties": {
            "event": {"enum": list(EVENT_SCHEMAS), "type": "string", "description": "names what `data` is"},
            "data": {
                "type": "string",
                "description": "one line of JSON",
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": [ref(name) for name in EVENT_SCHEMAS]},
            },
            "id": {
                "type": "string",
                "description": "the resume token, the last field; control events have none",
            },
            "retry": {"type": "integer", "description": "milliseconds after which a browser comes back; within `open`"},
        },
        "required": ["event", "data"],
    },
}
STREAM: Schema = {
    # OpenAPI 3.1 has no word for the items of a stream (3.2 has `itemSchema`, which generators do not take yet): some
    # tools read a stream's schema as that of its whole text, others as that of each event.
    "schema": {
        "title": "EventStream",
        "description": "Text that is read as it comes, event by event, as the standard for server-sent events says: "
        "https://html.spec.whatwg.org/multipage/server-sent-events.html. `open` is the first event, `done` the last of "
        "a run that has ended. A line that begins with a colon says after 15 silent seconds that the server is there.",
        "anyOf": [{"type": "string", "contentMediaType": "text/event-stream"}, ref("StreamedEvent")],
    },
    "example": 'retry: 1000\nevent: open\ndata: {"run_id":"…","epoch":"0123456789abcdef","conversation":"…",'
    '"model":"demo"}\n\nevent: text_delta\ndata: {"type":"text_delta","seq":2,"at":0.21,"step":1,"content":"Hi"}\n'
    "id: 0123456789abcdef-2\n\n: still here\n",
}
