"""What single calls answer."""

from dataclasses import dataclass
from typing import Literal

from streamlab_client.errors import broken
from streamlab_client.events import Json, Usage


@dataclass(frozen=True, slots=True)
class StartedRun:
    """`conversation` goes on with the next question."""

    id: str
    conversation: str
    model: str


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run has come to by now; times are seconds since it began. `usage` is None while it is live."""

    id: str
    status: Literal["live", "completed", "stopped", "failed", "lost"]
    code: str | None
    seq: int
    text: str
    retries: int
    tools: int
    time_to_first_token: float | None
    seconds: float
    usage: Usage | None


def started_of(data: Json) -> StartedRun:
    """Raises ProtocolError."""
    try:
        return StartedRun(data["id"], data["conversation"], data["model"])
    except KeyError as error:
        raise broken(f"a started run without {error}") from None


def state_of(data: Json) -> RunState:
    """Raises ProtocolError."""
    try:
        usage = data["usage"]
        return RunState(
            id=data["id"],
            status=data["status"],
            code=data["code"],
            seq=data["seq"],
            text=data["text"],
            retries=data["retries"],
            tools=data["tools"],
            time_to_first_token=data["time_to_first_token"],
            seconds=data["seconds"],
            usage=Usage(usage["input_tokens"], usage["output_tokens"], usage["estimated"]) if usage else None,
        )
    except (KeyError, TypeError) as error:
        raise broken(f"the state of a run without what it needs ({error})") from None
