"""The page on which things go wrong, as people use it: over AppTest in both languages, and in a real browser."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest

from components.faults.faults import TIMES
from components.page.excerpts import case_excerpts, entry_excerpts
from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.faults.trials import Policy, Trial
from streamlab.models.catalog import CLASSIFIERS
from streamlab.models.failures import CODES
from streamlab.models.options import QUESTION_CHARACTERS, Options
from streamlab.models.provider import Fault
from streamlab.models.providers.demo import Demo
from streamlab.models.providers.openai import OpenAI, openai_failure
from streamlab.models.server_errors import SERVER_ERRORS
from tests.browser import Site, browsing, button, choose_variant, needs_chromium
from tests.conftest import http, raw_endpoint
from tests.pages import checked, languages, serving, visit

FAST = "demo?first=0&rate=2000"
OTHER = "demo-elsewhere?first=2&rate=2000"  # a name of the provider's, who happens to be the demo model
KEY = "sk-this-is-a-secret-of-the-owner"
PATIENCE = 30_000  # milliseconds
LIMIT = 60.0  # seconds


# Without a browser


@pytest.fixture(scope="module")
def engine(demo: DemoModel) -> Iterator[Engine]:
    with serving(openai_base_url=demo.base_url, openai_api_key=KEY, lab_models=(FAST, OTHER)) as engine:
        yield engine


def choose(app: AppTest, fault: Fault, times: str = "first", retries: str = "never", **limits: float) -> AppTest:
    kind = "demo" if app.selectbox(key="settings.model").value == FAST else "openai"
    app.button_group(key=f"faults.fault.{kind}").set_value(fault)
    app.button_group(key="faults.times").set_value(times)
    app.button_group(key="faults.retries").set_value(retries)
    for name, value in limits.items():
        app.number_input(key=f"faults.{name}").set_value(value)
    return app


def start(app: AppTest) -> AppTest:
    """AppTest returns when the trial has ended, as a browser's script does."""
    return checked(app.button(key="faults.start").click().run())


def told(app: AppTest) -> str:
    """Every word on the page that is not in a table or a chart."""
    kinds = (app.markdown, app.caption, app.text, app.error, app.warning, app.info, app.code)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def meanings(app: AppTest, language: str) -> list[str]:
    """The log's rows in words."""
    (table,) = app.table
    return list(table.value[texts(language)["faults.column_meaning"]])


def difference(app: AppTest, language: str, column: str) -> list[Any]:
    """A column of the table of trials."""
    return list(app.dataframe[0].value[texts(language)[f"faults.column_{column}"]])


CODES_OF: dict[Fault, str] = {
    "key": "auth",
    "rate_limit": "rate_limited",
    "error": "provider_unavailable",
    "slow": "timeout",
    "stall": "timeout",
    "cut": "connection_lost",
    "garbage": "connection_lost",
}


@languages
@pytest.mark.parametrize("fault", CODES_OF)
def test_each_fault_is_shown_to_its_end(engine: Engine, language: str, fault: Fault) -> None:
    """What the user sees is a sentence, the log has its rows, and the lines that gave the code stand there."""
    words, code = texts(language), CODES_OF[fault]
    app = start(choose(visit("faults", language), fault, "all", "never", first_token=1.5, silence=1.5))
    assert words[f"faults.about_{fault}"] in told(app)
    (error,) = app.error
    assert words[f"error.{code}"] in error.value
    rows = meanings(app, language)
    assert rows[-2:] == [
        words["faults.row_error"].format(reason=words[f"error.{code}"]),
        words["faults.row_done_failed"],
    ]
    assert rows[0] == words["faults.row_begun"]
    assert len(rows) == (4 if fault in ("stall", "cut", "garbage") else 3)
    (chart,) = app.get("vega_lite_chart")
    assert code in chart.proto.alt
    assert any(f'Failure("{code}"' in block.value or f"{code} = [" in block.value for block in app.code)
    assert difference(app, language, "end") == [words["faults.end_failed"].format(code=code)]


@languages
def test_an_answer_that_was_cut_arrives_whole_by_a_retry(engine: Engine, language: str) -> None:
    """Under the policy that allows it: that is what the page asks people to find out, and it sees that they did."""
    words = texts(language)
    app = start(choose(visit("faults", language), "cut", retries="before_text"))
    assert words["chat.partial_kept"] in app.error[0].value
    assert words["lesson.done"] not in [toast.value for toast in app.toast]
    app = start(choose(app, "cut", retries="always"))
    assert not app.error
    assert words["lesson.done"] in told(app) + "".join(success.value for success in app.success)
    rows = meanings(app, language)
    assert words["error.connection_lost"] in rows[2]
    assert words["faults.row_done_completed"] == rows[-1]
    (chart,) = app.get("vega_lite_chart")
    for number in (1, 2):
        assert words["faults.attempt"].format(number=number) in chart.proto.alt
    assert words["faults.phase_pause"] in chart.proto.alt


@languages
def test_trials_stand_side_by_side_and_can_be_shown_again(engine: Engine, language: str) -> None:
    """The same fault under three policies: a row for each, the newest first; a row that is chosen is shown."""
    words = texts(language)
    app = visit("faults", language)
    for retries in ("never", "before_text", "always"):
        app = start(choose(app, "error", "first_two", retries))
    newest = app.query_params["trial"]
    policies = [words[f"faults.retries_{name}"] for name in ("always", "before_text", "never")]
    assert difference(app, language, "retries") == policies
    assert difference(app, language, "attempts") == [3, 3, 1]
    failed = words["faults.end_failed"].format(code="provider_unavailable")
    assert difference(app, language, "end") == [words["faults.end_completed"]] * 2 + [failed]
    assert not app.error
    key = str(app.dataframe[0].key)
    app.session_state[key] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    checked(app.run())
    assert app.query_params["trial"] != newest
    assert words["error.provider_unavailable"] in app.error[0].value
    assert difference(app, language, "retries") == policies


@languages
def test_a_trial_is_at_its_address(engine: Engine, language: str) -> None:
    """For a second browser, and for one that comes back; one that is gone is said to be."""
    words = texts(language)
    first = start(choose(visit("faults", language), "key"))
    trial_id = first.query_params["trial"]
    second = visit("faults", language, trial=trial_id)
    assert words["error.auth"] in second.error[0].value
    assert meanings(second, language) == meanings(first, language)
    first.switch_page("../pages/about.py").run()
    first.switch_page("../pages/faults.py")
    checked(first.run())
    assert first.query_params["trial"] == trial_id
    assert words["error.auth"] in first.error[0].value
    gone = visit("faults", language, trial="nowhere")
    assert words["faults.unknown"] in [warning.value for warning in gone.warning]
    assert start(choose(gone, "key")).error


@languages
@pytest.mark.parametrize("question", ["", " \n ", "x" * (QUESTION_CHARACTERS + 1)])
def test_a_question_that_cannot_be_asked_is_refused_with_a_sentence(
    engine: Engine, language: str, question: str
) -> None:
    """Nothing starts, and the question stays in the box."""
    words, live = texts(language), engine.portal.call(lambda: engine.runs.live)
    app = visit("faults", language)
    app.text_area(key="faults.question").set_value(question)
    start(app)
    name = "too_long" if question.strip() else "empty"
    notice = words[f"notice.{name}"].format(length=f"{len(question):,}", limit=f"{QUESTION_CHARACTERS:,}")
    assert [warning.value for warning in app.warning] == [notice]
    assert app.text_area(key="faults.question").value == question
    assert "trial" not in app.query_params
    assert engine.portal.call(lambda: engine.runs.live) == live


@languages
def test_where_there_is_no_room_nothing_starts(language: str) -> None:
    """It is said, and it works a moment later."""
    words = texts(language)
    with serving(lab_models=(FAST,), lab_max_runs=1) as engine:
        app = visit("faults", language)
        policy = Policy(silence=60)
        taken = engine.portal.call(engine.trials.start, Trial("Why?", Options(FAST), "stall", None, policy))
        start(choose(app, "key"))
        assert [warning.value for warning in app.warning] == [words["notice.too_many"]]
        engine.portal.call(engine.runs.stop, taken)
        deadline = time.monotonic() + LIMIT
        while engine.portal.call(lambda: engine.runs.live):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert start(app).error


@languages
def test_the_demo_model_has_every_fault_and_others_what_they_can(engine: Engine, language: str) -> None:
    """Why that is so stands there; limits are numbers within their range."""
    words = texts(language)
    app = visit("faults", language)
    names = [words[f"faults.fault_{fault}"] for fault in Demo.faults]
    assert app.button_group(key="faults.fault.demo").options == names
    assert app.button_group(key="faults.times").options == [words[f"faults.times_{name}"] for name in TIMES]
    assert (app.number_input(key="faults.attempts").min, app.number_input(key="faults.attempts").max) == (1, 10)
    for name in ("first_token", "silence", "total"):
        box = app.number_input(key=f"faults.{name}")
        assert (box.min, box.max) == (0.05, 120)
    app.selectbox(key="settings.model").select(OTHER).run()
    names = [words[f"faults.fault_{fault}"] for fault in OpenAI.faults]
    assert app.button_group(key="faults.fault.openai").options == names
    assert words["faults.not_demo"].format(wrong_key=OpenAI.wrong_key) in told(app)
    start(choose(app, "time_limit", "all"))
    assert words["error.timeout"] in app.error[0].value
    assert any("fail_after(run.limits.first_token)" in block.value for block in app.code)


@languages
def test_no_key_is_on_the_page(language: str) -> None:
    """Neither the owner's, which is not even sent, nor one that an endpoint repeats."""
    words = texts(language)
    said = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}})
    with raw_endpoint(http(said.encode(), "401 Unauthorized", "application/json")) as endpoint:
        with serving(openai_base_url=endpoint.base_url, openai_api_key=KEY, lab_models=("acme-1",)) as engine:
            app = visit("faults", language)
            start(choose(app, "key", "all", "always"))
            assert words["error.auth"] in app.error[0].value
            shown = "".join(str(node.proto) for node in app if hasattr(node, "proto"))
            log = engine.portal.call(engine.hub.log, app.query_params["trial"])
            assert KEY not in shown + str(log.since(0))
        assert [KEY in head for head in endpoint.headers if head.startswith("POST")] == [False]


@pytest.mark.parametrize("code", sorted(set(CODES) - {"address_not_found", "producer_lost", "step_limit"}))
def test_the_lines_that_give_a_code_are_those_of_the_source(code: str) -> None:
    """Every code that an exception can have, with the line at which its case begins."""
    cases = [excerpt for function in CLASSIFIERS for excerpt in case_excerpts(function, code)]
    entries = list(entry_excerpts(SERVER_ERRORS, code))
    found = cases + entries
    assert found
    for excerpt in found:
        source = Path(excerpt.path).read_text("utf-8").splitlines()
        lines = excerpt.text.splitlines()
        there = source[excerpt.line - 1 : excerpt.line - 1 + len(lines)]
        assert [line.strip() for line in there] == [line.strip() for line in lines]
        assert lines[0].startswith(f"{code} = [" if excerpt in entries else "case ")
        assert excerpt in entries or f'"{code}"' in excerpt.text


def test_a_code_that_no_exception_has_has_no_lines() -> None:
    """Nothing is made up."""
    assert openai_failure in CLASSIFIERS
    for function in CLASSIFIERS:
        assert not list(case_excerpts(function, "producer_lost"))


# In a browser


@pytest.fixture(scope="module")
def app(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


def pick(page: Page, words: dict[str, str], *names: str) -> None:
    """Options of the form, each by its text."""
    for name in names:
        page.get_by_test_id("stButtonGroup").get_by_text(words[f"faults.{name}"], exact=True).click()


def bars(page: Page) -> Locator:
    return page.locator("[data-testid=stVegaLiteChart] .mark-rect.role-mark path")


def crosses(page: Page) -> Locator:
    return page.locator("[data-testid=stVegaLiteChart] .mark-symbol.role-mark path")


@pytest.mark.soak
@needs_chromium
@languages
def test_attempts_are_drawn_while_they_are_made_and_after(app: Site, language: str) -> None:
    """Two that fail and a third that does not: a cross for each failure, a bar for each stretch and each pause."""
    words = texts(language)
    with app.opened("/faults", language) as page:
        choose_variant(page, words, "steady")
        pick(page, words, "fault_cut", "times_first_two", "retries_always")
        button(page, words["faults.start"]).click()
        expect(button(page, words["faults.stop"])).to_be_visible()
        expect(crosses(page)).not_to_have_count(0)
        expect(button(page, words["faults.stop"])).to_be_visible()
        expect(page.get_by_text(words["faults.row_done_completed"])).to_be_visible()
        expect(crosses(page)).to_have_count(2)
        expect(bars(page)).to_have_count(8)  # waiting and writing three times, and two pauses
        expect(page.get_by_text("connection_lost").first).to_be_attached()
        expect(button(page, words["faults.stop"])).to_have_count(0)
        page.get_by_text(words["faults.lines"], exact=True).click()
        expect(page.get_by_text("async def _attempts").filter(visible=True)).to_be_visible()


@needs_chromium
@pytest.mark.soak
def test_a_trial_goes_on_whoever_looks(app: Site) -> None:
    """A reload, another page and a second browser lose nothing of it; a stop by anyone ends it for all."""
    words, others = texts("en"), texts("ja")
    with app.opened("/faults") as page:
        limits = {"first_token": 3, "silence": 3, "total": 30, "attempts": 3}
        page.get_by_test_id("stPopoverButton").filter(has_text=words["faults.limits"].format(**limits)).click()
        page.get_by_role("spinbutton", name=words["faults.limit_silence"]).fill("100")
        page.keyboard.press("Tab")
        page.get_by_role("spinbutton", name=words["faults.limit_total"]).fill("110")
        page.keyboard.press("Tab")
        changed = words["faults.limits"].format(**limits | {"silence": 100, "total": 110})
        expect(page.get_by_test_id("stPopoverButton").filter(has_text=changed)).to_be_visible()
        page.keyboard.press("Escape")
        pick(page, words, "fault_stall")
        button(page, words["faults.start"]).click()
        stop = button(page, words["faults.stop"])
        expect(stop).to_be_visible()
        expect(bars(page)).to_have_count(2)
        page.reload()
        expect(stop).to_be_visible()
        expect(bars(page)).to_have_count(2)
        page.get_by_role("link", name=words["about.title"]).click()
        expect(page.get_by_role("heading", name=words["about.title"])).to_be_visible()
        page.get_by_role("link", name=words["faults.title"]).click()
        expect(stop).to_be_visible()
        expect(bars(page)).to_have_count(2)
        with app.opened(page.url.replace("lang=en", "lang=ja"), "ja") as other:
            expect(bars(other)).to_have_count(2)
            button(other, others["faults.stop"]).click()
            for each, texts_there in ((other, others), (page, words)):
                expect(each.get_by_text(texts_there["chat.stopped"])).to_be_visible()
                expect(each.get_by_text(texts_there["faults.row_done_stopped"])).to_be_visible()
                expect(button(each, texts_there["faults.stop"])).to_have_count(0)
