"""The timeline as people use it: over AppTest in both languages, and in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from playwright.sync_api import Page, expect
from streamlit.testing.v1 import AppTest

from benchmarks.harness import ROOT, chromium, streamlit_server
from components.texts import LANGUAGE_KEY, LANGUAGES, texts
from streamlab.engine import Engine, engine_in_thread
from streamlab.recording import read_recording
from streamlab.settings import Settings
from tests.browser import needs_chromium

LOCALE = {"en": "en-US", "ja": "ja-JP"}
FAST = "demo?first=0&rate=2000"
SLOW = "demo?first=1&rate=40"
PATIENCE = 60_000  # milliseconds

RECORDING = b"""{"type":"tool_call","seq":1,"at":0.5,"step":1,"tool":"calculate","call_id":"a","input":{"expression":"2+2"}}
{"type":"tool_result","seq":2,"at":0.6,"step":1,"tool":"calculate","call_id":"a","result":{"expression":"2+2","value":4},"status":"completed"}
{"type":"text_delta","seq":3,"at":1.0,"step":2,"content":"It is 4."}
{"type":"final_answer","seq":4,"at":1.1,"step":2,"content":"It is 4."}
{"type":"done","seq":5,"at":1.1,"step":2,"status":"completed"}
"""  # noqa: E501

languages = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture
def engine() -> Iterator[Engine]:
    before = Engine.running
    with engine_in_thread(Settings(_env_file=None, lab_models=(FAST,))) as engine:
        Engine.running = engine
        yield engine
        Engine.running = before


def visit(language: str) -> AppTest:
    app = AppTest.from_file(ROOT / "components" / "frame.py", default_timeout=60)
    st.session_state[LANGUAGE_KEY] = language
    app.context = {"locale": LOCALE[language]}
    return app.run().switch_page("../pages/timeline.py").run()


@languages
@pytest.mark.parametrize("name", ["parallel", "two_tools", "three_steps", "table", "failing"])
def test_every_suggestion_needs_tools_and_is_shown_to_its_end(engine: Engine, language: str, name: str) -> None:
    """Its tools' results, its events and its figures stand below the answer, and nothing on the page fails."""
    app = visit(language)
    app.button(key=f"timeline.suggestion.{name}").click().run()
    assert [error.message for error in app.exception] == []
    assert next(text.value for text in app.text) == texts(language)[f"timeline.suggestion_{name}"]
    calls = next(metric.value for metric in app.metric if metric.label == texts(language)["timeline.calls"])
    assert int(calls) >= {"parallel": 2, "two_tools": 2, "three_steps": 3}.get(name, 1)
    failed = next(metric.value for metric in app.metric if metric.label == texts(language)["timeline.failed_calls"])
    assert (int(failed) > 0) == (name == "failing")


@languages
def test_a_recording_is_opened_and_a_broken_one_refused(engine: Engine, language: str) -> None:
    """One made elsewhere shows its answer; of a broken one the line and the reason are said, and nothing changes."""
    app = visit(language)
    uploader = app.file_uploader(key="timeline.upload")
    uploader.set_value(("cut.jsonl", RECORDING.rsplit(b"\n", 2)[0], "application/jsonl")).run()
    reason = texts(language)["timeline.broken_no_done"]
    assert [warning.value for warning in app.warning] == [
        texts(language)["timeline.broken"].format(line=4, reason=reason)
    ]
    app.file_uploader(key="timeline.upload").set_value(("run.jsonl", RECORDING, "application/jsonl")).run()
    assert [error.message for error in app.exception] == []
    assert "It is 4." in [text.value for text in app.markdown]
    assert {metric.value for metric in app.metric if metric.label == "2+2"} == {"4"}


@languages
def test_a_run_that_is_not_there_says_so(engine: Engine, language: str) -> None:
    """And a new question can be asked."""
    app = visit(language)
    app.query_params["run"] = "nowhere"
    app.run()
    assert [warning.value for warning in app.warning] == [texts(language)["timeline.unknown"]]
    assert app.button(key="timeline.suggestion.table")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAB_MODELS", f"{SLOW},{FAST}")
        with streamlit_server(ROOT / "app.py") as server, chromium() as browser:
            context = browser.new_context(locale="en-US", viewport={"width": 1280, "height": 900})
            context.set_default_timeout(PATIENCE)
            page = context.new_page()
            page.goto(f"{server.url}/timeline")
            yield page
            context.close()


@needs_chromium
def test_a_live_run_survives_a_refresh_and_is_recorded(page: Page, tmp_path: Path) -> None:
    """A second browser follows the same run; the file holds all its events."""
    words = texts("en")
    page.get_by_role("button", name=words["timeline.suggestion_parallel"]).click()
    stop = page.get_by_role("button", name=words["chat.stop"])
    expect(stop).to_be_visible(timeout=PATIENCE)
    expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible(timeout=PATIENCE)
    page.reload()
    assert page.context.browser
    other = page.context.browser.new_context(locale="en-US").new_page()
    other.goto(page.url)
    for each in (page, other):
        expect(each.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible(timeout=PATIENCE)
        expect(each.get_by_role("cell", name="839,320")).to_be_visible(timeout=PATIENCE)
    with page.expect_download() as download:
        page.get_by_role("button", name=words["timeline.download"]).click()
    path = tmp_path / "run.jsonl"
    download.value.save_as(path)
    events = read_recording(path.read_bytes())
    assert [event.type for event in events].count("tool_result") == 2
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    other.context.close()
