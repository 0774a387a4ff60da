"""What a model's server says when it fails, in any of the shapes that are about, as a Failure.

An error may be the body of an HTTP error, an event in a stream that began with 200, or a part of a chunk; an object,
a text, or an object within a text; its code a number, a word or a number in a text. What it means is decided here.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import islice
from time import time
from typing import Any

from streamlab.models.event_stream import parse_json
from streamlab.models.failures import Code, Failure, redacted, retry_seconds

_DEPTH = 6  # of errors within errors
_MEMBERS = 20  # of an object or a list that are looked at
_LONGEST = 2_000  # characters of what a server says

_NAMES = frozenset(
    ("code", "type", "status", "status_code", "statuscode", "error_code", "errorcode", "error_type", "reason")
)
_WORDS = frozenset(
    (
        *("message", "msg", "error", "errors", "error_msg", "error_message", "errormessage", "status_msg"),
        *("detail", "details", "description", "title", "metadata", "raw", "body", "headers", "base_resp"),
    )
)
_RESET = "x_ratelimit_reset"
_SPAN = re.compile(
    r"(\d+(?:\.\d+)?) ?(ms|milliseconds?|h|hours?|m|min(?:utes?)?|s|sec(?:onds?)?)(?![a-z])", re.IGNORECASE
)
_WAIT = re.compile(
    rf"(?:try again|retry(?:ing)?|wait)\s+(?:in |after |for |at least |about )*((?:{_SPAN.pattern} ?(?:and )?)+)", re.I
)
_MODEL = re.compile(r"model|deployment", re.IGNORECASE)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}


SERVER_ERRORS = files("streamlab.data").joinpath("server_errors.toml")

_TABLE: dict[str, dict[Code, list[Any]]] = tomllib.loads(SERVER_ERRORS.read_text("utf-8"))
_BY_STATUS: dict[int, Code] = {status: code for code, statuses in _TABLE["statuses"].items() for status in statuses}


def _patterns(kind: str) -> tuple[tuple[Code, re.Pattern[str]], ...]:
    return tuple((code, re.compile("|".join(patterns), re.IGNORECASE)) for code, patterns in _TABLE[kind].items())


_BY_NAME, _BY_SENTENCE = _patterns("names"), _patterns("sentences")
# What a sentence may still mean when the status has said this much; a server that is down says many things.
_NAMED: frozenset[Code] = frozenset(code for code, _ in _BY_SENTENCE) - {"provider_unavailable"}
_LEFT_OPEN: dict[Code, frozenset[Code]] = {
    "rate_limited": frozenset(("quota",)),
    "quota": frozenset(),
    "provider_unavailable": frozenset(("quota", "context_too_long")),
    "model_not_found": _NAMED,
    "address_not_found": _NAMED,
}


@dataclass
class _Told:
    """What an error says: statuses and other names, sentences, and when to come back (seconds)."""

    names: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    wait: float | None = None

    def read(self, part: Any, depth: int = _DEPTH) -> None:
        """Go through an error and the errors within it."""
        match part:
            case str():
                self._read_text(part, depth)
            case list() if depth:
                for item in part[:_MEMBERS]:
                    self.read(item, depth - 1)
            case Mapping() if depth:
                for key, value in islice(part.items(), _MEMBERS):
                    self._read_member(str(key).lower().replace("-", "_"), value, depth - 1)

    def _read_text(self, text: str, depth: int) -> None:
        inner = _within(text) if depth else None
        if inner is None:
            self.sentences.append(text[:_LONGEST])
        else:
            self.read(inner, depth - 1)

    def _read_member(self, key: str, value: Any, depth: int) -> None:
        if key in _NAMES and isinstance(value, str | int) and not isinstance(value, bool):
            self.names.append(str(value))
        elif key in _WORDS or key in _NAMES:
            self.read(value, depth)
        elif "retry" in key or key == _RESET:
            wait = _until(value) if key == _RESET else _span(value)
            self.wait = wait / 1000 if wait is not None and key.endswith("_ms") else wait

    @property
    def status(self) -> int | None:
        """The HTTP status, where a code is one."""
        return next((int(name) for name in self.names if re.fullmatch("[45][0-9][0-9]", name)), None)


def failure_within(value: Mapping[str, Any], key: str = "") -> Failure | None:
    """Find the error that an event of a stream is, or that stands in it; None for an answer's chunk.

    `key` is the secret that was sent: the server may repeat it.
    """
    part = _error_part(value)
    return None if part is None else server_failure(part, key=key)


def server_failure(
    said: Any, status: int | None = None, headers: Mapping[str, str] | None = None, key: str = ""
) -> Failure:
    """Name the failure that a server reports, by its words, its code and its HTTP status, in the order of precision."""
    told = _Told()
    told.read(said)
    wait = _wait(told, headers or {})
    code = _code(told, status or told.status, wait)
    words = " · ".join(dict.fromkeys(" ".join(text.split()) for text in told.sentences if text.strip()))
    detail = redacted(words or " ".join(told.names), key)
    if wait is not None and wait >= 1 and told_wait(detail) is None:
        detail += f"{' · ' if detail else ''}try again in {wait:.0f} s"
    return Failure(code, wait, detail or None)


def told_wait(words: str) -> float | None:
    """Find the seconds to wait in what a server said, such as a failure's `detail`."""
    found = _WAIT.search(words)
    return _span(found[1]) if found else None


def _error_part(value: Mapping[str, Any]) -> Any:
    if value.get("error"):
        return value
    choices = value.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        inner = (choices[0], choices[0].get("delta"), choices[0].get("message"), value.get("x_groq"))
        return next((part for part in inner if isinstance(part, Mapping) and part.get("error")), None)
    base = value.get("base_resp")
    if isinstance(base, Mapping) and base.get("status_code"):  # MiniMax
        return base
    if "error" in (value.get("object"), value.get("type"), value.get("status")):
        return value
    if choices:
        return None
    told = any(value.get(name) for name in ("detail", "errors", "error_msg", "error_message", "errorMessage"))
    return value if told or _sounds_wrong(value) else None


def _sounds_wrong(value: Mapping[str, Any]) -> bool:
    """Tell whether an event with a message and no choices tells of a failure, and not of a queue."""
    if not isinstance(value.get("message") or value.get("msg"), str):
        return False
    told = _Told()
    told.read(value)
    is_named = bool(told.status or _first(_BY_NAME, told.names) or _first(_BY_SENTENCE, told.sentences))
    return is_named or value.get("success") is False


def _code(told: _Told, status: int | None, wait: float | None) -> Code:
    by_status = _by_status(status)
    named = _first(_BY_NAME, told.names)
    if not _MODEL.search(" ".join((*told.names, *told.sentences))):
        by_status, named = (_elsewhere(code) for code in (by_status, named))
    if by_status == "provider_unavailable" and named == "auth":
        named = None  # of a service behind it
    sentence = _sentence(told, by_status or named, wait)
    if named in (None, "bad_request"):
        return sentence or by_status or named or "provider_unavailable"
    return sentence if sentence in ("quota", "context_too_long") and named in _LEFT_OPEN else named


def _elsewhere(code: Code | None) -> Code | None:
    """Take what is not found for an address, where nothing speaks of a model."""
    return "address_not_found" if code == "model_not_found" else code


def _sentence(told: _Told, known: Code | None, wait: float | None) -> Code | None:
    """Find what the sentences add to what is known by a status or a name."""
    found = _first(_BY_SENTENCE, told.sentences)
    if found == "quota" and wait is not None:
        found = "rate_limited"  # it is there again soon
    return found if known is None or found in _LEFT_OPEN.get(known, _NAMED) else None


def _by_status(status: int | None) -> Code | None:
    if status is None:
        return None
    return _BY_STATUS.get(status) or ("provider_unavailable" if status >= 500 else "bad_request")


def _first(patterns: tuple[tuple[Code, re.Pattern[str]], ...], texts: list[str]) -> Code | None:
    return next((code for code, pattern in patterns if any(map(pattern.search, texts))), None)


def _within(text: str) -> Any:
    """Find the object that a text is, or that stands in it after some words."""
    start = min((at for at in map(text.find, "{[") if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        inner = parse_json(text[start:])
    except ValueError:
        return None
    return inner if isinstance(inner, dict | list) else None


def _wait(told: _Told, headers: Mapping[str, str]) -> float | None:
    """Find the seconds to wait, as the headers, the error's own fields or its sentences have them."""
    in_milliseconds = retry_seconds(headers.get("retry-after-ms"))
    if in_milliseconds is not None:
        return in_milliseconds / 1000
    told_by_header = retry_seconds(headers.get("retry-after"))
    if told_by_header is not None:
        return told_by_header
    if told.wait is not None:
        return told.wait
    return next((wait for wait in map(told_wait, told.sentences) if wait is not None), None)


def _span(value: Any) -> float | None:
    """Read a number of seconds, or such as `34s`, `350ms`, `6m0s`."""
    spans = _SPAN.findall(value) if isinstance(value, str) else []
    if not spans:
        return retry_seconds(str(value)) if isinstance(value, int | float | str) else None
    return sum(
        float(number) * (0.001 if unit.lower().startswith(("ms", "milli")) else _SECONDS[unit[0].lower()])
        for number, unit in spans
    )


def _until(value: Any) -> float | None:
    """Read a moment since 1970, in seconds or milliseconds, as seconds from now."""
    moment = retry_seconds(str(value))
    if moment is None:
        return None
    return max(0.0, (moment / 1000 if moment > 1e11 else moment) - time())
