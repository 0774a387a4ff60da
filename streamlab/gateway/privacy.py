"""Follow tokens stand in addresses, and addresses in the web server's log."""

import logging
import re

_TOKEN = re.compile(r"(?<=[?&]token=)[^&\s]+")


def hide_tokens_of(record: logging.LogRecord) -> bool:
    """Take the tokens out of what is logged."""
    if isinstance(record.args, tuple):
        record.args = tuple(_TOKEN.sub("…", arg) if isinstance(arg, str) else arg for arg in record.args)
    return True


def hide_tokens() -> None:
    """Take them out of what uvicorn logs of requests and of WebSockets, from here on."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(hide_tokens_of)  # which is there once, however often it is added
