"""What a page has before Streamlit's own script has come: an outline instead of nothing, the app's title, line
breaks, and how a page is printed.

The page that Streamlit serves has an empty element into which its script draws, and which it empties before. Checked
with streamlit 1.67; where a page has another form, it is served as it is, and that is logged.
"""

import logging
from functools import lru_cache

import streamlit as st
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.middleware.changed_body import serve_changed
from components.middleware.content_policy import is_api
from components.page.texts import texts
from components.page.theme import MARK

logger = logging.getLogger(__name__)

TITLE, PLACE = "<title>Streamlit</title>", '<div id="root"></div>'
OUTLINE = "outline"  # a class
# Japanese has no blanks: a line breaks anywhere, unless the browser is asked to look for phrases. All that has no rule
# of its own inherits it; for paragraphs and headings Streamlit has one, which breaks a word that is too long, as this.
PHRASES = """<style>
:root:lang(ja), :root:lang(ja) :is(p, h1, h2, h3, h4, h5, h6) { word-break: auto-phrase; overflow-wrap: anywhere; }
</style>"""
# On paper there is what one reads, in black: nothing to click, no sidebar, no box, whatever the theme.
NOT_READ = (
    *("Sidebar", "Header", "Bottom", "ChatInput", "Toast"),
    *("Button", "DownloadButton", "Popover", "Feedback", "TooltipIcon", "HeaderActionElements"),
)
PRINT = f"""<style>
@media print {{
    {", ".join(f'[data-testid="st{name}"]' for name in NOT_READ)} {{ display: none !important; }}
    #root, #root * {{ color: #000 !important; background-color: transparent !important; }}
    :root, body {{ background: #fff !important; }}
}}
</style>"""


class FirstPaint:
    """Puts the outline into each page that is served."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_asked_by_people(scope):
            await serve_changed(self._app, scope, receive, send, _painted, _is_page)
        else:
            await self._app(scope, receive, send)


def _is_asked_by_people(scope: Scope) -> bool:
    asked = scope["type"] == "http" and scope["method"] == "GET" and not is_api(scope["path"])
    return asked and "text/html" in Headers(scope=scope).get("accept", "")


def _is_page(start: Message) -> bool:
    return start["status"] == 200 and Headers(raw=start["headers"]).get("content-type", "").startswith("text/html")


@lru_cache(maxsize=1)
def _painted(body: bytes) -> bytes:
    page = body.decode()
    if TITLE not in page or PLACE not in page:
        logger.warning("Streamlit's page has another form than is known; it is blank until its script has come")
        return body
    named = page.replace(TITLE, f"<title>{texts('en')['app.title']}</title>{PHRASES}{PRINT}")
    return named.replace(PLACE, PLACE.replace("></", f">{_outline()}</")).encode()


def _outline() -> str:
    shades = {
        theme: f"--ground: {st.get_option(f'theme.{theme}.backgroundColor')};"
        f" --shade: {st.get_option(f'theme.{theme}.secondaryBackgroundColor')};"
        for theme in ("light", "dark")
    }
    bars = '<i style="width: 40%; height: 2rem"></i><i></i><i></i><i style="width: 70%"></i>'
    return f"""<div class="{OUTLINE}" aria-hidden="true"><script>{MARK}</script><style>
.{OUTLINE} {{ {shades["light"]} }}
@media (prefers-color-scheme: dark) {{ .{OUTLINE} {{ {shades["dark"]} }} }}
.{OUTLINE}[data-theme="Light"] {{ {shades["light"]} }}
.{OUTLINE}[data-theme="Dark"] {{ {shades["dark"]} }}
.{OUTLINE} {{ display: flex; position: fixed; inset: 0; background: var(--ground); }}
.{OUTLINE} aside {{ flex: none; width: 300px; background: var(--shade); }}
.{OUTLINE} main {{ flex: 1; padding: 6rem 5rem 1rem; }}
.{OUTLINE} i {{ display: block; height: 1rem; margin-bottom: 1.25rem; border-radius: 8px; background: var(--shade); }}
@media (max-width: 768px) {{ .{OUTLINE} aside {{ display: none; }} .{OUTLINE} main {{ padding: 6rem 1rem 1rem; }} }}
</style><aside></aside><main>{bars}</main></div>"""
