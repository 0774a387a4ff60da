"""Runs, as the calls that are answered at once tell of them."""

from dataclasses import dataclass, fields
from typing import Literal

from streamlab_client.errors import broken_stream
from streamlab_client.events import Json, Usage, parse_usage


@dataclass(frozen=True, slots=True)
class StartedRun:
    """`conversation` goes on with the next question."""

    id: str
    conversation: str
    model: str


@dataclass(frozen=True, slots=True)
class RunState:
    """How far a run has come; times are seconds since it began. `usage` is None while it is live."""

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


def parse_started_run(data: Json) -> StartedRun:
    """Read the answer to a start. Raises ProtocolError."""
    try:
        return StartedRun(data["id"], data["conversation"], data["model"])
    except KeyError as error:
        raise broken_stream(f"a started run without {error}") from None


def parse_run_state(data: Json) -> RunState:
    """Read the state of a run. Raises ProtocolError."""
    try:
        usage = data["usage"]
        known = {field.name: data[field.name] for field in fields(RunState)}
        return RunState(**known | {"usage": parse_usage(usage) if usage else None})
    except (KeyError, TypeError) as error:
        raise broken_stream(f"the state of a run without what it needs ({error})") from None
