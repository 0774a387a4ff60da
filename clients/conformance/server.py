"""The scripted server: it plays a case to a client, and checks what the client asks of it."""

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from clients.conformance.wire import (
    CLOSE,
    TEXT,
    Request,
    chunk,
    encode_event,
    frame,
    head,
    read_frame,
    read_request,
    upgrade,
)

CASES = Path(__file__).parent / "cases"
TOKEN = "tok-7f3a9c-secret"  # what a case's client sends unless the case says otherwise
FOLLOW_TOKEN = "tok-e6017b-follow"
CLOSE_TIMEOUT = 20.0  # seconds that a client has to close what it has no more use for
SOON = 2  # seconds
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
    "Access-Control-Expose-Headers": "X-Run-Id, Location, Retry-After",
}

Json = dict[str, Any]


class ClientGone(Exception):
    """The client has closed its connection before the script's end."""


@dataclass
class ActiveCase:
    """A case that one client goes through."""

    case: Json
    requests: list[Json] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    connections: set[asyncio.Task[None]] = field(default_factory=set)
    ended_at: float = field(default_factory=time.monotonic)  # when the last connection did

    def begin(self, seen: Json) -> Json | None:
        """Return the part of the script that answers the request; None when it has none."""
        self.requests.append(seen)
        number, script = len(self.requests), self.case["script"]
        if number > len(script):
            self.problems.append(f"request {number} ({seen['method']} {seen['path']}): the case has {len(script)}")
            return None
        part: Json = script[number - 1]
        self.problems += [f"request {number}: {each}" for each in self._differences(part["expect"], seen)]
        return part

    def _differences(self, expected: Json, seen: Json) -> list[str]:
        wanted: Json = {"authorization": f"Bearer {TOKEN}", "after": None, **expected}
        found = []
        waited, at_least = time.monotonic() - self.ended_at, wanted.pop("waited", 0)
        if waited < at_least:
            found.append(f"came after {waited:.2f} s, before {at_least:g} s were over")
        body = wanted.pop("body", {})
        if seen["body"] != body and any((seen["body"] or {}).get(name) != value for name, value in body.items()):
            found.append(f"body is {seen['body']!r}, not {body!r}")
        if wanted.pop("key", False) and not seen["key"]:
            found.append("there is no Idempotency-Key")
        if wanted.pop("same_key", False) and seen["key"] != self.requests[0]["key"]:
            found.append("the Idempotency-Key is not that of the first request")
        return found + [
            f"{name} is {seen[name]!r}, not {value!r}" for name, value in wanted.items() if seen[name] != value
        ]

    async def report(self) -> Json:
        """Wait until every connection has ended, and report."""
        if self.connections:
            await asyncio.wait(self.connections, timeout=CLOSE_TIMEOUT)
        problems = self.problems.copy()
        if len(self.requests) < len(self.case["script"]):
            problems.append(f"{len(self.requests)} requests came, not {len(self.case['script'])}")
        if self.connections:
            problems.append("a connection is still open")
        return {"ok": not problems, "problems": problems, "requests": self.requests}


class Connection:
    """One request of a client, and the steps that answer it."""

    def __init__(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._request = request
        self._reader = reader
        self._writer = writer
        self._websocket = False
        self._chunked = False
        self._closing = False  # a WebSocket's close was sent; what comes back answers it

    async def play(self, steps: list[Json], base: str) -> None:
        """Play the steps. Raise ClientGone when the client goes before the end, ValueError for an unknown step."""
        self._websocket = "accept" in steps[0]
        leaving = asyncio.create_task(self._wait_for_close())
        playing = asyncio.create_task(self._play(steps, base))
        try:
            await asyncio.wait([leaving, playing], return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                raise ClientGone
            playing.result()
            if "close" in steps[-1]:
                await asyncio.wait([leaving], timeout=CLOSE_TIMEOUT)
        finally:
            leaving.cancel()
            playing.cancel()
            await asyncio.wait([leaving, playing])

    async def _play(self, steps: list[Json], base: str) -> None:
        for step in steps:
            await self._step(step, base)
        if self._chunked and "cut" not in steps[-1]:
            await self._write(chunk(b""))

    async def _step(self, step: Json, base: str) -> None:
        match step:
            case {"answer": int(status)}:
                headers = {name: _fill(value, base) for name, value in step.get("headers", {}).items()}
                await self._answer(status, headers, step.get("body"))
            case {"accept": _}:
                await self._write(upgrade(self._request))
            case {"event": str(name)}:
                data = step.get("data", {})
                if "fill" in step:
                    data = data | {"content": data["content"] * step["fill"]}
                text = encode_event(name, step.get("id"), data, websocket=self._websocket)
                await self._send(text.encode(), step)
            case {"send": str(text)}:
                await self._send(text.encode(), step)
            case {"send_hex": str(digits)}:
                await self._send(bytes.fromhex(digits), step)
            case {"pause": int() | float() as seconds}:
                await asyncio.sleep(seconds)
            case {"hold": _}:
                await asyncio.sleep(CLOSE_TIMEOUT)
                raise TimeoutError("the client keeps a connection that it has no more use for")
            case {"close": int(code)}:
                self._closing = True
                await self._write(frame(CLOSE, struct.pack("!H", code) + step.get("reason", "").encode()))
            case {"cut": str(how)}:
                self._cut(how)
            case _:
                raise ValueError(f"there is no such step: {step}")

    async def _answer(self, status: int, headers: dict[str, str], body: Json | str | None) -> None:
        """Send the head and the body; without a body a stream follows."""
        headers = {**CORS, "Connection": "close", **headers}
        if status == 204:
            await self._write(head(status, headers))
        elif body is None:
            self._chunked = True
            stream = {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked"}
            await self._write(head(status, stream | headers))
        else:
            kind = "application/json" if isinstance(body, dict) else "text/html"
            data = (json.dumps(body) if isinstance(body, dict) else body).encode()
            await self._write(head(status, {"Content-Type": kind, "Content-Length": str(len(data))} | headers) + data)

    async def _send(self, data: bytes, step: Json) -> None:
        """Send the data whole, or in `pieces` of so many bytes, one by one."""
        size = step.get("pieces", len(data))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            await self._write(frame(TEXT, piece) if self._websocket else chunk(piece))
            if size < len(data):
                await asyncio.sleep(0)

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def _cut(self, how: str) -> None:
        """Cut the connection: `fin` ends it in the midst of the answer; `rst` makes the client's next read fail."""
        if how == "rst":
            connection: socket.socket = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _wait_for_close(self) -> None:
        """Wait until the client has gone. A WebSocket's client says so first, and gets an answer."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while self._websocket:
                code, payload = await read_frame(self._reader)
                if code == CLOSE:
                    if not self._closing:
                        await self._write(frame(CLOSE, payload))
                    return
            while await self._reader.read(1024):
                pass


class Server:
    """All cases, and those that are active."""

    def __init__(self) -> None:
        self.cases = load_cases()
        self._active: dict[str, ActiveCase] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                request = await read_request(reader)
                connection = Connection(request, reader, writer)
                await self._route(request, connection)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _route(self, request: Request, connection: Connection) -> None:
        base = f"http://{request.headers.get('host', '')}"
        match [request.method, *urlsplit(request.target).path.strip("/").split("/")]:
            case ["OPTIONS", *_]:
                await self._answer(connection, 204)
            case ["GET", "cases"]:
                await self._answer(connection, 200, {"cases": list(self.cases.values())})
            case ["POST", "case", name] if name in self.cases:
                id = uuid4().hex
                pause = parse_qs(urlsplit(request.target).query).get("pause", ["0"])[0]
                self._active[id] = ActiveCase(with_pauses(self.cases[name], float(pause)))
                await self._answer(connection, 201, {"id": id, "base": f"{base}/at/{id}", **self.cases[name]})
            case ["GET", "case", id, "report"] if id in self._active:
                await self._answer(connection, 200, await self._active[id].report())
            case ["POST", "at", _, "runs", _, "token"]:
                await self._answer(connection, 201, {"token": FOLLOW_TOKEN, "expires_in": 600})
            case [_, "at", id, *path] if id in self._active:
                await self._play(self._active[id], request, connection, f"{base}/at/{id}", "/" + "/".join(path))
            case _:
                await self._answer(connection, 404, _error("not_found", "There is no such case."))

    async def _answer(self, connection: Connection, status: int, body: Json | None = None) -> None:
        step: Json = {"answer": status} | ({"body": body} if body is not None else {})
        with suppress(ClientGone):
            await connection.play([step], "")

    async def _play(self, active: ActiveCase, request: Request, connection: Connection, base: str, path: str) -> None:
        task = asyncio.current_task()
        assert task
        part = active.begin(_observed(request, path))
        active.connections.add(task)
        try:
            if part is None:
                await self._answer(connection, 500, _error("unexpected", "The case has no answer to this."))
            else:
                await connection.play(part["do"], base)
        except ClientGone:
            pass
        except (TimeoutError, ValueError) as error:
            active.problems.append(f"request {len(active.requests)}: {error}")
        finally:
            active.connections.discard(task)
            active.ended_at = time.monotonic()


def load_cases() -> dict[str, Json]:
    """Read every case by its name, with its group."""
    groups = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(CASES.glob("*.json"))}
    return {case["name"]: {"group": name, **case} for name, group in groups.items() for case in group["cases"]}


def with_pauses(case: Json, seconds: float) -> Json:
    """Add a pause before each cut, for a browser to read what came before it: it drops what it has not read."""
    pause: list[Json] = [{"pause": seconds}] if seconds else []
    script = [
        part | {"do": [each for step in part["do"] for each in ([*pause, step] if "cut" in step else [step])]}
        for part in case["script"]
    ]
    return case | {"script": script}


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[str]:
    """Run a scripted server within the block, and yield its address."""
    listener = await asyncio.start_server(Server().serve, "127.0.0.1", port)
    async with listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"


def _error(code: str, message: str) -> Json:
    return {"error": {"code": code, "message": message, "hint": ""}}


def _fill(value: str, base: str) -> str:
    """Replace {base} by the client's address, and {soon} by the time in two seconds."""
    return value.replace("{base}", base).replace("{soon}", formatdate(time.time() + SOON, usegmt=True))


def _observed(request: Request, path: str) -> Json:
    """Return what a case checks of a request. `after` is the resume token, whichever way it was sent."""
    query = parse_qs(urlsplit(request.target).query)
    authorization = request.headers.get("authorization")
    if authorization is None and query.get("token") == [FOLLOW_TOKEN]:
        authorization = f"Bearer {TOKEN}"  # a browser's WebSocket has no headers; its token was asked for with this one
    return {
        "method": request.method,
        "path": path,
        "after": request.headers.get("last-event-id") or next(iter(query.get("after", [])), None),
        "authorization": authorization,
        "key": request.headers.get("idempotency-key"),
        "body": _json_of(request.body),
    }


def _json_of(body: bytes) -> Json | None:
    try:
        value = json.loads(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
