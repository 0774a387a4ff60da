"""What browsers are told to do with an answer of the gateway: to take it for what it is, and nothing more."""

import re
from base64 import b64encode
from hashlib import sha256

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",  # a follow token stands in an address
}
POLICY = "default-src 'none'; frame-ancestors 'none'"  # of data, which loads nothing
PAGE_POLICY = "frame-ancestors 'none'; base-uri 'none'; object-src 'none'; form-action 'self'"


def page_policy(page: str) -> str:
    """Make the policy of a page that holds all that it needs, and asks nobody but the gateway."""
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL)
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    loads = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; connect-src 'self'; img-src 'self'"
    return f"{loads}; {PAGE_POLICY}"


def guarding(app: ASGIApp) -> ASGIApp:
    """Send them with every answer. A page may have brought a Content-Security-Policy of its own."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                page = headers.get("content-type", "").startswith("text/html")
                headers.setdefault("content-security-policy", PAGE_POLICY if page else POLICY)
            await send(message)

        await app(scope, receive, send_guarded if scope["type"] == "http" else send)

    return guard
