"""What can go wrong with a run, as codes: the pages turn a code into a sentence, the log file has the rest."""

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Literal, get_args

import httpx2
import openai
from langchain_core.exceptions import ContextOverflowError

Code = Literal[
    "auth",
    "rate_limited",
    "quota",
    "timeout",
    "provider_unavailable",
    "connection_lost",
    "context_too_long",
    "content_filtered",
    "model_not_found",
    "bad_request",
    "producer_lost",
    "step_limit",
    "internal",
]
CODES: tuple[Code, ...] = get_args(Code)

_NEVER_CONNECTED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.ProxyError)

RETRIED: frozenset[Code] = frozenset(("rate_limited", "timeout", "provider_unavailable", "connection_lost"))

# OpenAI's code; the sentences of vLLM, llama.cpp, LM Studio.
_TOO_LONG = re.compile(r"context[ _](length|window|size)", re.IGNORECASE)


@dataclass
class Failure(Exception):
    """A run's attempt failed. `retry_after` is the provider's wish in seconds; `detail` is free of secrets."""

    code: Code
    retry_after: float | None = None
    detail: str | None = None

    @property
    def retried(self) -> bool:
        return self.code in RETRIED


def classify(error: Exception) -> Failure:
    """The failure that an exception of the model's client amounts to."""
    match error:
        case Failure():
            return error
        case ContextOverflowError():
            return Failure("context_too_long")
        case openai.AuthenticationError() | openai.PermissionDeniedError():
            return Failure("auth")
        case openai.NotFoundError():
            return Failure("model_not_found")
        case openai.RateLimitError(code="insufficient_quota"):
            return Failure("quota")
        case openai.RateLimitError():
            return Failure("rate_limited", retry_after=_retry_after(error.response.headers.get("retry-after")))
        case openai.ContentFilterFinishReasonError():
            return Failure("content_filtered")
        case openai.APIStatusError(status_code=status) if status >= 500 or status in (408, 409, 425):
            return Failure("provider_unavailable", retry_after=_retry_after(error.response.headers.get("retry-after")))
        case openai.BadRequestError() if _TOO_LONG.search(f"{error.code} {error.message}"):
            return Failure("context_too_long")
        case openai.APIStatusError():
            return Failure("bad_request", detail=_said(error))
        case openai.APITimeoutError() | TimeoutError():
            return Failure("timeout")
        case openai.APIConnectionError():
            return Failure("connection_lost" if _was_connected(error) else "provider_unavailable")
        case openai.APIError():
            return Failure("provider_unavailable", detail=_said(error))
        case json.JSONDecodeError() | UnicodeDecodeError():
            return Failure("connection_lost", detail="the server sent something that is not JSON")
        case ValueError() if str(error) == "No generation chunks were returned":
            return Failure("provider_unavailable", detail="the server sent nothing that is a chunk of an answer")
        case _:
            return Failure("internal", detail=type(error).__name__)


def redacted(text: str) -> str:
    """The text without anything that looks like a key."""
    return re.sub(r"\b(sk|pk|key|Bearer)[-_ ][\w\-*.]{4,}", "[key]", text)[:500]


def _said(error: openai.APIError) -> str:
    """The provider's own words. It may repeat the key that it was sent, whatever that looks like."""
    key = error.request.headers.get("authorization", "").removeprefix("Bearer ")
    return redacted(error.message.replace(key, "[key]") if len(key) > 8 else error.message)


def _was_connected(error: openai.APIConnectionError) -> bool:
    """A read that broke off, as opposed to a connection that never was."""
    cause = error.__cause__
    while cause:
        if isinstance(cause, _NEVER_CONNECTED):
            return False
        cause = cause.__cause__
    return True


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header, which is a number or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError):
        return None
