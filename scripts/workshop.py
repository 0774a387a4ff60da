"""`python -m scripts.workshop`: goes through the lesson of docs/workshop.md in a browser, and pictures each step.

Each step does what a participant is asked to do, and ends when its page says that its task is done.
"""

import os
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from benchmarks.harness import ROOT, chromium, streamlit_server
from components.page.texts import texts
from scripts.pages import LOCALES, SIZES, WAIT, address, button, measure, open_page, press, scroll, settle

FOLDER = ROOT / "docs" / "images" / "workshop"

Words = dict[str, str]
Step = Callable[[Page, Words], None]


def main() -> None:
    os.environ |= {
        "OPENAI_API_KEY": "",
        "OPENAI_BASE_URL": "",
        "LAB_STORE": "memory:",
        "LAB_MODELS": "demo",
        "LAB_LANGUAGE": "auto",
    }
    expect.set_options(timeout=WAIT)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with streamlit_server(ROOT / "app.py") as server, chromium() as browser:
        for language in LOCALES:
            with open_page(browser, server.url, language, "light", SIZES[0]) as page:
                for name, step in STEPS.items():
                    step(page, texts(language))
                    settle(page)
                    ending = "" if language == "en" else f".{language}"
                    page.screenshot(path=FOLDER / f"{name}{ending}.png")


def chat(page: Page, words: Words) -> None:
    """Reload while the answer arrives."""
    press(page, words["suggestions.two"])
    expect(page.get_by_label("Chat message from assistant").locator("p").nth(1)).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name=words["chat.stop"])).to_be_visible()
    expect_done(page, words)
    expect(page.get_by_label("Chat message from assistant").locator("p").nth(3)).to_be_visible()


def chunks(page: Page, words: Words) -> None:
    """Run three parsers, and open the chunk that carries the usage."""
    visit(page, words, "chunks")
    run(page, words, "chunks")
    tiles = page.locator(".tiles").first.locator("button")
    for place in range(tiles.count() - 1, 0, -1):  # a class looks for it from the end as well
        tiles.nth(place).click()
        settle(page)
        if done(page, words).is_visible():
            break
    expect_done(page, words)
    scroll(page, -150)


def calls(page: Page, words: Words) -> None:
    """Run four ways to call a chain."""
    page.get_by_role("radio", name=words["chunks.topic_calls"]).click()
    run(page, words, "chunks")
    scroll(page, 400)


def faults(page: Page, words: Words) -> None:
    """Try a cut answer under three policies."""
    visit(page, words, "faults")
    page.get_by_role("radio", name=words["faults.fault_cut"], exact=True).click()
    for policy in ("never", "before_text", "always"):
        page.get_by_role("radio", name=words[f"faults.retries_{policy}"], exact=True).click()
        settle(page)
        run(page, words, "faults")
    expect_done(page, words)
    scroll(page, 450)


def timeline(page: Page, words: Words) -> None:
    """Ask for two calls at the same time."""
    visit(page, words, "timeline")
    press(page, words["timeline.suggestion_parallel"])
    expect(page.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible()
    expect_done(page, words)


def latency(page: Page, words: Words) -> None:
    """Measure six pairs of short answers."""
    visit(page, words, "latency")
    measure(page, words, pairs=6)
    expect(page.get_by_text(words["latency.how_sure"])).to_be_visible(timeout=3 * WAIT)
    expect_done(page, words)


def prompts(page: Page, words: Words) -> None:
    """Run a check that only some answers pass."""
    visit(page, words, "prompts")
    page.get_by_role("tab", name=words["prompts.tab_checks"]).click()
    press(page, words["prompts.add_check"])
    page.get_by_role("combobox", name=words["prompts.check_type"].format(number=1)).click()
    page.get_by_role("option", name=words["prompts.kind_max_words"]).click()
    limit = page.get_by_role("spinbutton", name=words["prompts.check_value"].format(number=1))
    limit.fill("200" if words == texts("ja") else "100")  # Japanese words are counted by character
    limit.press("Enter")
    settle(page)
    page.get_by_role("button", name=words["prompts.run_answers"].partition("{")[0]).click()
    expect(page.get_by_text(words["prompts.difference"])).to_be_visible()
    expect_done(page, words)


STEPS: dict[str, Step] = {
    "1-chat": chat,
    "2-chunks": chunks,
    "3-calls": calls,
    "4-faults": faults,
    "5-timeline": timeline,
    "6-latency": latency,
    "7-prompts": prompts,
}


def visit(page: Page, words: Words, name: str) -> None:
    page.goto(address(page, name))
    expect(page.get_by_role("heading", name=words[f"{name}.title"])).to_be_visible()
    settle(page)


def run(page: Page, words: Words, name: str) -> None:
    """Press the page's button, and wait for the end of what it starts."""
    press(page, words[f"{name}.start"])
    expect(button(page, words[f"{name}.stop"])).to_be_visible()
    expect(button(page, words[f"{name}.stop"])).to_be_hidden()


def done(page: Page, words: Words) -> Locator:
    """Locate the mark beside a page's title."""
    return page.get_by_role("button", name=words["lesson.try"]).get_by_text("task_alt")


def expect_done(page: Page, words: Words) -> None:
    expect(done(page, words)).to_be_visible()


if __name__ == "__main__":
    main()
