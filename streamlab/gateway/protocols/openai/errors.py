"""Errors in OpenAI's form: refusals, and runs that failed."""

from typing import Any, NamedTuple

from starlette.responses import JSONResponse

from streamlab.events.codes import Code, sentence_of
from streamlab.events.event import Error
from streamlab.gateway.errors import Refusal
from streamlab.gateway.protocols.openai.text import json_of

INVALID, SERVER, LIMIT = "invalid_request_error", "server_error", "requests"  # OpenAI's types


class FieldRefusal(Refusal):
    """Names the field of the request that is refused."""

    def __init__(self, field: str | None, message: str, code: str = "invalid_value", status: int = 400) -> None:
        super().__init__(status, code, message)
        self.field = field


BEHIND: tuple[Code, ...] = (
    "auth",
    "timeout",
    "provider_unavailable",
    "connection_lost",
    "proxy",
    "certificate",
    "address_not_found",
    "producer_lost",
    "step_limit",
    "internal",
)
"""Faults of this server or behind it, which nothing that the caller sends would mend: a 500, as of OpenAI. Neither 401
nor 403, which would be of the caller's own key, nor 502, 503 and 504, by which a proxy takes the server that answers
for one that is down, though each of them would have the same of the model's server.
"""

PASSING = frozenset(("shutdown", "producer_lost"))
"""Ends of a run by which this server's part is over, and another run may come to a better one."""


class _Failure(NamedTuple):
    status: int
    type: str
    code: str


_FAILURES: dict[str, _Failure] = {
    "rate_limited": _Failure(429, LIMIT, "rate_limit_exceeded"),
    "quota": _Failure(429, "insufficient_quota", "insufficient_quota"),
    "context_too_long": _Failure(400, INVALID, "context_length_exceeded"),
    "content_filtered": _Failure(400, INVALID, "content_filter"),
    "bad_request": _Failure(400, INVALID, "bad_request"),
    "model_not_found": _Failure(404, INVALID, "model_not_found"),
    "shutdown": _Failure(503, SERVER, "shutdown"),
    **{code: _Failure(500, SERVER, code) for code in BEHIND},
}
"""Of a run, by its code."""

_STOPS = {
    "unwatched": "The answer was stopped, for nobody followed it.",
    "shutdown": "The answer was stopped, for the server was shut down.",
}
"""What the reasons say for which a run was stopped that are none of the caller's."""

_CODES = {
    "unauthorized": "invalid_api_key",
    "invalid_access_token": "invalid_api_key",
    "unknown_model": "model_not_found",
    "too_many_live_runs": "rate_limit_exceeded",
    "too_many_runs": "rate_limit_exceeded",
}
"""OpenAI's names for ours of refusals; those that it has no name for keep their own."""

_STATUSES = {"unknown_model": 404, "invalid_request": 400, "no_tools": 400}
_FIELDS = {"unknown_model": "model", "no_tools": "tools"}


def error_json(type: str, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    return {"message": message, "type": type, "param": param, "code": code}


def refused(refusal: Refusal, field: str | None = None) -> JSONResponse:
    """Answer with a refusal in OpenAI's form; `field` is the one that is wrong."""
    status = _STATUSES.get(refusal.code, refusal.status)
    # OpenAI's clients take a conflict for what passes.
    headers = {"x-should-retry": "false"} if status == 409 else {}
    if refusal.retry_after is not None:
        headers["retry-after"] = f"{refusal.retry_after:g}"
    field = field or getattr(refusal, "field", None) or _FIELDS.get(refusal.code)
    said = " ".join(filter(None, (str(refusal), refusal.details.hint)))
    error = error_json(_type(status), _CODES.get(refusal.code, refusal.code), said, field)
    return JSONResponse({"error": error}, status, headers)


def _type(status: int) -> str:
    match status:
        case 403:
            return "request_forbidden"
        case 429:
            return LIMIT
        case _:
            return SERVER if status >= 500 else INVALID


def failure(code: str, error: Error | None = None) -> tuple[int, dict[str, Any]]:
    """Return the status and the error of a run that failed with this code, which its `error` says more of."""
    status, type, named = _FAILURES.get(code, _Failure(500, SERVER, code))
    said = error.message if error else _STOPS.get(code) or sentence_of(code)
    if error and error.said:
        said = f"{said} It said: {error.said}" if error.said != said else said
    return status, error_json(type, named, said)


def response_error(code: str, error: Error | None = None) -> dict[str, str]:
    """Return the error of a response whose run failed, which has few codes."""
    _, said = failure(code, error)
    named = said["code"] if code in ("rate_limited", "quota", "context_too_long") else "invalid_prompt"
    return {"code": SERVER if said["type"] == SERVER else named, "message": said["message"]}


def error_line(error: dict[str, Any]) -> bytes:
    """Write an error as an event that OpenAI's clients raise."""
    return b"data: %s\n\n" % json_of({"error": error})
