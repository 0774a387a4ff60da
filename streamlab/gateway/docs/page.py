"""The page at /docs: rendered here, in the reader's language, with its own files and nothing else."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse

from streamlab.gateway.docs.operations import events, operations
from streamlab.gateway.requests import gateway_of

LANGUAGES = {"en": "English", "ja": "日本語"}
FILES = {"page.css": "text/css", "page.js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-cache"}

_FOLDER = files("streamlab.gateway.docs")

router = APIRouter(redirect_slashes=False, include_in_schema=False)


@router.get("/docs")
@router.head("/docs")
async def docs(request: Request) -> Response:
    """Show every operation, to be read and tried out."""
    language = _language_of(request)
    root = request.scope["root_path"]
    told = operations(request.app.openapi(), root, tokens=not gateway_of(request).access.open)
    page = _template().render(
        text=_texts(language),
        language=language,
        languages=LANGUAGES,
        root=root,
        origin=f"{request.url.scheme}://{request.url.netloc}",
        operations=told,
        tags=dict.fromkeys(each.tag for each in told),
        events=events(),
    )
    return HTMLResponse(page, headers=HEADERS | {"vary": "accept-language", "content-language": language})


@router.get("/docs/{name}")
async def docs_file(name: str) -> Response:
    """Send a file of the page."""
    if name not in FILES:
        raise HTTPException(404)
    return Response((_FOLDER / name).read_bytes(), media_type=FILES[name], headers=HEADERS)


def _language_of(request: Request) -> str:
    """Choose the language: the one that the address names, or the one of ours that the browser wants most."""
    if (named := request.query_params.get("lang")) in LANGUAGES:
        return str(named)
    wanted: dict[str, float] = {}
    for each in request.headers.get("accept-language", "").split(","):
        tag, _, quality = each.partition(";q=")
        language = tag.strip().partition("-")[0].lower()
        if language in LANGUAGES:
            wanted.setdefault(language, _number(quality))
    return max(wanted, key=lambda language: wanted[language], default="en")


def _number(quality: str) -> float:
    try:
        return float(quality or 1)
    except ValueError:
        return 0.0


@cache
def _texts(language: str) -> dict[str, str]:
    texts: dict[str, dict[str, str]] = tomllib.loads((files("locales") / f"{language}.toml").read_text("utf-8"))
    return texts["api"]


def _with_code(text: str) -> Markup:
    """Mark up what stands between backticks."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["code"] = _with_code
    return environment.from_string((_FOLDER / "page.html").read_text("utf-8"))
