"""One run in every form that a front end may have it in, to 300 clients each, against one another and each beside a
relay of the usual kind, FastAPI with a generator for each client that yields the same bytes.

All that is asked is asked as by the front end, 300 times with one idempotency key, so that all follow one run; what
answers is a workload of 50 events of five characters a second instead of a model. CPU per delivery is the server
process's user and system time from the first event until every client has the last, divided by the events and clients.

The first event is timed from before a client sends its question until it has the first byte of the answer's body, which
comes before the run has written anything; one client at a time, each with a question of its own.

A form is measured as soon as the gateway serves it: the others of `PROTOCOLS` are named.
"""

import json
import socket
import statistics
import time
import urllib.error
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

from benchmarks.apps.workload import Workload
from benchmarks.harness import Claim, Result, Server, asgi_server, by_turns, medians, post, print_table
from benchmarks.sse_clients import RECEIVE, Clients
from streamlab.gateway.writer import PROTOCOLS

CLIENTS = 300
RATE = 50
SECONDS = 10
SAMPLE, SAMPLE_RATE = 10, 15  # events that show what one is in a form, so slow that none is joined with another
FIRSTS = 40  # first events of each form
WARM_UP = 10
CPU, FIRST = 1.3, 1.0  # targets: of our own form's CPU; ms beyond its first event
OWN = "sse"
PEER = "benchmarks.apps.form_relay:application"
UNLIMITED = {"GATEWAY_RUNS_PER_MINUTE": "10000", "GATEWAY_MAX_RUNS": "1000"}
SAID = [{"role": "user", "content": "Hi"}]

Measures = dict[str, float]


class Form(NamedTuple):
    """What a front end asks, and what its answer ends with."""

    path: str
    body: dict[str, Any]
    end: bytes

    def request(self, key: str) -> bytes:
        body = json.dumps(self.body).encode()
        head = f"POST /api{self.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


FORMS = {
    OWN: Form("/chat", {"message": "Hi", "model": "demo"}, b"event: done"),
    "ai-sdk": Form(
        "/ai-sdk/chat",
        {
            "id": "c",
            "trigger": "submit-message",
            "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
            "model": "demo",
        },
        b"[DONE]",
    ),
    "openai-chat": Form("/openai/v1/chat/completions", {"model": "demo", "stream": True, "messages": SAID}, b"[DONE]"),
    "openai-responses": Form(
        "/openai/v1/responses", {"model": "demo", "stream": True, "input": "Hi"}, b'"type":"response.completed"'
    ),
    "ag-ui": Form(
        "/ag-ui",
        {
            "threadId": "t",
            "runId": "r",
            "messages": [{"id": "u"} | SAID[0]],
            "forwardedProps": {"model": "demo"},
        },
        b"RUN_FINISHED",
    ),
}
"""Those of PROTOCOLS that are server-sent events."""


def served(server: Server, form: Form) -> bool:
    """Tell whether the gateway has the form: elsewhere beneath its prefix nothing is found."""
    try:
        post(f"{server.url}/api{form.path}", {})
    except urllib.error.HTTPError as error:
        return error.code != 404
    return True


def clients_of(server: Server, form: Form, number: int, *, keep: bool = False) -> Clients:
    return Clients(server.port, form.path, number, keep=keep, asked=form.request(uuid4().hex), end=form.end)


def cpu(server: Server, clients: Clients, let: str) -> float:
    """Measure µs per delivery, from when the clients are there until all have the end."""
    with clients:
        spent = server.cpu_seconds()
        post(f"{server.url}/{let}")
        clients.read(lambda: clients.ended)
        return (server.cpu_seconds() - spent) / (RATE * SECONDS * len(clients.clients)) * 1e6


def ours(server: Server, form: Form) -> Measures:
    post(f"{server.url}/workload", asdict(Workload(RATE * SECONDS, RATE)))
    return {"cpu": cpu(server, clients_of(server, form, CLIENTS), "let")}


def relayed(gateway: Server, relay: Server, form: Form) -> Measures:
    """Have the relay send what the gateway sends where events come one by one, the one in the middle for all."""
    post(f"{gateway.url}/workload", asdict(Workload(SAMPLE, SAMPLE_RATE)))
    with clients_of(gateway, form, 1, keep=True) as clients:
        post(f"{gateway.url}/let")
        clients.read(lambda: clients.ended)
    body = unchunked(b"".join(piece for _, piece in clients.clients[0].pieces))
    blocks = [f"{block}\n\n" for block in body.decode().removesuffix("\n\n").split("\n\n")]
    middle = len(blocks) // 2
    blocks[middle:middle] = [blocks[middle]] * (RATE * SECONDS - SAMPLE)
    post(f"{relay.url}/blocks", {"blocks": blocks, "rate": RATE})
    return {"cpu": cpu(relay, Clients(relay.port, "/events", CLIENTS, end=form.end), "go")}


def unchunked(answer: bytes) -> bytes:
    """Take the body out of an answer that came in chunks."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


def first(server: Server, form: Form) -> float:
    """Measure milliseconds until the first byte of a body."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        began, answer = time.perf_counter(), b""
        connection.sendall(form.request(uuid4().hex))
        while not answer.partition(b"\r\n\r\n")[2]:
            answer += connection.recv(RECEIVE)
        found = time.perf_counter() - began
        post(f"{server.url}/let")
        while form.end not in answer:
            answer += connection.recv(RECEIVE)
    return found * 1e3


def firsts(server: Server, forms: dict[str, Form], rounds: int) -> dict[str, float]:
    post(f"{server.url}/workload", asdict(Workload(1)))
    found = by_turns({name: partial(first, server, form) for name, form in forms.items()}, rounds, WARM_UP)
    return {name: statistics.median(times) for name, times in found.items()}


def claims(names: list[str], found: dict[str, Measures], delays: dict[str, float]) -> list[Claim]:
    results = []
    for name in names:
        own, it, peer = (found[each]["cpu"] for each in (OWN, name, f"{name}, relay"))
        measure = f"{name}, {CLIENTS} clients: CPU per delivery beside"
        if name != OWN:
            beyond = delays[name] - delays[OWN]
            results.append(Claim(f"{measure} our own form", it, own, CPU, "µs"))
            results.append(Claim(f"{name}: first event beyond our own form's", beyond, FIRST, 1.0, "ms"))
        results.append(Claim(f"{measure} a relay", it, peer, 1.0, "µs"))
    return results


def run(rounds: int = 3) -> Result:
    with asgi_server("benchmarks.apps.forms:application", UNLIMITED) as server, asgi_server(PEER) as relay:
        forms = {name: form for name, form in FORMS.items() if served(server, form)}
        print("Not served as events yet, or by other means:", ", ".join(sorted(PROTOCOLS.keys() - forms)))
        delays = firsts(server, forms, FIRSTS)
        measures = {name: partial(ours, server, form) for name, form in forms.items()}
        peers = {f"{name}, relay": partial(relayed, server, relay, form) for name, form in forms.items()}
        results = by_turns(measures | peers, rounds, warm_up=0)
    found = {name: medians(runs) for name, runs in results.items()}
    rows = [
        (name, f"{found[name]['cpu']:.2f}", f"{found[f'{name}, relay']['cpu']:.2f}", f"{delays[name]:.2f}")
        for name in forms
    ]
    print_table((f"{CLIENTS} clients, {RATE} events/s", "CPU µs/delivery", "relay's", "first event ms"), rows)
    return Result(claims(list(forms), found, delays), {"cpu": results, "first": delays})
