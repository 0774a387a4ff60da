"""docs/protocol.md and the wire are compared, both ways: field by field, value by value, code by code."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest

from streamlab.events.codes import SENTENCES
from streamlab.events.event import EVENTS, EventType, StreamEvent, ToolResult, Usage, encode
from streamlab.gateway.access import Lapse
from streamlab.gateway.control import CONTROL_EVENTS, ControlEvent, Refused, control_json
from streamlab.gateway.errors import ErrorDetails
from streamlab.gateway.feed import Entry
from streamlab.gateway.http import create_app
from streamlab.gateway.protocols.grpc_events import message_of
from streamlab.gateway.protocols.sse import encode_event
from streamlab.gateway.protocols.websocket import encode_message
from streamlab.runs.run import StopReason
from streamlab.settings import Settings
from tests.test_event_schema import ENVELOPE, ROOT, of_docs

DOCS = (ROOT / "docs" / "protocol.md").read_text()
GATEWAY = ROOT / "streamlab" / "gateway"
RESULT = ToolResult("add", "c1", 3, seq=1, at=0.5)
SAMPLES: dict[str, Any] = {
    "seq": 2,
    "at": 0.5,
    "step": 1,
    "content": "Hi",
    "seq_from": 1,
    "state": "begun",
    "tool": "add",
    "call_id": "c1",
    "input": {"a": 1},
    "result": 3,
    "status": "completed",
    "code": "auth",
    "message": "No.",
    "detail": "HTTP 401",
    "wait": 0.5,
    "usage": Usage(1, 2, reasoning_tokens=1, cached_tokens=1, cache_write_tokens=0),
    "run_id": "run-1",
    "epoch": "0123456789abcdef",
    "conversation": "chat-1",
    "model": "demo",
    "after": 1,
    "text": "Hi",
    "tools": (RESULT,),
    "error": ErrorDetails("read_only", "No.", ""),
}
NEVER = {("tool_result", "lost")}  # the type has it for recordings; no run of ours writes it


def rows(section: str) -> dict[str, list[str]]:
    """Read the rows of all tables in a section, by their first cell."""
    body = DOCS[DOCS.index(f"\n## {section}\n") :]
    body = body[: body.find("\n## ", 1)]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\) *\| *", line.strip("|"))] for line in body.split("\n")]
    return {re.sub(r"^`([^`]+)`$", r"\1", first): rest for first, *rest in cells if rest}


def words(cell: str) -> set[str]:
    """Return what stands as code in a cell, but for the names of cases."""
    return set(re.findall(r"`(\w+)`", re.sub(r"\(cases? [^)]*\)", "", cell)))


def event_of(kind: type[Any], *, whole: bool) -> Any:
    """Make an event with all of its fields, or with no more than it must have."""
    needed = {name for name, told in of_docs()[name_of(kind)].items() if told.required} | set(ENVELOPE)
    names = [field.name for field in fields(kind) if whole or field.name in needed]
    return kind(**{name: SAMPLES[name] for name in names})


def name_of(kind: type[Any]) -> str:
    return next(name for name, known in (EVENTS | CONTROL_EVENTS).items() if known is kind)


def on_the_wire(event: StreamEvent | ControlEvent | Refused) -> dict[str, Any]:
    is_logged = type(event) in EVENTS.values()
    told: dict[str, Any] = json.loads(encode(event) if is_logged else control_json(event))  # type: ignore[arg-type]
    return told


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("name", [*EVENTS, *CONTROL_EVENTS])
def test_the_wire_has_the_fields_of_the_page(name: str, whole: bool) -> None:
    """All of them where all are set; and none but those that are always there where no more is."""
    told = of_docs()[name]
    sent = on_the_wire(event_of((EVENTS | CONTROL_EVENTS)[name], whole=whole))
    common = {"type", *ENVELOPE} if name in EVENTS else set()
    assert sent.keys() == common | {each for each, said in told.items() if whole or said.required}
    if name in EVENTS:
        assert sent["type"] == name


@pytest.mark.parametrize("name", [*EVENTS, *(name for name in CONTROL_EVENTS if name != "refused")])
def test_grpc_has_them_too(name: str) -> None:
    """A body's fields, and what every event of a log has around it."""
    message = message_of(event_of((EVENTS | CONTROL_EVENTS)[name], whole=True), "token")
    body = {each.name for each, _ in getattr(message, name).ListFields()}
    assert message.type == name
    assert body | ({"seq_from"} if message.HasField("seq_from") else set()) == of_docs()[name].keys()


def test_what_stands_within_a_field_is_on_the_page() -> None:
    """The parts of a usage, a snapshot's results, the words of a refusal."""
    assert on_the_wire(event_of(EVENTS["done"], whole=True))["usage"].keys() == of_docs()["usage"].keys()
    snapshot = on_the_wire(event_of(CONTROL_EVENTS["snapshot"], whole=True))
    assert snapshot["tools"] == [on_the_wire(RESULT)]
    refused = on_the_wire(event_of(Refused, whole=True))
    found = re.search(r'`\{"error": \{([^}]+)\}\}`', DOCS)
    assert found
    assert re.findall(r'"(\w+)"', found[1]) == list(refused["error"])


def choices(kind: type[Any]) -> Iterator[tuple[str, str]]:
    """List the fields that have a value of a few, and these."""
    for name, hint in get_type_hints(kind).items():
        for option in (hint, *get_args(hint)):
            if name != "type" and get_origin(option) is Literal:
                yield from ((name, value) for value in get_args(option))


@pytest.mark.parametrize("name", [*EVENTS, *CONTROL_EVENTS])
def test_the_values_of_a_field_are_those_of_the_page(name: str) -> None:
    """What a program may have to tell apart stands in the row of its event, and nothing else does."""
    kind = (EVENTS | CONTROL_EVENTS)[name]
    told, meaning = rows("Events")[name][:2]
    values = {value for _, value in choices(kind) if (name, value) not in NEVER}
    remarks = {"length", "refusal", "transcript"}
    reasons = set(get_args(StopReason)) - {"asked", "lost"}
    assert values <= words(meaning)
    more = remarks | reasons if name == "done" else set()
    assert words(meaning) - words(told) <= values | more | {*EVENTS, *CONTROL_EVENTS, *ENVELOPE}
    assert more <= words(meaning)


def test_every_event_of_the_page_is_one() -> None:
    """And the other way round."""
    first = {name for name in rows("Events") if re.fullmatch(r"\w+", name)} - {"type", "event", "part", "usage"}
    assert first == {*get_args(EventType), *CONTROL_EVENTS}


def test_the_codes_and_their_sentences_are_those_of_the_page() -> None:
    """In the same order."""
    told = {code: cells[0] for code, cells in rows("Why a run failed").items()}
    assert list(told.items())[2:] == list(SENTENCES.items())  # after the head


def test_the_example_is_what_is_sent() -> None:
    """Over server-sent events byte by byte, over a WebSocket by its keys."""
    block = re.search(r"\n\n((?:    .+\n)+)\n\(cases `plain`", DOCS)
    assert block
    event, data, id = (line.strip().partition(": ")[2] for line in block[1].splitlines())
    sent = encode_event(Entry(id, event, data.encode())).decode()
    assert sent == re.sub(r"(?m)^    ", "", block[1]) + "\n"
    assert list(json.loads(encode_message(Entry(id, event, data.encode())))) == ["id", "event", "data"]
    assert '`{"id": token, "event": type, "data": {…}}`' in DOCS


# Requests and refusals


def openapi() -> dict[str, Any]:
    return create_app(Settings(_env_file=None)).openapi()


@pytest.mark.parametrize(
    ("row", "model"),
    [
        ("POST /runs", "StartedRun"),
        ("the same with `Accept: application/json`", "EventPage"),
        ("GET /runs/{id}", "RunState"),
        ("GET /", "WayToGoOn"),
        ("POST /runs/{id}/token", "FollowToken"),
    ],
)
def test_an_answer_has_the_fields_of_the_page(row: str, model: str) -> None:
    """In JSON, where it is no stream."""
    found = re.search(r"`\{(\"[^`]+\")\}`", rows("Requests")[row][0])
    assert found
    assert re.findall(r'"(\w+)"', found[1]) == list(openapi()["components"]["schemas"][model]["properties"])


def test_a_question_has_the_fields_of_the_page() -> None:
    """What may be asked, and who said what."""
    paragraph = DOCS[DOCS.index("**A question** is") : DOCS.index("**`Idempotency-Key`**")]
    schemas = openapi()["components"]["schemas"]
    named = set(re.findall(r'[`"](\w+)[`"]', paragraph))
    assert named == {name for each in ("ChatRequest", "Message", "SentFile") for name in schemas[each]["properties"]}


def test_every_address_is_on_the_page() -> None:
    """But for those that people look at."""
    for_people = {"/metrics", "/examples/browser"}
    told = {path.replace("{id}", "{run_id}") for path in re.findall(r"(?:(?:GET|POST|DELETE) |, `)(/[\w/{}]*)", DOCS)}
    assert openapi()["paths"].keys() - for_people <= told


def refusals() -> Iterator[tuple[int | None, str]]:
    """List the codes that the gateway's source refuses with, and their status where it stands there."""
    for path in GATEWAY.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Name(id="Refusal"), args=[ast.Constant(value=int(status)), code, *_]):
                    yield from ((status, each) for each in _codes(code))
                case ast.Call(func=ast.Name(id="_unauthorized"), args=[code, *_]):
                    yield from ((401, each) for each in _codes(code))
                case ast.Dict(keys=[ast.Constant(value=int()), *_]) if path == GATEWAY / "http.py":
                    yield from _by_status(node)


def _codes(node: ast.expr) -> list[str]:
    match node:
        case ast.Constant(value=str(code)):
            return [code]
        case ast.JoinedStr(values=[ast.FormattedValue(value=ast.Name(id="lapse")), ast.Constant(value=str(rest))]):
            return [f"{lapse}{rest}" for lapse in get_args(Lapse)]
    return []


def _by_status(node: ast.Dict) -> Iterator[tuple[int | None, str]]:
    for status, words_ in zip(node.keys, node.values, strict=True):
        if isinstance(status, ast.Constant) and isinstance(words_, ast.Tuple):
            yield from ((int(str(status.value)), code) for code in _codes(words_.elts[0]))


def test_the_codes_of_refusals_are_those_of_the_page() -> None:
    """Each with its status."""
    told = {
        (int(status), code)
        for statuses, cells in rows("Errors").items()
        if re.match(r"\d", statuses)
        for status in statuses.split(", ")
        for code in words(cells[1])
    }
    used = set(refusals())
    assert {code for _, code in used} | {"bad_request"} == {code for _, code in told}
    assert used <= told
