"""Every case of clients/conformance, gone through by the Python client: with threads and on an event loop."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing, closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx2
import pytest
from streamlab_client import AsyncClient, AsyncStream, Backoff, Client, Event, Stream, StreamlabError

from clients.conformance.server import CASES as FOLDER
from clients.conformance.server import FOLLOW_TOKEN, TOKEN, load_cases

ROOT = Path(__file__).parents[1]
QUICK = Backoff(first=0.02, longest=0.1)
HEARTBEAT = 15.0
PATIENCE = 60.0  # seconds

Json = dict[str, Any]
Delivered = tuple[list[Event], str, StreamlabError | None]

CASES = load_cases()
GROUPS = sorted(FOLDER.glob("*.json"))
TOGETHER = 6  # cases at the same time; most of their time is waiting

each_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def server() -> Iterator[httpx2.Client]:
    """The scripted server as everyone starts it, and what asks it."""
    command = [sys.executable, "-m", "clients.conformance"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = json.loads(process.stdout.readline())["url"]
        try:
            with httpx2.Client(base_url=url, timeout=PATIENCE) as client:
                yield client
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def went(request: pytest.FixtureRequest, server: httpx2.Client) -> Iterator[dict[tuple[str, str], Future[None]]]:
    """Of every case that is tested, by the test's name and its own: how the client went through it."""
    ways: dict[str, Callable[[Json], Delivered]] = {
        test_the_client_keeps_the_rule.__name__: read,
        test_the_client_keeps_the_rule_on_an_event_loop.__name__: lambda case: asyncio.run(aread(case)),
    }
    wanted = {
        (item.originalname, str(item.callspec.params["name"]))
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname in ways
    }
    with ThreadPoolExecutor(TOGETHER) as pool:
        yield {(way, name): pool.submit(check, server, name, ways[way]) for way, name in sorted(wanted)}


@each_case
def test_the_client_keeps_the_rule(went: dict[tuple[str, str], Future[None]], name: str) -> None:
    """What the case's server does, the client delivers as the case says, and asks for as the case says."""
    went[test_the_client_keeps_the_rule.__name__, name].result()


@each_case
def test_the_client_keeps_the_rule_on_an_event_loop(went: dict[tuple[str, str], Future[None]], name: str) -> None:
    """The same of its twin."""
    went[test_the_client_keeps_the_rule_on_an_event_loop.__name__, name].result()


def test_cases_say_what_they_are_for() -> None:
    """Each has a sentence of its own, and a name that no other has."""
    listed = [case["name"] for path in GROUPS for case in json.loads(path.read_text("utf-8"))["cases"]]
    assert len(listed) == len(set(listed)) == len(CASES)
    assert all(case["rule"].endswith(".") for case in CASES.values())


def test_secrets_are_found_nowhere_else_by_chance() -> None:
    """A word such as `fresh` may stand in the path of a checkout, and so in a stack trace that holds no token."""
    tokens = {token for case in CASES.values() for token in case["client"].get("tokens", [])}
    assert tokens
    assert all(re.fullmatch(r"tok-[0-9a-f]{6}-[a-z]+", token) for token in {TOKEN, FOLLOW_TOKEN, *tokens})


def test_the_protocols_description_refers_to_every_case() -> None:
    """The cases are its examples, so none is left out, and none is named that there is not."""
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z0-9_]+)`", text))
    assert named >= CASES.keys()
    alone = re.findall(r"case `([a-z0-9_]+)`", text)
    assert alone
    assert set(alone) <= CASES.keys()


def raw(server: httpx2.Client, name: str, *requests: tuple[str, str, Json]) -> Json:
    """The report of a case whose client asks just this."""
    case = server.post(f"/case/{name}").raise_for_status().json()
    for method, path, options in requests:
        with suppress(httpx2.HTTPError):
            server.request(method, f"{case['base']}{path}", **options)
    report: Json = server.get(f"/case/{case['id']}/report").json()
    return report


CHAT = {"json": {"message": "Hi"}, "headers": {"authorization": f"Bearer {TOKEN}", "idempotency-key": "k"}}
OTHER = CHAT | {"headers": {"authorization": f"Bearer {TOKEN}", "idempotency-key": "other"}}
FOLLOW = {"headers": {"authorization": f"Bearer {TOKEN}"}}


@pytest.mark.parametrize(
    ("name", "requests", "problem"),
    [
        ("plain", [], "0 requests came, not 1"),
        ("plain", [("GET", "/chat", FOLLOW)], "method is 'GET', not 'POST'"),
        ("plain", [("POST", "/chat", CHAT | {"json": {"message": "Ho"}})], "body is"),
        ("plain", [("POST", "/chat", {"json": {"message": "Hi"}})], "authorization is None"),
        ("plain", [("POST", "/chat", {**CHAT, "headers": FOLLOW["headers"]})], "there is no Idempotency-Key"),
        ("plain", [("POST", "/chat", CHAT), ("GET", "/runs/run-1/events", FOLLOW)], "the case has 1"),
        ("cut_politely", [("POST", "/chat", CHAT), ("GET", "/runs/run-1/events", FOLLOW)], "after is None"),
        ("unavailable", [("POST", "/chat", CHAT), ("POST", "/chat", OTHER)], "not that of the first request"),
        ("rate_limited", [("POST", "/chat", CHAT), ("POST", "/chat", CHAT)], "before 0.95 s were over"),
    ],
)
def test_the_server_tells_what_a_client_did_wrong(
    server: httpx2.Client, name: str, requests: list[tuple[str, str, Json]], problem: str
) -> None:
    """A case that no client could fail would prove nothing."""
    report = raw(server, name, *requests)
    assert not report["ok"]
    assert problem in " ".join(report["problems"])


def test_the_server_finds_nothing_wrong_with_what_is_right(server: httpx2.Client) -> None:
    """The same request, as it should be."""
    assert raw(server, "plain", ("POST", "/chat", CHAT))["ok"]


def check(server: httpx2.Client, name: str, go_through: Callable[[Json], Delivered]) -> None:
    case = server.post(f"/case/{name}").raise_for_status().json()
    events, text, error = go_through(case)
    expected = case["deliver"]
    seen = [as_wire(event) for event in events]
    assert [part_of(event, like) for event, like in zip(seen, expected["events"], strict=False)] == expected["events"]
    assert len(seen) == len(expected["events"])
    assert (length_of(text) if isinstance(expected["text"], dict) else text) == expected["text"]
    wanted = expected["error"]
    assert (error is None) == (wanted is None), repr(error)
    if error and wanted:
        assert {"kind": error.kind, "code": error.code} | wanted == {"kind": error.kind, "code": error.code}
        assert TOKEN not in f"{error} {error!r} {error.args}"
    report = server.get(f"/case/{case['id']}/report").json()
    assert report["ok"], report


def read(case: Json) -> Delivered:
    asked, tokens = case["client"], iter(case["client"].get("tokens", []))
    backoff = Backoff(asked.get("attempts", QUICK.attempts), QUICK.first, QUICK.longest)
    events: list[Event] = []
    with Client(
        case["base"],
        token=(lambda: next(tokens)) if "tokens" in asked else TOKEN,
        protocol=asked.get("protocol", "sse"),
        heartbeat=asked.get("heartbeat", HEARTBEAT),
        backoff=backoff,
    ) as lab:
        stream: Stream = (
            lab.chat(asked["message"])
            if asked["call"] == "chat"
            else lab.follow(asked["run"], after=asked.get("after"))
        )
        with closing(stream):
            try:
                events += stream
            except StreamlabError as error:
                return events, stream.answer, error
    return events, stream.answer, None


async def aread(case: Json) -> Delivered:
    asked, tokens = case["client"], iter(case["client"].get("tokens", []))
    backoff = Backoff(asked.get("attempts", QUICK.attempts), QUICK.first, QUICK.longest)
    events: list[Event] = []

    async def token() -> str:
        return str(next(tokens))

    async with AsyncClient(
        case["base"],
        token=token if "tokens" in asked else TOKEN,
        protocol=asked.get("protocol", "sse"),
        heartbeat=asked.get("heartbeat", HEARTBEAT),
        backoff=backoff,
    ) as lab:
        stream: AsyncStream = (
            lab.chat(asked["message"])
            if asked["call"] == "chat"
            else lab.follow(asked["run"], after=asked.get("after"))
        )
        async with aclosing(stream):
            try:
                async for event in stream:
                    events.append(event)
            except StreamlabError as error:
                return events, stream.answer, error
    return events, stream.answer, None


def as_wire(event: Event) -> Json:
    """With the names and values of the protocol's JSON."""
    fields = {name: value for name, value in asdict(event).items() if value is not None}
    fields["type"] = event.type
    if event.type == "snapshot":
        fields["tools"] = [as_wire(tool) for tool in event.tools]
    return fields


def part_of(seen: Json, like: Json) -> Json:
    """What is asked for of an event, as it is."""
    part = {name: seen.get(name) for name in like}
    if "length" in like:
        part["length"] = len(seen["content"])
    if "tools" in like:
        part["tools"] = [part_of(tool, wanted) for tool, wanted in zip(seen["tools"], like["tools"], strict=True)]
    return part


def length_of(text: str) -> Json:
    return {"length": len(text)}
