"""HTTP and WebSocket as bytes, as much as a scripted server needs. A framework would repair what a case breaks."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from websockets.frames import Frame, Opcode
from websockets.utils import accept_key, apply_mask

TEXT, CLOSE = 1, 8  # https://www.rfc-editor.org/rfc/rfc6455#section-11.8
LONGEST = 1024 * 1024  # bytes of a request's body


@dataclass(frozen=True)
class Request:
    """A request; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read a request.

    Raise asyncio.IncompleteReadError when the client goes before its end, ValueError when it is none.
    """
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = lines[0].split(" ")
    pairs = (line.partition(":") for line in lines[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = int(headers.get("content-length", "0"))
    if length > LONGEST:
        raise ValueError("a body that no case asks for")
    return Request(method, target, headers, await reader.readexactly(length))


def head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data: bytes) -> bytes:
    """Encode a piece of a chunked body; an empty one is its end."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def upgrade(request: Request) -> bytes:
    """Answer a WebSocket handshake: https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2"""
    accepted = accept_key(request.headers.get("sec-websocket-key", ""))
    return head(101, {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accepted})


def frame(code: int, payload: bytes) -> bytes:
    """Encode one unmasked WebSocket frame, as servers send them."""
    return Frame(Opcode(code), payload).serialize(mask=False)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Read a client's next frame, which is masked; return its code and its payload."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length >= 126:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
    mask = await reader.readexactly(4 if second & 0x80 else 0) or bytes(4)
    payload = await reader.readexactly(length)
    return first & 0x0F, apply_mask(payload, mask)


def encode_event(name: str, id: str | None, data: dict[str, Any], *, websocket: bool) -> str:
    """Encode an event as the gateway sends it."""
    line = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    if websocket:
        start = f'"id":"{id}",' if id else ""
        return f'{{{start}"event":"{name}","data":{line}}}'
    end = f"id: {id}\n" if id else ""
    return f"event: {name}\ndata: {line}\n{end}\n"
