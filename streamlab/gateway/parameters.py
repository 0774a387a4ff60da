"""What the routes of every protocol take besides their own: the gateway, who asks, and the key of a request."""

from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer

from streamlab.gateway.access import Grant
from streamlab.gateway.gateway import Gateway
from streamlab.gateway.requests import caller_of, gateway_of

bearer = HTTPBearer(
    auto_error=False, description="one of the server's GATEWAY_TOKENS, or to read one run a follow token"
)
access_code = APIKeyHeader(
    name="X-Access-Code", auto_error=False, description="where no tokens are set: opens the models that cost money"
)
follow_token = APIKeyQuery(name="token", auto_error=False, description="a follow token; reads one run")


async def _identify(
    request: Request, _: Annotated[object, Security(bearer)], __: Annotated[object, Security(access_code)]
) -> Grant:
    return gateway_of(request).access.identify(caller_of(request))


async def _allow_reading(
    request: Request,
    run_id: str,
    _: Annotated[object, Security(bearer)],
    __: Annotated[object, Security(follow_token)],
) -> Grant:
    return gateway_of(request).access.allow_reading(caller_of(request), run_id)


async def _the_gateway(request: Request) -> Gateway:
    return gateway_of(request)


TheGateway = Annotated[Gateway, Depends(_the_gateway)]
FullAccess = Annotated[Grant, Depends(_identify)]
ReadAccess = Annotated[Grant, Depends(_allow_reading)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="the same key and body within 24 hours answer with the same run",
    ),
]
