"""`python -m scripts.screenshots`: the READMEs' pictures, and every state of every page in each look.

The pictures go to docs/images, the rest to artifacts/screenshots, to be looked at.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product

from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.harness import ROOT, chromium, free_port, streamlit_server
from components.page.texts import texts
from scripts.pages import (
    LOCALES,
    SIZES,
    WAIT,
    Theme,
    address,
    ask,
    button,
    measure,
    measure_button,
    open_page,
    press,
    scroll,
    settle,
    unfold,
)
from streamlab.local_model.server import model_file

FOLDER = ROOT / "artifacts" / "screenshots"
IMAGES = ROOT / "docs" / "images"
PICTURES = {
    "en": ("chat.png", "How is latency measured?", "Can you give me an example?"),
    "ja": ("chat.ja.png", "遅延はどう測りますか？", "例を教えてください"),
}
RICH = {"en": "How is latency measured? Show details", "ja": "遅延はどう測りますか？詳しく"}  # table, code, formula
FAILING = "demo?fault=cut&after=60"

THEMES: list[Theme] = ["light", "dark"]


def main() -> None:
    os.environ |= {
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": "",
        "LAB_STORE": "memory:",
        "LAB_MODELS": f"demo,{FAILING}",
        "LAB_LANGUAGE": "auto",
    }
    os.environ["LAB_GRPC_PORT"] = str(free_port())
    expect.set_options(timeout=WAIT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with streamlit_server(ROOT / "app.py", environment={"LAB_MODELS": ""}) as server, chromium() as browser:
        for language in LOCALES:
            take_local_picture(browser, server.url, language)
    with streamlit_server(ROOT / "app.py") as server, chromium() as browser:
        for language in LOCALES:
            take_readme_pictures(browser, server.url, language)
            finished, failed = prepare(browser, server.url, language)
            for theme, size in product(THEMES, SIZES):
                with open_page(browser, server.url, language, theme, size) as page:
                    take_all(page, language, f"{language}-{theme}-{size['width']}x{size['height']}", finished, failed)


@contextmanager
def picture(
    browser: Browser, url: str, language: str, name: str, height: int, file: str | None = None
) -> Iterator[Page]:
    """Yield the page of this name, of which the README's picture is taken at the end; `file` is that one's name."""
    with open_page(browser, url, language, "light", {"width": 1280, "height": height}) as page:
        page.goto(f"{url}/{name}")
        yield page
        settle(page)
        page.screenshot(path=IMAGES / PICTURES[language][0].replace("chat", file or name))


def coldest(page: Page, words: dict[str, str]) -> None:
    """Set the temperature to 0: always the same words."""
    button(page, words["settings.label"]).click()
    page.get_by_role("slider").press("Home")
    expect(page.get_by_role("slider")).to_have_value("0")
    page.keyboard.press("Escape")


def take_readme_pictures(browser: Browser, url: str, language: str) -> None:
    """Take a second answer, short enough to be seen whole, with a table; a run with parallel calls; a measurement."""
    words = texts(language)
    with picture(browser, url, language, "chat", 800) as page:
        coldest(page, words)
        answers = page.get_by_label("Chat message from assistant")
        for number, question in enumerate(PICTURES[language][1:]):
            ask(page, question)
            expect(answers.nth(number).get_by_role("button", name=words["chat.regenerate"])).to_be_visible()
        page.reload()
        expect(answers.nth(1).get_by_role("button", name=words["chat.regenerate"])).to_be_visible()
        settle(page)
        answers.nth(1).hover()
        page.mouse.wheel(0, -44)  # the question as well
    with picture(browser, url, language, "timeline", 800) as page:
        press(page, words["timeline.suggestion_three_steps"])
        expect(page.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible()
    with picture(browser, url, language, "latency", 1000) as page:
        measure(page, words, pairs=10)
        expect(page.get_by_text(words["latency.how_sure"])).to_be_visible(timeout=3 * WAIT)


def take_local_picture(browser: Browser, url: str, language: str) -> None:
    """Take an answer of the local model's, where that is installed."""
    words = texts(language)
    if model_file(None) is None:
        print("the local model is not installed (make local): its picture stays as it is")
        return
    with picture(browser, url, language, "chat", 640, "local") as page:
        page.locator(".st-key-settings-model").get_by_role("combobox").click()
        page.get_by_role("option", name="SmolLM2").click()
        coldest(page, words)
        ask(page, "Describe the sea in two sentences.")  # in the one language that it writes
        expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible(timeout=3 * WAIT)


def prepare(browser: Browser, url: str, language: str) -> tuple[str, str]:
    """Return the addresses of a finished conversation and of one that failed."""
    words = texts(language)
    with open_page(browser, url, language, "light", SIZES[0]) as page:
        ask(page, RICH[language])
        expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible()
        finished = page.url
        page.get_by_role("button", name=words["chat.new"]).click()
        page.locator(".st-key-settings-model").get_by_role("combobox").click()
        page.get_by_role("option").last.click()
        ask(page, words["suggestions.one"])
        expect(page.get_by_role("button", name=words["chat.retry"])).to_be_visible()
        return finished, page.url


def take_all(page: Page, language: str, variant: str, finished: str, failed: str) -> None:
    words = texts(language)

    def take(state: str) -> None:
        settle(page)
        page.screenshot(path=FOLDER / f"{state}-{variant}.png")

    take("empty")
    page.get_by_role("button", name=words["suggestions.two"]).click()
    expect(page.get_by_label("Chat message from assistant").locator("p").nth(3)).to_be_visible()
    page.screenshot(path=FOLDER / f"answering-{variant}.png")
    page.get_by_role("button", name=words["chat.stop"]).click()
    expect(page.get_by_text(words["chat.stopped"])).to_be_visible()
    take("stopped")
    page.goto(finished)
    expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible()
    take("finished")
    take_home(page, words, take)
    page.goto(finished)
    expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible()
    take_timeline(page, words, take)
    take_latency(page, words, take)
    take_prompts(page, words, take)
    take_chunks(page, words, take)
    take_faults(page, words, take)
    take_relay(page, words, take)
    page.goto(failed)
    expect(page.get_by_role("button", name=words["chat.retry"])).to_be_visible()
    take("failed")
    page.goto(finished.replace("/chat", "/about"))
    expect(page.get_by_role("img", name="Mermaid flowchart")).to_be_visible()
    take("about")


def take_home(page: Page, words: dict[str, str], take: Callable[[str], None]) -> None:
    """Take the recorded race, a live one, and what it came to."""
    page.goto(address(page, ""))
    expect(page.get_by_text(words["home.clock_reading"])).to_be_visible()
    take("home")
    press(page, words["home.race"])
    expect(page.get_by_text(words["home.clock_reading"])).to_be_visible()
    take("home-live")
    expect(button(page, words["home.again"])).to_be_visible()
    take("home-ended")


def take_timeline(page: Page, words: dict[str, str], take: Callable[[str], None]) -> None:
    """Take the agent in the chat, and its page: empty, live, ended with each tab, replayed, compared."""
    totals = page.get_by_role("tab", name=words["timeline.tab_totals"])
    page.get_by_role("button", name=words["chat.new"]).click()
    page.get_by_text(words["chat.tools"], exact=True).click()
    page.get_by_role("button", name=words["timeline.suggestion_two_tools"]).click()
    expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible()
    take("tools")
    page.get_by_test_id("stExpander").last.click()
    take("tools-open")
    page.get_by_role("link", name=words["chat.timeline"]).click()
    expect(totals).to_be_visible()
    take("timeline-from-chat")
    page.get_by_role("button", name=words["timeline.new"]).click()
    take("timeline-empty")
    page.get_by_role("button", name=words["timeline.suggestion_parallel"]).click()
    expect(page.locator(".row .bar").first).to_be_visible()
    page.wait_for_timeout(1_500)
    take("timeline-live")
    expect(totals).to_be_visible()
    take("timeline-ended")
    for name in ("results", "events", "sequence", "totals"):
        tab = page.get_by_role("tab", name=words[f"timeline.tab_{name}"])
        tab.click()
        tab.scroll_into_view_if_needed()
        scroll(page, 2_000)
        take(f"timeline-{name}")
    box = page.get_by_role("combobox", name=words["timeline.compare"])
    box.scroll_into_view_if_needed()
    box.click()
    page.get_by_role("option").first.click()
    take("timeline-compared")
    page.get_by_role("button", name="2×").click()
    page.wait_for_timeout(1_500)
    take("timeline-replayed")


def take_latency(page: Page, words: dict[str, str], take: Callable[[str], None]) -> None:
    """Take the form, a live measurement, and each part of the finished one."""
    page.goto(address(page, "latency"))
    expect(measure_button(page, words)).to_be_visible()
    take("latency-start")
    measure(page, words, pairs=6)
    expect(page.locator(".pairs [data-state=made]").first).to_be_visible()
    take("latency-live")
    expect(page.get_by_text(words["latency.how_sure"])).to_be_visible()
    take("latency-ended")
    for name in ("how_sure", "tab_figures", "saving"):
        unfold(page, words[f"latency.{name}"])
        scroll(page, 2_000)
        take(f"latency-{name}")


def take_prompts(page: Page, words: dict[str, str], take: Callable[[str], None]) -> None:
    """Take the editor with each tab, two answers live and ended, and a grid of cases."""
    page.goto(address(page, "prompts"))
    run = page.get_by_role("button", name=words["prompts.run_answers"].partition("{")[0])
    stop = button(page, words["prompts.stop"])
    expect(run).to_be_enabled()
    take("prompts-start")
    for name in ("cases", "checks"):
        page.get_by_role("tab", name=words[f"prompts.tab_{name}"]).click()
        take(f"prompts-{name}")
    run.click()
    expect(stop).to_be_visible()
    scroll(page, 700)
    take("prompts-live")
    expect(stop).to_be_hidden()
    take("prompts-ended")
    page.mouse.wheel(0, 5_000)
    take("prompts-difference")
    page.goto(address(page, "prompts"))
    page.get_by_role("tab", name=words["prompts.tab_cases"]).click()
    page.get_by_role("button", name=words["prompts.csv"]).click()
    pasted = page.get_by_role("textbox", name=words["prompts.pasted"])
    pasted.fill("\n".join((words["prompts.first_column"], "SSE", "gRPC", "WebSocket", "tokens")))
    pasted.press("Control+Enter")
    page.get_by_role("button", name=words["prompts.take_pasted"]).click()
    page.keyboard.press("Escape")
    expect(page.get_by_text(words["prompts.cases_count"].format(number=4))).to_be_visible()
    run.click()
    expect(stop).to_be_visible()
    page.mouse.wheel(0, 700)
    page.wait_for_timeout(3_000)
    take("prompts-grid")
    stop.click()
    expect(stop).to_be_hidden()
    take("prompts-stopped")


def take_run(
    page: Page, words: dict[str, str], take: Callable[[str], None], state: str, pixels: int, pause: int
) -> None:
    """Take what the page's button starts, live and ended."""
    name = state.partition("-")[0]
    stop = button(page, words[f"{name}.stop"])
    settle(page)
    press(page, words[f"{name}.start"])
    expect(stop).to_be_visible()
    scroll(page, pixels)
    page.wait_for_timeout(pause)
    take(f"{state}-live")
    expect(stop).to_be_hidden()
    take(state)


def take_chunks(page: Page, words: dict[str, str], take: Callable[[str], None]) -> None:
    """Take the controls, three parsers live and ended, and four ways to call."""
    page.goto(address(page, "chunks"))
    expect(button(page, words["chunks.start"])).to_be_visible()
    take("chunks-start")
    for name in ("parsers", "calls"):
        page.get_by_role("radio", name=words[f"chunks.topic_{name}"]).click()
        take_run(page, words, take, f"chunks-{name}", pixels=350, pause=0)
        page.mouse.wheel(0, 500)
        take(f"chunks-{name}-below")


def take_faults(page: Page, words: dict[str, str], take: Callable[[str], None]) -> None:
    """Take the form, a cut answer that is tried again, and the comparison of trials."""
    page.goto(address(page, "faults"))
    expect(button(page, words["faults.start"])).to_be_visible()
    take("faults-start")
    for policy in ("never", "always"):
        page.get_by_role("radio", name=words[f"faults.retries_{policy}"], exact=True).click()
        take_run(page, words, take, f"faults-{policy}", pixels=450, pause=2_500)
    page.mouse.wheel(0, 5_000)
    take("faults-compared")


def take_relay(page: Page, words: dict[str, str], take: Callable[[str], None]) -> None:
    """Take a run before its start; live at five clients, one cut and one slow; ended; and the gateway's figures."""

    def take_at(place: Locator, state: str) -> None:
        place.scroll_into_view_if_needed()
        take(state)

    page.goto(address(page, "relay"))
    title, charts = page.get_by_role("heading", name=words["relay.title"]), page.get_by_test_id("stVegaLiteChart")
    page.get_by_text(words["relay.gateway"]).click()
    expect(charts).to_have_count(4)
    take_at(title, "relay-start")
    press(page, words["relay.start"])
    cards = page.locator("article")
    expect(cards).to_have_count(3)
    expect(cards.first.locator(".text")).not_to_be_empty()
    press(page, f"+ {words['relay.card_websocket']}")
    press(page, f"+ {words['relay.card_late']}")
    press(cards.last, words["relay.card_slow"])
    press(cards.first, words["relay.card_cut"])
    page.wait_for_timeout(2_500)
    take_at(title, "relay-live")
    take_at(cards.last, "relay-live-below")
    press(cards.last, words["relay.card_slow"])
    press(cards.first, words["relay.card_reconnect"])
    for card in cards.all():
        expect(card.locator(".state")).to_have_text(words["relay.card_state_whole"])
    take_at(title, "relay-ended")
    take_at(cards.last, "relay-ended-below")
    take_at(charts.last, "relay-figures")


if __name__ == "__main__":
    main()
