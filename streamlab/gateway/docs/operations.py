"""What a person reads of an OpenAPI description: each operation and each event in plain values."""

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamlab.gateway.schema import EVENT_SCHEMAS

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Value:
    """Something that is sent, or comes back. `where` says of a parameter whether it is in the path, query or header."""

    name: str
    kind: str
    description: str
    needed: bool
    where: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    statuses: str
    kind: str
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """`path` begins with where the gateway is served. `examples` are bodies, as JSON; `streams`: so does the answer."""

    id: str
    tag: str
    method: str
    path: str
    description: str
    parameters: list[Value]
    body: list[Value]
    answers: list[Answer]
    needs_token: bool
    streams: bool
    examples: list[str]

    def terminal(self, origin: str) -> str:
        """Return a line for the terminal, with names in capitals for what is to be filled in."""
        address = origin + self.path.replace("{", "").replace("}", "").replace("run_id", "RUN_ID")
        parts = ["curl", *(["-N"] if self.streams else []), *(["-X", self.method] if self.method != "GET" else [])]
        parts.append(shlex.quote(address))
        parts += ['-H "authorization: Bearer $TOKEN"'] if self.needs_token else []
        if self.examples:
            parts += ["-H", "'content-type: application/json'", "-d", shlex.quote(self.examples[0])]
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class EventKind:
    name: str
    description: str
    values: list[Value]


def operations(description: Schema, root: str, *, tokens: bool) -> list[Operation]:
    """List what may be asked. `root` is where the gateway is served; `tokens` whether it wants them."""
    schemas = description["components"]["schemas"]
    return [
        _operation(method.upper(), root + path, told, schemas, tokens=tokens)
        for path, methods in description["paths"].items()
        for method, told in methods.items()
    ]


def events() -> list[EventKind]:
    """List the kinds of event that a stream has."""
    return [EventKind(name, schema["description"], _values(schema)) for name, schema in EVENT_SCHEMAS.items()]


def _operation(method: str, path: str, told: Schema, schemas: Schema, *, tokens: bool) -> Operation:
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    asked = schemas[kind_of(body)] if body else {}
    return Operation(
        told["operationId"],
        told["tags"][0],
        method,
        path,
        told["description"],
        [
            Value(each["name"], kind_of(each["schema"]), each.get("description", ""), each["required"], each["in"])
            for each in told.get("parameters", [])
        ],
        _values(asked),
        list(_answers(told["responses"])),
        tokens and bool(told.get("security")),
        any("text/event-stream" in each.get("content", {}) for each in told["responses"].values()),
        [json.dumps(each) for each in asked.get("examples", [])],
    )


def _answers(responses: Schema) -> Iterator[Answer]:
    """List what may come back; refusals have one row, for all of them have one shape."""
    refused = [status for status, told in responses.items() if "ErrorBody" in _kinds(told)]
    for status, told in responses.items():
        if status not in refused:
            yield Answer(status, _kinds(told), told["description"])
    if refused:
        yield Answer(", ".join(sorted(refused)), "ErrorBody", "")


def _kinds(response: Schema) -> str:
    content = response.get("content", {})
    schemas = {media: told.get("schema", {}) for media, told in content.items()}
    return ", ".join(
        f"{kind_of(schema)} ({media})" if media == "application/json" and "$ref" in schema else media
        for media, schema in schemas.items()
    )


def _values(schema: Schema) -> list[Value]:
    needed = schema.get("required", [])
    return [
        Value(name, kind_of(told), told.get("description", ""), name in needed)
        for name, told in schema.get("properties", {}).items()
    ]


def kind_of(schema: Schema) -> str:
    """Name the type of a value in few words."""
    match schema:
        case {"$ref": str(reference)}:
            return reference.rpartition("/")[2]
        case {"const": constant}:
            return json.dumps(constant)
        case {"enum": list(choices)}:
            return " | ".join(map(json.dumps, choices))
        case {"anyOf": list(kinds)} | {"oneOf": list(kinds)}:
            return " | ".join(dict.fromkeys(map(kind_of, kinds)))
        case {"type": "array", "items": dict(items)}:
            return f"{kind_of(items)}[]"
    return str(schema.get("type", "any"))
