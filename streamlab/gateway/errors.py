"""Refusals: one family for every protocol, and one shape for all that speak JSON."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    code: Annotated[str, Field(description="what programs tell apart")]
    message: Annotated[str, Field(description="what is wrong, in one sentence")]
    hint: Annotated[str, Field(description="what to do next; may be empty")]


class ErrorBody(BaseModel):
    """Every refusal, whatever its status."""

    error: ErrorDetails


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe what any request may be refused with, and the further statuses of one."""
    return {status: {"model": ErrorBody} for status in (400, 401, 403, 422, 429, 500, 503, *statuses)}


class Refusal(Exception):
    """What was asked is not done. `status` is HTTP's; `retry_after` is seconds. Holds nothing that was sent."""

    def __init__(self, status: int, code: str, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = ErrorDetails(code, message, hint)
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        return self.details.code

    def as_json(self) -> dict[str, Any]:
        return {"error": asdict(self.details)}


def unknown_run() -> Refusal:
    return Refusal(
        404,
        "unknown_run",
        "There is no run of this id.",
        "It never was, or its time is over: a run is kept for five minutes after its end.",
    )


def invalid_resume_token() -> Refusal:
    return Refusal(
        400,
        "invalid_resume_token",
        "The position to go on from is not a resume token.",
        "Send the id of the last event that you have, as you got it, or nothing to begin at the beginning.",
    )


def draining() -> Refusal:
    return Refusal(503, "draining", "This server is shutting down.", "Ask again in a moment.", retry_after=1)


def unavailable(why: str = "The server cannot reach its logs.") -> Refusal:
    return Refusal(503, "logs_unavailable", why, "Ask again in a moment.", retry_after=1)


def models_unknown(address: str) -> Refusal:
    return Refusal(
        503,
        "models_unknown",
        f"The configured model server at {address} does not say which models it has.",
        "Ask again in a moment, or name the model demo.",
        retry_after=30,
    )


def access_code_needed() -> Refusal:
    return Refusal(
        401,
        "access_code_needed",
        "This model may cost money: the server's access code opens it.",
        "Send the code as `X-Access-Code` or `Authorization: Bearer …`, or name the model demo.",
    )


def read_only() -> Refusal:
    return Refusal(403, "read_only", "A follow token reads a run and cannot stop it.", "Use an access token.")


def internal() -> Refusal:
    return Refusal(500, "internal", "The server failed.", "Its log has the rest.")


def in_progress() -> Refusal:
    return Refusal(
        503,  # and not 409, which clients take for final: this one passes
        "idempotency_in_progress",
        "The first request with this Idempotency-Key is still being dealt with.",
        "Ask again in a moment.",
        retry_after=1,
    )
