"""Control events: what a stream tells its client besides the events of the run. No log has them, and they no token."""

import json
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, assert_never

from streamlab.events.event import Event, StreamEvent, encode
from streamlab.gateway.access import Lapse
from streamlab.gateway.errors import ErrorDetails
from streamlab.hub import Gap, Snapshot


@dataclass(frozen=True, slots=True)
class Open:
    """Comes first. Who may only read this run is not told the conversation."""

    run_id: str
    epoch: str
    conversation: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Drain:
    """The server is leaving and the run goes on elsewhere: the client may come back."""


@dataclass(frozen=True, slots=True)
class Close:
    """The follow token is good no longer: the client may come back with another."""

    code: Lapse


@dataclass(frozen=True, slots=True)
class Refused:
    """What the client sent was refused, and the stream goes on. Only where clients may send: over a WebSocket."""

    error: ErrorDetails


ControlEvent: TypeAlias = Open | Gap | Snapshot | Drain | Close
CONTROL_EVENTS: dict[str, type[ControlEvent | Refused]] = {
    "open": Open,
    "gap": Gap,
    "snapshot": Snapshot,
    "drain": Drain,
    "close": Close,
    "refused": Refused,
}
_NAMES = {kind: name for name, kind in CONTROL_EVENTS.items()}


def name_of(event: StreamEvent | ControlEvent | Refused) -> str:
    """Return the name that the event has in every protocol of ours."""
    return event.type if isinstance(event, Event) else _NAMES[type(event)]


def control_json(event: ControlEvent | Refused) -> bytes:
    """Encode as one line of ASCII JSON, so that nothing in it can end the line."""
    return json.dumps(_plain(event), separators=(",", ":")).encode()


def _plain(event: ControlEvent | Refused) -> dict[str, Any]:
    match event:
        case Open() | Gap() | Drain() | Close() | Refused():
            return asdict(event)
        case Snapshot():
            tools = [json.loads(encode(tool)) for tool in event.tools]  # events as ever, with type and without nulls
            return {"seq": event.seq, "step": event.step, "text": event.text, "tools": tools}
        case _:
            assert_never(event)
