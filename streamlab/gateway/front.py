"""What the gateway says of itself: the way to go on, its description, how it is, its figures."""

import shlex
from importlib.resources import files
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response, Security
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, JSONResponse, RedirectResponse

from streamlab.gateway.errors import ErrorBody, draining, refusals, unavailable
from streamlab.gateway.headers import page_policy
from streamlab.gateway.parameters import TheGateway, bearer
from streamlab.gateway.requests import caller_of, gateway_of

EXAMPLE = files("examples") / "browser.html"
EXAMPLE_POLICY = page_policy(EXAMPLE.read_text("utf-8"))


class WayToGoOn(BaseModel):
    """Addresses are those of this server, to be put after its name."""

    name: Literal["Streaming Lab"]
    docs: str = Field(description="every path, to be read and tried out in a browser")
    openapi: str = Field(description="the same for programs")
    example: str = Field(description="a page that asks, whose source is an example")
    health: str
    ready: str
    ask: str = Field(description="a line for the terminal")


class Health(BaseModel):
    status: Literal["ok", "ready"]


async def _allow_metrics(request: Request, _: Annotated[object, Security(bearer)]) -> None:
    gateway_of(request).access.allow_metrics(caller_of(request))


router = APIRouter(redirect_slashes=False, tags=["server"])


@router.get("/", responses=refusals() | {200: {"model": WayToGoOn}}, response_class=JSONResponse)
@router.head("/", include_in_schema=False)
async def where_to_go(request: Request) -> Response:
    """Find what there is. A browser is led to the description that people read."""
    at = request.scope["root_path"]
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse(f"{at}/docs", headers={"vary": "accept"})
    token = "" if gateway_of(request).access.open else ' -H "authorization: Bearer $TOKEN"'
    address = shlex.quote(f"{request.url.scheme}://{request.url.netloc}{at}/chat")
    body = """-H 'content-type: application/json' -d '{"message":"hi","model":"demo"}'"""
    way = WayToGoOn(
        name="Streaming Lab",
        docs=f"{at}/docs",
        openapi=f"{at}/openapi.json",
        example=f"{at}/examples/browser",
        health=f"{at}/healthz",
        ready=f"{at}/readyz",
        ask=f"curl -N -X POST {address}{token} {body}",
    )
    return JSONResponse(way.model_dump(), headers={"vary": "accept"})


@router.get("/healthz", responses={500: {"model": ErrorBody}})
@router.head("/healthz", include_in_schema=False)
async def healthz() -> Health:
    """Ask whether the process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses={500: {"model": ErrorBody}, 503: {"model": ErrorBody}})
@router.head("/readyz", include_in_schema=False)
async def readyz(gateway: TheGateway) -> Health:
    """Ask whether the process takes new callers: 503 while it starts, while its store takes nothing that is written,
    and as soon as it is told to end.
    """
    if gateway.leaving:
        raise draining()
    if why := await gateway.why_not_ready():
        raise unavailable(why)
    return Health(status="ready")


@router.get(
    "/metrics",
    dependencies=[Depends(_allow_metrics)],
    responses=refusals() | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def metrics(gateway: TheGateway) -> Response:
    """Read the figures of this process, for Prometheus. GATEWAY_METRICS_TOKEN reads them too, and nothing else."""
    return Response(gateway.metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/examples/browser",
    responses=refusals() | {200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
    response_class=FileResponse,
)
async def browser_example() -> FileResponse:
    """Open a page that asks and shows the answer with what every browser has; its source is the example."""
    return FileResponse(str(EXAMPLE), media_type="text/html", headers={"content-security-policy": EXAMPLE_POLICY})
