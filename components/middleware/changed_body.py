"""Responses of Streamlit's whose body is changed on its way."""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def serve_changed(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    change: Callable[[bytes], bytes],
    applies: Callable[[Message], bool],
) -> None:
    """Serve the request with the body that `change` makes, where the response's start is one that it `applies` to.

    The body is not compressed then, for it has to be read.
    """
    start: Message | None = None
    body = b""

    async def send_changed(message: Message) -> None:
        nonlocal start, body
        if message["type"] == "http.response.start" and applies(message):
            start = message
        elif start is None:
            await send(message)
        else:
            body += message.get("body", b"")
            if not message.get("more_body"):
                changed = change(body)
                MutableHeaders(scope=start)["content-length"] = str(len(changed))
                await send(start)
                await send({"type": "http.response.body", "body": changed})

    plain = [(name, value) for name, value in Headers(scope=scope).raw if name != b"accept-encoding"]
    await app({**scope, "headers": plain}, receive, send_changed)
