"""What goes wrong with a run: an exception is named by its code, and what a server said is kept without secrets."""

import json
import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time

from langchain_core.exceptions import ContextOverflowError

from streamlab.events.codes import CODES, Code

__all__ = ["CODES", "RETRIED", "Code", "Failure", "common_failure", "redacted", "retry_seconds"]

# Not every word after "key" is one: "the key expired" is what the server says.
_KEY = re.compile(
    r"\b(?:sk|pk|Bearer)[-_ ][\w\-*.]{4,}|\bkey[-_ ](?=[\w\-.]*[\d*])[\w\-*.]{4,}"
    r"|\b(?:gsk_|xai-|hf_|AIza|eyJ)[\w\-.]{10,}"
)

RETRIED: frozenset[Code] = frozenset(("rate_limited", "timeout", "provider_unavailable", "connection_lost", "proxy"))


@dataclass
class Failure(Exception):
    """A run's attempt failed. `retry_after` is the provider's wish in seconds; `detail` is free of secrets."""

    code: Code
    retry_after: float | None = None
    detail: str | None = None

    @property
    def retried(self) -> bool:
        return self.code in RETRIED


def common_failure(error: Exception) -> Failure:
    """Name the failure that an exception amounts to which is no provider's own."""
    match error:
        case Failure():
            return error
        case ContextOverflowError():
            return Failure("context_too_long")
        case TimeoutError():
            return Failure("timeout")
        case json.JSONDecodeError() | UnicodeDecodeError():
            return Failure("connection_lost", detail="the server sent something that is not JSON")
        case ValueError() if str(error) == "No generation chunks were returned":
            return Failure("provider_unavailable", detail="the server sent nothing that is a chunk of an answer")
        case _:
            return Failure("internal", detail=type(error).__name__)


def redacted(text: str, key: str = "") -> str:
    """Take out of the text the key that was sent, whatever that looks like, and what looks like one."""
    text = text.replace(key, "[key]") if len(key) > 8 else text
    return _KEY.sub("[key]", text)[:500]


def retry_seconds(value: str | None) -> float | None:
    """Read a Retry-After header, which is a number or a date (RFC 9110, 10.2.3), as seconds from now."""
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
