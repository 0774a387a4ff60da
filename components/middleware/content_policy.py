"""What a page may load, and from where: nothing from another host. And where it may be shown: in no other page."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.page.folder import folder
from components.page.theme import MARK

API = "/api"  # has pages and rules of its own


def is_api(path: str) -> bool:
    """Tell whether the gateway serves this path, which may be beneath the pages' folder."""
    return f"{path}/".startswith((f"{API}/", f"{folder()}{API}/"))


def _inline_scripts() -> list[str]:
    """Return the hashes of the scripts within the page that Streamlit serves, and of ours."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    return [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in (*scripts, MARK)]


# As strict as streamlit 1.67 allows: it puts styles into the page, compiles what charts compute (Vega), reads its
# components' scripts from blobs, and draws (and saves) pictures and fonts that it holds as `data:` or blobs.
POLICY = "; ".join(
    (
        "default-src 'self'",
        f"script-src 'self' 'unsafe-eval' blob: {' '.join(_inline_scripts())}",
        "style-src 'self' 'unsafe-inline'",
        "connect-src 'self' data: blob:",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",  # for browsers that do not know frame-ancestors
    "referrer-policy": "same-origin",  # the address of a conversation opens it
}


class ContentPolicy:
    """Sends the policy with whatever the pages are served from."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        guarded = scope["type"] == "http" and not is_api(scope["path"])
        await self._app(scope, receive, send_with_policy if guarded else send)
