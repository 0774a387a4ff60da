"""A comparison of 72 answers whose server is killed: in a real browser, at the same address, it goes on."""

import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.harness import free_port
from components.page.texts import texts
from streamlab.prompts.serialization import to_address
from tests import test_connection_browser
from tests.browser import PATIENCE, button, needs_chromium
from tests.comparison_process import prompt_set
from tests.pages import LOCALE
from tests.test_connection_browser import serve
from tests.test_gateway_command import needs_signals

browser = test_connection_browser.browser  # fixtures are found by their names

pytestmark = needs_chromium


@pytest.mark.soak
@needs_signals
@pytest.mark.parametrize("language", ["en", "ja"])
def test_it_goes_on_after_a_kill(browser: Browser, tmp_path: Path, language: str) -> None:
    """By one click, and it is the same comparison: in the list, too."""
    words, port = texts(language), free_port()
    settings = {"LAB_STORE": f"sqlite:///{tmp_path / 'store'}"}
    with serve(tmp_path, port, **settings) as (process, _):
        context = browser.new_context(locale=LOCALE[language], viewport={"width": 1280, "height": 860})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto(f"http://localhost:{port}/prompts?set={to_address(prompt_set())}")
        page.get_by_role("button", name=words["prompts.run_answers"].partition("{")[0]).click()
        some = re.escape(words["prompts.progress"]).replace(r"\{done\}", r"\d\d").replace(r"\{expected\}", "72")
        expect(page.get_by_text(re.compile(some)).first).to_be_visible()
        address = page.url
        process.send_signal(signal.SIGKILL)
    with serve(tmp_path, port, **settings):
        page.goto(address)
        told = re.escape(words["prompts.state_interrupted"]).replace(r"\{done\}", r"\d+").replace(r"\{expected\}", "72")
        expect(page.get_by_text(re.compile(told))).to_be_visible()
        other = context.new_page()
        other.goto(address)
        expect(other.get_by_text(re.compile(told))).to_be_visible()
        go_on = page.get_by_role("button", name=words["prompts.go_on"].partition("{")[0].strip())
        go_on.first.click()
        for each in (page, other):  # while it runs, too
            expect(each.get_by_text(re.compile(told))).to_be_hidden()
            expect(each.get_by_text(re.compile(some)).first).to_be_visible()
        other.close()
        expect(button(page, words["prompts.stop"])).to_be_hidden()
        expect(page.get_by_text(words["prompts.summary"], exact=True)).to_be_visible()
        expect(go_on).to_be_hidden()
        page.goto(f"http://localhost:{port}/prompts")
        button(page, words["comparisons.kept"].format(number=1)).click()
        button(page, "Tell me about {topic}").click()
        expect(page.get_by_text(words["prompts.summary"], exact=True)).to_be_visible()
        assert page.url == address
        page.get_by_role("button", name=words["history.delete"]).first.click()
        expect(page.get_by_text(words["comparisons.kept_empty"])).to_be_visible()
        page.goto(address)
        expect(page.get_by_text(words["comparisons.gone"])).to_be_visible()
        context.close()
