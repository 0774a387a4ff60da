"""What a request or a WebSocket handshake says of its caller, as plain values."""

from starlette.requests import HTTPConnection

from streamlab.gateway.access import FORWARDING, Caller
from streamlab.gateway.errors import Refused
from streamlab.gateway.gateway import Gateway


def caller_of(connection: HTTPConnection) -> Caller:
    headers = connection.headers
    return Caller(
        client=connection.client.host if connection.client else None,
        host=headers.get("host"),
        origin=headers.get("origin"),
        forwarded=any(name in headers for name in FORWARDING),
        authorization=headers.get("authorization"),
        token=connection.query_params.get("token"),
    )


def gateway_of(connection: HTTPConnection) -> Gateway:
    """The one that serves the application that was asked. Raises Refused while there is none."""
    gateway: Gateway | None = getattr(connection.app.state, "gateway", None)
    if gateway is None:
        raise Refused(503, "not_ready", "The server is starting or has ended.", "Ask again in a moment.", retry_after=1)
    return gateway
