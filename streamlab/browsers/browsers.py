"""Which browser is which: a random id that the browser keeps in a cookie, signed by a secret that the store keeps."""

import secrets
import time
from datetime import UTC

from itsdangerous import BadData, URLSafeTimedSerializer

from streamlab.hub.shared import DocumentType, Shared

COOKIE = "streamlab_browser"
SECONDS = 365 * 86_400  # for which a browser is known after its last visit
RENEWED = 86_400.0  # seconds after which a visit makes the year begin anew

SECRETS = DocumentType("browser_secret", str.encode, bytes.decode, float(SECONDS), 10, lasting=True)


class Browsers:
    """Belongs to one event loop. Every method raises HubUnreachable when the store does not answer.

    The secret is read each time, for to read it is to keep it. Whoever shares the store knows the same browsers.
    """

    def __init__(self, shared: Shared) -> None:
        self._secrets = shared.documents(SECRETS)

    async def find(self, ticket: str | None) -> str | None:
        """Return the id of the browser that has this ticket; None for one that is none of ours, or too old."""
        return (await self._read(ticket))[0]

    async def renewed(self, ticket: str | None) -> str | None:
        """Return the ticket that the browser is to keep from now on; None if the one that it has is good for long."""
        browser, age = await self._read(ticket)
        if browser and age < RENEWED:
            return None
        return (await self._signer()).dumps(browser or secrets.token_urlsafe(16))

    async def _read(self, ticket: str | None) -> tuple[str | None, float]:
        """Return who has the ticket, and how many seconds ago it was made."""
        if not ticket:
            return None, 0.0
        try:
            browser, made = (await self._signer()).loads(ticket, max_age=SECONDS, return_timestamp=True)
        except BadData:
            return None, 0.0
        return str(browser), time.time() - made.replace(tzinfo=UTC).timestamp()

    async def _signer(self) -> URLSafeTimedSerializer:
        known = None
        while not known:
            known = await self._secrets.get("browsers") or await self._secrets.add(
                "browsers", secrets.token_urlsafe(32)
            )
        return URLSafeTimedSerializer(known.document, salt="streamlab browser")


def cookie_name(host: str | None) -> str:
    """Name the cookie after the port: browsers send cookies to every port of a host, where another lab may be."""
    port = (host or "").rpartition("]")[2].partition(":")[2]
    return f"{COOKIE}_{port}" if port.isdecimal() else COOKIE
