"""What can go wrong with a run, as codes, and what each of them says to people."""

from collections.abc import Mapping
from typing import Literal, get_args

Code = Literal[
    "auth",
    "rate_limited",
    "quota",
    "timeout",
    "provider_unavailable",
    "connection_lost",
    "proxy",
    "certificate",
    "context_too_long",
    "content_filtered",
    "model_not_found",
    "address_not_found",
    "bad_request",
    "producer_lost",
    "step_limit",
    "internal",
]
CODES: tuple[Code, ...] = get_args(Code)

SENTENCES: Mapping[str, str] = {
    "auth": "The provider refused the key.",
    "rate_limited": "The provider is receiving too many requests.",
    "quota": "The provider's account has no credit left.",
    "timeout": "The model took too long to answer.",
    "provider_unavailable": "The model's server could not be reached or reported a failure.",
    "connection_lost": "The connection to the model broke off.",
    "proxy": "The request did not get through the proxy.",
    "certificate": "The server's certificate is not trusted.",
    "context_too_long": "The conversation is longer than the model can read.",
    "content_filtered": "The provider's content filter ended the answer.",
    "model_not_found": "The server does not know this model.",
    "address_not_found": "The model's server has no such address.",
    "bad_request": "The server refused the request.",
    "producer_lost": "This answer was cut off: its server ended, or could not save it.",
    "step_limit": "The model kept calling tools and was stopped.",
    "internal": "An unexpected problem occurred here.",
}
UNKNOWN_CODE = "The run failed for a reason that is not known here."


def sentence_of(code: str) -> str:
    """Say what a code means; it may be one of a recording, or of a later version."""
    return SENTENCES.get(code, UNKNOWN_CODE)
