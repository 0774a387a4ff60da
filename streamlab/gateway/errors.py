"""Refusals: one family for every transport, and one shape for all that speak JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field


class Refused(Exception):
    """What was asked is not done. `status` is HTTP's; `retry_after` is seconds. Holds nothing that was sent."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after = retry_after

    def as_json(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


class ErrorDetails(BaseModel):
    code: str = Field(description="what programs tell apart")
    message: str = Field(description="what is wrong, in one sentence")
    hint: str = Field(description="what to do next; may be empty")


class ErrorBody(BaseModel):
    """Every refusal, whatever its status."""

    error: ErrorDetails


def unknown_run() -> Refused:
    return Refused(
        404,
        "unknown_run",
        "There is no run of this id.",
        "It never was, or its time is over: a run is kept for five minutes after its end.",
    )


def invalid_resume_token() -> Refused:
    return Refused(
        400,
        "invalid_resume_token",
        "The position to go on from is not a resume token.",
        "Send the id of the last event that you have, as you got it, or nothing to begin at the beginning.",
    )


def draining() -> Refused:
    return Refused(503, "draining", "This server is shutting down.", "Ask again in a moment.", retry_after=1)


def unavailable() -> Refused:
    return Refused(
        503, "logs_unavailable", "The server cannot reach its logs.", "Ask again in a moment.", retry_after=1
    )


def read_only() -> Refused:
    return Refused(403, "read_only", "A follow token reads a run and cannot stop it.", "Use an access token.")


def problems(found: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with a request and where, of the errors that pydantic found, without what was sent."""
    sentences = []
    for problem in found[:5]:
        place = ".".join(str(part)[:40] for part in problem["loc"] if part != "body")
        sentence = str(problem["msg"]).removeprefix("Value error, ")
        sentences.append(f"{place}: {sentence}" if place else sentence)
    return ("; ".join(sentences) + ".").encode(errors="replace").decode()
