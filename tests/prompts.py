"""Sets of prompts, and their page in a real browser."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from streamlit.testing.v1 import AppTest

from benchmarks.harness import chromium, wait_until
from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.prompts.checks import Contains, Json, JsonSchema, MaxWords, NotContains, Regex
from streamlab.prompts.comparison import count_answers
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address
from tests.browser import MODELS, is_error
from tests.conftest import demo_model
from tests.pages import LOCALE, checked

FAST = MODELS["fast"]
PATIENCE = 20.0  # seconds until a test that waits in vain gives up

Browse = Callable[..., Page]

in_english = pytest.mark.parametrize("language", ["en"])  # what takes a while, and is in few words
in_japanese = pytest.mark.parametrize("language", ["ja"])


def said(language: str, key: str, **values: object) -> str:
    """Return what the page says, as people see it: the Markdown escape of a dollar is gone."""
    return texts(language)[key].format(**values).replace("\\", "")


def prompt_set(*models: str, **values: Any) -> PromptSet:
    """Make variants A, B and so on, which ask for the topic of the case where there is one."""
    template = "Tell me about {topic}." if "columns" in values else "What is streaming?"
    variants = [
        Variant(name=name, template=template, model=model) for name, model in zip("ABCDEF", models, strict=False)
    ]
    return PromptSet.model_validate({"variants": variants, **values})


def topics(*names: str) -> dict[str, Any]:
    return {"columns": ["topic"], "cases": [{"topic": name} for name in names]}


CHECKS = (
    Contains(value="{capital}"),
    NotContains(value="lyon", ignore_case=True),
    Regex(value=r"^\{"),
    Json(),
    JsonSchema(value='{"type": "object", "required": ["capital"]}'),
    MaxWords(value=2),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with chromium() as browser:
        yield browser


@pytest.fixture
def browse(browser: Browser, shared_app: str) -> Iterator[Browse]:
    """Open the page in a browser profile of its own, with a set. Whatever the test does, no script of it fails."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(language: str = "en", prompts: PromptSet | None = None, address: str = "") -> Page:
        context = browser.new_context(
            locale=LOCALE[language], viewport={"width": 1280, "height": 1000}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.extend([message.text] if is_error(message) else []))
        page.on("pageerror", lambda error: errors.append(str(error)))
        shared = f"?set={to_address(prompts)}" if prompts else ""
        page.goto(address or f"{shared_app}/prompts{shared}")
        expect(run_button(page, language).or_(button(page, said(language, "prompts.stop")))).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def run_button(page: Page, language: str = "en") -> Locator:
    """Find the button that asks for so and so many answers."""
    begins = texts(language)["prompts.run_answers"].partition("{")[0]
    return page.get_by_test_id("stMain").get_by_role("button", name=begins)


def button(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True)


def column(page: Page, name: str) -> Locator:
    """Find where a variant's answer arrives."""
    heading = page.locator(f"strong:text-is('{name}')")
    return page.get_by_test_id("stColumn").filter(has=heading)


def words_of(place: Locator) -> list[str]:
    """Return the words of a synthetic answer that are shown."""
    return re.findall(r"word\d+", place.inner_text())


def grown(place: Locator) -> None:
    """Wait until there are more words than now."""
    before = len(words_of(place))
    wait_until(lambda: len(words_of(place)) > before, PATIENCE)


def ended(page: Page, language: str = "en") -> None:
    """Wait until all answers are there, and the set can be run again."""
    expect(run_button(page, language)).to_be_visible()
    expect(page.get_by_text(said(language, "prompts.summary"), exact=True)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def row(page: Page, language: str, criterion: str) -> Locator:
    """Find the variants' values, as the summary has them, which is folded."""
    if not page.get_by_test_id("stTable").is_visible():
        page.get_by_text(said(language, "prompts.summary"), exact=True).click()
    name = said(language, f"prompts.criterion_{criterion}")
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True)).get_by_role("cell")


def asked(demo: DemoModel, *models: str) -> list[dict[str, Any]]:
    """Return what the provider was asked of these, oldest first."""
    log = httpx2.get(demo.base_url.removesuffix("/v1") + "/requests").raise_for_status().json()
    return [entry for entry in log if entry["model"] in models]


def most_at_once(records: list[dict[str, Any]]) -> int:
    """Requests between being received and their last chunk."""
    changes = [(record["received"], 1) for record in records] + [(record["written"][-1], -1) for record in records]
    open_now, most = 0, 0
    for _, change in sorted(changes):
        open_now += change
        most = max(most, open_now)
    return most


def provider_model(**options: object) -> str:
    """A name that no other test uses, of the provider's: what it was asked can be read, what it costs is not listed."""
    return demo_model(**options).replace("demo", "demo-provider", 1)


def table(page: Page, role: str, text: str = "") -> Locator:
    """What the table of cases has drawn, by the one that it keeps for screen readers."""
    cells = page.get_by_test_id("data-grid-canvas").last.locator(f"[role={role}]")
    return cells.filter(has_text=re.compile(f"^{re.escape(text)}$")) if text else cells


def case(page: Page, label: str) -> Locator:
    """Find the button that opens a case, in its row of the grid."""
    return button(page, label)


def choose(page: Page, label: str, option: str) -> None:
    """By typing, for of many options the list holds only those that fit on the screen.

    The click first: it brings the box into view, and scrolling closes a list.
    """
    box = page.get_by_role("combobox", name=label)
    expect(box).to_have_count(1)  # what stood elsewhere before is gone
    box.click()
    box.fill(option)
    expect(page.get_by_role("option", name=option, exact=True)).to_be_visible()
    box.press("Enter")


def describe(language: str, prompts: PromptSet) -> str:
    """What a set has, as the line says to which it is folded."""
    counts = {"variants": len(prompts.variants), "cases": len(prompts.inputs()), "checks": len(prompts.checks)}
    counts["repeats"] = prompts.repeats if prompts.repeats > 1 else 0
    return " · ".join(
        said(language, f"prompts.count_{name}", number=number) for name, number in counts.items() if number
    )


def captions(app: AppTest) -> list[str]:
    return [caption.value for caption in app.caption]


def write_template(app: AppTest, language: str, text: str) -> AppTest:
    """As the first variant's."""
    area = next(area for area in app.text_area if area.label == said(language, "prompts.template"))
    return checked(area.set_value(text).run())


def run_what(language: str, prompts: PromptSet) -> str:
    """How much the set asks for, as it stands in the button."""
    return said(language, "prompts.run_answers", answers=f"{count_answers(prompts):,}")


BROKEN_TEMPLATES = [
    ("", "empty", 1),
    (" \n", "empty", 1),
    ("{", "open_brace", 1),
    ("About }", "close_brace", 7),
    ("About {}", "empty_name", 7),
    ("About {a b}", "bad_name", 7),
]
