"""The connection beneath a request. ASGI has no words for what a stream needs of it, so it is looked for: uvicorn's
`receive` is a method of the object that has the transport. On a server that hides it, streams work without.
"""

import asyncio
import socket

from starlette.types import Receive


def send_at_once(receive: Receive) -> None:
    """Let small pieces go without waiting for the client's word on the last one (Nagle's algorithm).

    asyncio sets this itself, but not where the listening socket was made without naming TCP, as Streamlit's is.
    """
    transport = _transport(receive)
    connection = transport.get_extra_info("socket") if transport else None
    if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def abort(receive: Receive, task: asyncio.Task[None] | None) -> None:
    """Close a connection whose client does not read; a polite close would wait for the client. Where the connection
    cannot be found the task that sends is cancelled.
    """
    if transport := _transport(receive):
        transport.abort()
    elif task:
        task.cancel()


def _transport(receive: Receive) -> asyncio.Transport | None:
    transport: asyncio.Transport | None = getattr(getattr(receive, "__self__", None), "transport", None)
    return transport if callable(getattr(transport, "abort", None)) else None
