"""Whoever knows the events knows the same ones: every side is compared with the types in streamlab/events/event.py."""

import re
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import pytest
from google.protobuf.descriptor import FieldDescriptor
from streamlab_client import events as client

from streamlab.events.event import EVENTS, PIECES, Event, EventType, Usage
from streamlab.gateway.control import CONTROL_EVENTS, ControlEvent, Refused
from streamlab.gateway.http import create_app
from streamlab.gateway.writer import PROTOCOLS, Writer
from streamlab.settings import Settings
from streamlab.v1 import streamlab_pb2 as pb

ROOT = Path(__file__).parents[1]
ENVELOPE = ("seq", "at", "step")


class Field(NamedTuple):
    """What a side says of a field: its kind of value, None where it does not say, and whether it is always there.

    A free value is never said to be there: null is a value, too.
    """

    kind: str | None
    required: bool


Known = dict[str, dict[str, Field]]  # the fields of each event, by its name; `usage` is that of `done`


def field(kind: str | None, required: bool) -> Field:
    return Field(kind, required and kind != "any")


# What the types say, and with them the Python client's


def of_hint(hint: Any) -> Field:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    first = options[0]
    plain: dict[Any, str] = {str: "text", int: "whole", float: "number", bool: "flag", Any: "any"}
    kind = plain.get(first) or ("text" if get_origin(first) is Literal else "")
    kind = kind or ("usage" if is_dataclass(first) else "tools")
    return field(kind, type(None) not in options)


def of_dataclass(kind: type[Any]) -> dict[str, Field]:
    hints = get_type_hints(kind)
    return {each.name: of_hint(hints[each.name]) for each in fields(kind)}


def of_types() -> Known:
    controls = {name: kind for name, kind in CONTROL_EVENTS.items() if kind is not Refused}
    kinds: dict[str, type[Any]] = {**EVENTS, **controls, "usage": Usage}
    return {name: of_dataclass(kind) for name, kind in kinds.items()}


def of_python() -> Known:
    return {kind.type: of_dataclass(kind) for kind in get_args(client.Event)} | {"usage": of_dataclass(client.Usage)}


# What the others say


def of_message(message: Any) -> dict[str, Field]:
    return {each.name: of_proto_field(each) for each in message.fields}


def of_proto_field(each: Any) -> Field:
    plain = {
        FieldDescriptor.TYPE_STRING: "text",
        FieldDescriptor.TYPE_UINT32: "whole",
        FieldDescriptor.TYPE_UINT64: "whole",
        FieldDescriptor.TYPE_DOUBLE: "number",
        FieldDescriptor.TYPE_BOOL: "flag",
    }
    messages = {"Value": "any", "Usage": "usage", "Event": "tools"}
    kind = plain.get(each.type) or messages[each.message_type.name]
    return field(kind, not each.has_presence)


def of_proto() -> Known:
    common = {name: of_proto_field(pb.Event.DESCRIPTOR.fields_by_name[name]) for name in (*ENVELOPE, "seq_from")}
    known: Known = {"usage": of_message(pb.Usage.DESCRIPTOR)}
    for body in pb.Event.DESCRIPTOR.oneofs_by_name["body"].fields:
        known[body.name] = of_message(body.message_type)
        if body.name in EVENTS:
            known[body.name] |= {name: common[name] for name in ENVELOPE}
        if body.name in [kind.type for kind in PIECES]:
            known[body.name]["seq_from"] = common["seq_from"]
    return known


def of_schema(schema: dict[str, Any]) -> dict[str, Field]:
    def described(name: str, value: dict[str, Any]) -> Field:
        options = value.get("anyOf", [value])
        plain = {"string": "text", "integer": "whole", "number": "number", "boolean": "flag", "array": "tools"}
        kind = plain | {"object": "usage", None: "any"}
        there = name in schema.get("required", []) or value.get("default") is not None
        return field(kind[options[0].get("type")], there and {"type": "null"} not in options)

    return {name: described(name, value) for name, value in schema["properties"].items() if name != "type"}


def of_openapi() -> Known:
    description = create_app(Settings(_env_file=None)).openapi()
    schemas = description["components"]["schemas"]
    streamed = schemas["StreamedEvent"]["properties"]
    refs = [each["$ref"].rpartition("/")[2] for each in streamed["data"]["contentSchema"]["anyOf"]]
    data = {name: schemas[ref] for name, ref in zip(streamed["event"]["enum"], refs, strict=True)}
    assert schemas["LogEvent"]["discriminator"]["mapping"].keys() == EVENTS.keys()
    for name in EVENTS:
        assert data[name]["properties"]["type"] == {"const": name}
    data["usage"] = data["done"]["properties"]["usage"]
    return {name: of_schema(schema) for name, schema in data.items()}


def of_docs() -> Known:
    text = (ROOT / "docs" / "protocol.md").read_text()
    section = text[text.index("\n## Events") : text.index("\n## ", text.index("\n## Events") + 1)]
    known: Known = {}
    for name, told in re.findall(r"^\| `(\w+)` \|([^|]*)\|", section, re.MULTILINE):
        known[name] = {each: Field(None, not optional) for each, optional in re.findall(r"`(\w+)`(\??)", told)}
    return known


def of_javascript() -> Known:
    sources = [path.read_text() for path in (ROOT / "clients" / "javascript" / "src").glob("*.ts")]
    [text] = [source for source in sources if "export interface ToolCall" in source]
    found = re.findall(r"interface (\w+)(?: extends (\w+))? \{(.*?)^\}", text, re.DOTALL | re.MULTILINE)
    bodies = {name: (parent, body) for name, parent, body in found}

    def told(name: str) -> dict[str, Field]:
        parent, body = bodies[name]
        own = re.findall(r"^ +(\w+)(\??): ([^;]+);", body, re.MULTILINE)
        kinds = {"string": "text", "number": "number", "boolean": "flag", "unknown": "any", "Status": "text"}
        kinds |= {"Usage": "usage", "ToolResult[]": "tools"}
        inherited = told(parent) if parent else {}
        return inherited | {each: field(kinds[kind], not mark) for each, mark, kind in own if each != "type"}

    def union(name: str) -> Iterable[str]:
        match = re.search(rf"export type {name} =([^;]+);", text)
        assert match
        return re.findall(r"\w+", match[1])

    members = {each for name in union("StreamEvent") for each in (union(name) if name not in bodies else [name])}
    types = {each: re.search(r'type: "(\w+)"', bodies[each][1]) for each in members}
    return {match[1]: told(each) for each, match in types.items() if match} | {"usage": told("Usage")}


# The comparison

ALL = set(of_types())
OF_CLIENTS = {*EVENTS, "gap", "snapshot", "usage"}
AS_ALWAYS = ("retry", "wait")  # a client reads 0 where the server does not say it
AS_SOMETIMES = ("tool_result", "status")  # a client takes it for completed where a server does not say it
AS_NOW = ("error", "message")  # a server of before might not say it
MAY_BE_NULL = {("open", "conversation"), ("open", "model")}  # told in words

SIDES: dict[str, tuple[Callable[[], Known], set[str], set[tuple[str, str]]]] = {
    "proto": (of_proto, ALL, {AS_ALWAYS, AS_SOMETIMES}),
    "openapi": (of_openapi, ALL, set()),
    "docs": (of_docs, ALL, MAY_BE_NULL),
    "python": (of_python, OF_CLIENTS, {AS_ALWAYS, AS_SOMETIMES}),
    "javascript": (of_javascript, OF_CLIENTS, {AS_SOMETIMES, AS_NOW}),
}
"""What each side says, which events it has to know, and where it says otherwise whether a field is always there."""


def expected(side: str, names: set[str], otherwise: set[tuple[str, str]]) -> Known:
    """Say of the types what a side can say."""

    def projected(name: str, each: str, said: Field) -> Field:
        required = said.required ^ ((name, each) in otherwise)
        if side == "docs":
            return Field(None, required)
        return Field("number" if side == "javascript" and said.kind == "whole" else said.kind, required)

    types = of_types()
    if side == "docs":  # which tells what all have in a sentence
        types = {
            name: {each: said for each, said in told.items() if name not in EVENTS or each not in ENVELOPE}
            for name, told in types.items()
        }
    return {name: {each: projected(name, each, said) for each, said in types[name].items()} for name in names}


@pytest.mark.parametrize("side", SIDES)
def test_every_side_knows_the_events_by_the_same_names_and_fields(side: str) -> None:
    """No type or field is on one side only, and a field is of the same kind everywhere, and as surely there."""
    read, names, otherwise = SIDES[side]
    known = read()
    if side == "docs":
        assert known.pop("refused") == {"error": Field(None, True)}
    assert known == expected(side, names, otherwise)


def test_every_event_has_a_name() -> None:
    """The tables by name hold what the unions do, which the type checker knows."""
    assert set(EVENTS) == set(get_args(EventType)) == {kind.type for kind in Event.__subclasses__()}
    assert set(CONTROL_EVENTS.values()) - {Refused} == set(get_args(ControlEvent))


def test_every_writer_has_a_name_in_figures() -> None:
    """A protocol's figures are there at 0 before its first client, which a rate needs to see."""
    from streamlab.gateway.protocols import grpc_events, sse, websocket  # noqa: F401 # which define them

    assert {kind.name for kind in Writer.__subclasses__() if kind.__module__.startswith("streamlab")} == set(PROTOCOLS)


@pytest.mark.parametrize(
    ("file", "begin", "end", "besides"),
    [
        ("ARCHITECTURE.md", "| event |", "|\n", set()),
        ("clients/python/README.md", "**Events** are", "The text that counts", {"gap", "snapshot", "type"}),
        ("clients/python/README.ja.md", "**イベント** は", "\n\n", {"gap", "snapshot", "type", "step"}),
    ],
)
def test_a_list_in_words_names_every_event(file: str, begin: str, end: str, besides: set[str]) -> None:
    """And nothing that is none, but for what a client is also told."""
    text = (ROOT / file).read_text()
    start = text.index(begin)
    assert set(re.findall(r"`([a-z_]+)`", text[start : text.index(end, start)])) == EVENTS.keys() | besides


def test_the_gateways_description_names_every_event() -> None:
    """Those of a log, and those between the gateway and its client; no other name stands in it as one."""
    description = create_app(Settings(_env_file=None)).openapi()["info"]["description"]
    assert set(re.findall(r"`([a-z_]+)`", description)) == {*EVENTS, *CONTROL_EVENTS} - {"refused"}


def test_the_clients_hand_on_every_event_of_a_log() -> None:
    """What a client does not read it takes for news of a later server, and passes over in silence."""
    reader = (ROOT / "clients" / "javascript" / "src" / "reader.ts").read_text()
    logged = re.search(r'const LOGGED = "([^"]+)"', reader)
    assert logged
    assert set(logged[1].split()) == EVENTS.keys()
    assert EVENTS.keys() == client.LOG_TYPES
