"""Streamlit's own error dialogs, turned off: they speak to developers, and in English. Ours stand in for them.

Where Streamlit is embedded its host may do so, by an answer of `/_stcore/host-config`, which its documentation of
`client.allowedOrigins` recommends to override. It then only tells the window what it would have shown, and
components/page/connection.py says it in the page's language. Checked with streamlit 1.67; without that answer, or if it
has another form one day, the dialogs are back.
"""

import json
import logging

from starlette.types import ASGIApp, Receive, Scope, Send

from components.middleware.changed_body import serve_changed

logger = logging.getLogger(__name__)

PATH = "/_stcore/host-config"
SWITCH = "blockErrorDialogs"


class HostConfig:
    """Changes the one value in the answer that Streamlit gives."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].endswith(PATH):
            await self._app(scope, receive, send)
            return
        await serve_changed(self._app, scope, receive, send, _changed, lambda start: start["status"] == 200)


def _changed(body: bytes) -> bytes:
    try:
        config = json.loads(body)
        known = config[SWITCH] in (True, False)
    except (ValueError, TypeError, KeyError):
        known = False
    if not known:
        logger.warning("Streamlit's host configuration has another form than is known; its error dialogs stay")
        return body
    return json.dumps(config | {SWITCH: True}).encode()
