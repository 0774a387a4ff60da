"""The pages as they look, beside pictures of them that somebody has looked at and found good.

`LAB_ACCEPT_PICTURES=1` puts what is there now in their place: to be looked at before it is committed. What a test has
found different is in artifacts/pictures.
"""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import Browser, Page, expect

from benchmarks.harness import ROOT, chromium, streamlit_server
from components.page.pages import PAGES
from components.page.texts import texts
from streamlab.prompts.checks import MaxWords
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address
from tests.browser import PATIENCE, needs_chromium
from tests.latency_page import document, pairs
from tests.pages import LOCALE, heading, path_of
from tests.test_latency_browser import choose_file
from tests.test_timeline_page import RECORDING, open_recording

pytestmark = [needs_chromium, pytest.mark.soak]

FOLDER = Path(__file__).with_name("pictures")
FOUND = ROOT / "artifacts" / "pictures"
ACCEPT = bool(os.environ.get("LAB_ACCEPT_PICTURES"))
SMALLER = 4  # a picture is kept and compared at this fraction of its size: what fonts differ by is gone there
APART = 40  # levels of 255 by which a pixel differs that is not the same
DIFFERENT = 0.01  # the share of such pixels of a picture that is not the same: of 1280 x 800, a button's
TEXT = "demo?first=0&rate=2000&text=**Streaming**%20sends%20each%20part%20as%20soon%20as%20it%20is%20there."
BLACKENED = "[data-testid=stCaptionContainer], .clock"  # figures differ from run to run


class Look(NamedTuple):
    language: str
    theme: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.language}-{self.theme}-{self.width}"


LOOKS = (Look("en", "light", 1280, 800), Look("ja", "dark", 390, 844))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    expect.set_options(timeout=PATIENCE)
    environment = {"LAB_MODELS": TEXT, "LAB_GRPC_PORT": "0"}
    with streamlit_server(ROOT / "app.py", environment=environment) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def answered(page: Page, words: dict[str, str]) -> None:
    page.get_by_test_id("stChatInputTextArea").fill("SSE?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible()


def recorded(page: Page, words: dict[str, str]) -> None:
    open_recording(page, words, "run.jsonl", RECORDING)
    expect(page.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible()
    page.keyboard.press("Escape")


def measured(page: Page, words: dict[str, str]) -> None:
    choose_file(page, words, "measured.json", document(pairs()))
    expect(page.get_by_text(words["latency.how_sure"])).to_be_visible()
    page.keyboard.press("Escape")


def compared(page: Page, words: dict[str, str]) -> None:
    models = {"A": TEXT.replace("first=0", "first=2"), "B": TEXT}  # so far apart that the sentence is always the same
    variants = tuple(Variant(name=name, template="{topic}?", model=model) for name, model in models.items())
    cases = tuple({"topic": topic} for topic in ("SSE", "gRPC"))
    prompts = PromptSet(variants=variants, columns=("topic",), cases=cases, checks=(MaxWords(value=5),))
    page.goto(f"{page.url}?set={to_address(prompts)}")
    page.get_by_role("button", name=words["prompts.run_answers"].partition("{")[0]).click()
    expect(page.get_by_text(words["prompts.summary"])).to_be_visible()


STATES: dict[str, Callable[[Page, dict[str, str]], None]] = {
    "chat": answered,
    "timeline": recorded,
    "latency": measured,
    "prompts": compared,
}


@pytest.mark.parametrize("look", LOOKS, ids=str)
@pytest.mark.parametrize("state", [*PAGES, *(f"{page}-used" for page in STATES)])
def test_a_page_looks_as_it_did(browser: Browser, url: str, state: str, look: Look) -> None:
    """When it is opened, and with something on it."""
    name, words = state.partition("-")[0], texts(look.language)
    context = browser.new_context(
        locale=LOCALE[look.language],
        color_scheme="dark" if look.theme == "dark" else "light",
        viewport={"width": look.width, "height": look.height},
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url + path_of(name))
    expect(page.get_by_role("heading", level=1)).to_have_text(heading(name, look.language))
    if state.endswith("-used"):
        STATES[name](page, words)
    now = picture(page)
    context.close()
    check(f"{state}-{look}", now)


def picture(page: Page) -> Image.Image:
    """Take the page when it is at rest, small, without figures that differ from run to run."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.mouse.move(0, 0)
    page.wait_for_timeout(1_500)
    no_toast = "[data-testid=stToast] { display: none; }"
    taken = page.screenshot(animations="disabled", mask=[page.locator(BLACKENED)], style=no_toast)
    found = Image.open(io.BytesIO(taken)).convert("RGB")
    return found.resize((found.width // SMALLER, found.height // SMALLER), Image.Resampling.BOX)


def check(name: str, now: Image.Image) -> None:
    kept = FOLDER / f"{name}.webp"
    if ACCEPT:
        FOLDER.mkdir(exist_ok=True)
        now.save(kept, lossless=True)
        return
    share = difference(Image.open(kept).convert("RGB"), now)
    if share > DIFFERENT:
        FOUND.mkdir(parents=True, exist_ok=True)
        now.save(FOUND / f"{name}.png")
    assert share <= DIFFERENT, f"{share:.1%} of {name} is not as it was: see {FOUND}"


def difference(before: Image.Image, now: Image.Image) -> float:
    """Return the share of pixels that are not the same."""
    if before.size != now.size:
        return 1.0
    levels = ImageChops.difference(before, now).convert("L").histogram()
    return sum(levels[APART:]) / sum(levels)


def test_what_moves_is_seen() -> None:
    """A button's size is more than the tolerance, a letter's is not."""
    before = Image.new("RGB", (320, 200), "white")
    for size, seen in (((2, 3), False), ((40, 17), True)):
        now = before.copy()
        now.paste((0, 90, 200), (20, 20, 20 + size[0], 20 + size[1]))
        assert (difference(before, now) > DIFFERENT) == seen
