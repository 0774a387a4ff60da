"""Follow tokens stand in addresses, and addresses in the web server's log."""

import logging
import re

_TOKEN = re.compile(r"(?<=[?&]token=)[^&\s]+")


class HideTokens(logging.Filter):
    """Takes the tokens out of what is logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(_TOKEN.sub("…", arg) if isinstance(arg, str) else arg for arg in record.args)
        return True


def hide_tokens() -> None:
    """Take them out of what uvicorn logs of requests and of WebSockets, from here on."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, HideTokens) for each in logger.filters):
            logger.addFilter(HideTokens())
