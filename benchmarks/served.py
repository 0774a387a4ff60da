"""The app and the plain pages beside it, with the demo model as their provider; and the app's prompts page."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks.harness import APPS, ROOT, Server, get, streamlit_server
from streamlab.demo_model.process import DemoModel

RUN = "Run"  # the button of our page and of the plain one
TIMEOUT_MS = 120_000

Round = dict[str, float]


def serve_app(demo: DemoModel, model: str) -> AbstractContextManager[Server]:
    """Serve the app itself, with this model as the only one."""
    return streamlit_server(ROOT / "app.py", environment=_environment(demo, model))


def serve_plain(script: str, demo: DemoModel, model: str) -> AbstractContextManager[Server]:
    """Serve a plain page under Streamlit's defaults, from a folder without settings."""
    return streamlit_server(APPS / script, environment=_environment(demo, model), folder=APPS)


def _environment(demo: DemoModel, model: str) -> dict[str, str]:
    return {
        "LAB_MODELS": model,
        "OPENAI_BASE_URL": demo.base_url,
        "OPENAI_API_KEY": "demo",
        "LAB_MAX_RUNS": "1000",
        "LAB_LOG_LEVEL": "warning",
        "LAB_ATTEMPTS": "1",
    }


def requests(demo: DemoModel) -> list[dict[str, Any]]:
    """Return what the model noted of each request."""
    return list(get(demo.base_url.replace("/v1", "/requests")))


def answered_requests(demo: DemoModel, question: str) -> list[dict[str, Any]]:
    """Return the model's records of this question. Raise RuntimeError if one is not answered whole."""
    records = [record for record in requests(demo) if record["prompt"]["user"].startswith(f"{question}, ")]
    if broken := [record["ended"] for record in records if record["ended"] != "completed"]:
        raise RuntimeError(f"{question}: {len(broken)} of {len(records)} answers are {broken[0]}")
    return records


@contextmanager
def open_page(browser: Browser, address: str) -> Iterator[Page]:
    """Open a page in a browser session of its own."""
    with browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(address)
        page.get_by_role("button", name=RUN, exact=True).wait_for()
        page.wait_for_timeout(1_500)  # whatever loads late
        yield page


def print_round(name: str, found: Round) -> None:
    print(f"  {name}: " + ", ".join(f"{key} {value:,.3g}" for key, value in found.items()), flush=True)
