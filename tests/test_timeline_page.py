"""The timeline as people use it: over AppTest in both languages, and in a real browser."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage
from playwright.sync_api import Locator, Page, expect

from benchmarks.harness import ROOT, streamlit_server
from components.page.history import KEPT
from components.page.texts import texts
from streamlab.completions.prompt import Prompt
from streamlab.engine import Engine
from streamlab.events.recording import read_recording
from tests.browser import Site, browsing, needs_chromium
from tests.pages import languages, serving, visit

FAST = "demo?first=0&rate=2000"
SLOW = "demo?first=1&rate=40"
PATIENCE = 60_000  # milliseconds

RECORDING = b"""{"type":"tool_call","seq":1,"at":0.5,"step":1,"tool":"calculate","call_id":"a","input":{"expression":"2+2"}}
{"type":"tool_result","seq":2,"at":0.6,"step":1,"tool":"calculate","call_id":"a","result":{"expression":"2+2","value":4},"status":"completed"}
{"type":"text_delta","seq":3,"at":1.0,"step":2,"content":"It is 4."}
{"type":"final_answer","seq":4,"at":1.1,"step":2,"content":"It is 4."}
{"type":"done","seq":5,"at":1.1,"step":2,"status":"completed"}
"""  # noqa: E501


@pytest.fixture
def engine() -> Iterator[Engine]:
    with serving(lab_models=(FAST,)) as engine:
        yield engine


@languages
@pytest.mark.parametrize("name", ["parallel", "two_tools", "three_steps", "table", "failing"])
def test_every_suggestion_needs_tools_and_is_shown_to_its_end(engine: Engine, language: str, name: str) -> None:
    """Its tools' results, its events and its figures stand below the answer, and nothing on the page fails."""
    app = visit("timeline", language)
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
    app = visit("timeline", language)
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
    app = visit("timeline", language)
    app.query_params["run"] = "nowhere"
    app.run()
    assert [warning.value for warning in app.warning] == [texts(language)["timeline.unknown"]]
    assert app.button(key="timeline.suggestion.table")


@languages
def test_a_run_of_a_front_end_is_opened_by_its_address(engine: Engine, language: str) -> None:
    """One that was asked over the gateway, in a conversation of which nothing is kept here."""
    prompt = Prompt((HumanMessage("What is 17 * 23?"),), agent=True)
    run_id = engine.portal.call(engine.completions.start, prompt, FAST)
    app = visit("timeline", language)
    app.query_params["run"] = run_id
    app.run()
    assert [error.message for error in app.exception] == []
    assert next(text.value for text in app.text) == "What is 17 * 23?"
    assert next(metric.value for metric in app.metric if metric.label == texts(language)["timeline.calls"]) == "1"


@languages
def test_ten_thousand_events_are_shown_in_pages(engine: Engine, language: str) -> None:
    """All of them can be reached, a hundred at a time, and filtered by type."""
    words = "".join(
        f'{{"type":"text_delta","seq":{number},"at":{number / 100},"step":1,"content":"word "}}\n'
        for number in range(1, 10_000)
    )
    whole = words + '{"type":"done","seq":10000,"at":100,"step":1,"status":"completed"}\n'
    app = visit("timeline", language)
    app.file_uploader(key="timeline.upload").set_value(("long.jsonl", whole.encode(), "application/jsonl")).run()
    assert [error.message for error in app.exception] == []
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures[texts(language)["timeline.events"]] == "10,000"
    assert len(app.dataframe[0].value) == 100
    app.button_group[0].set_value(["done"]).run()
    assert list(app.dataframe[0].value["seq"]) == [10_000]


ODD = [
    {"columns": [], "rows": []},
    {"columns": ["a", "a"], "rows": [[1, 2], "no row"]},
    {"columns": ["a", "b"], "rows": [[1, {"x": 1}], [[2], None], [True, 3]]},
    {"columns": ["name", "value"], "rows": [["x", 1.5], ["y", True]]},
    {"hits": []},
    {"hits": ["text", {"title": 1, "passage": None}, {"title": "only"}]},
    {"value": True, "expression": "1 == 1"},
    {"value": 2, "expression": 3},
    [],
    "x" * 70_000,
    0,
    None,
]


def test_a_result_of_any_shape_is_shown(engine: Engine) -> None:
    """A recording may come from anywhere, and a tool may give anything."""
    lines = []
    for number, result in enumerate(ODD):
        call = {"at": number, "step": 1, "tool": "odd", "call_id": str(number)}
        lines.append({"type": "tool_call", "seq": 2 * number + 1, "input": result, **call})
        lines.append({"type": "tool_result", "seq": 2 * number + 2, "result": result, "status": "completed", **call})
    lines.append({"type": "error", "seq": len(lines) + 1, "at": 99, "step": 1, "code": "from_elsewhere"})
    lines.append({"type": "done", "seq": len(lines) + 1, "at": 99, "step": 1, "status": "failed", "code": "unheard_of"})
    app = visit("timeline", "en")
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    app.file_uploader(key="timeline.upload").set_value(("odd.jsonl", data, "application/jsonl")).run()
    assert [error.message for error in app.exception] == []
    assert texts("en")["error.internal"] in app.error[0].value


@languages
def test_a_run_is_stepped_through_event_by_event(engine: Engine, language: str) -> None:
    """Back before the answer, on to it, and to the end at once."""
    app = visit("timeline", language)
    app.file_uploader(key="timeline.upload").set_value(("run.jsonl", RECORDING, "application/jsonl")).run()
    for _ in range(3):
        app.button(key="timeline.back").click().run()
    assert app.slider[-1].value == 2
    assert "It is 4." not in [text.value for text in app.markdown]
    app.button(key="timeline.forward").click().run()
    assert "It is 4." in [text.value for text in app.markdown]
    app.button(key="timeline.at_once").click().run()
    assert app.slider[-1].value == 5
    assert app.button(key="timeline.at_once").disabled
    assert [error.message for error in app.exception] == []


def test_a_replay_ends_where_the_run_did(engine: Engine) -> None:
    """And the page shows it whole again."""
    app = visit("timeline", "en")
    app.file_uploader(key="timeline.upload").set_value(("run.jsonl", RECORDING, "application/jsonl")).run()
    app.button(key="timeline.play.8×").click().run()
    assert [error.message for error in app.exception] == []
    assert "It is 4." in [text.value for text in app.markdown]
    assert app.slider[-1].value == 5


def test_a_session_keeps_its_newest_runs(engine: Engine) -> None:
    """The oldest leaves the list when it is full."""
    app = visit("timeline", "en")
    for number in range(KEPT + 2):
        app.file_uploader(key="timeline.upload").set_value((f"{number}.jsonl", RECORDING, "application/jsonl")).run()
    listed = [button.label for button in app.button if (button.key or "").startswith("timeline.open.")]
    assert listed == [f"{number}.jsonl" for number in reversed(range(2, KEPT + 2))]


@languages
def test_the_chat_uses_tools_and_links_to_the_timeline(engine: Engine, language: str) -> None:
    """Each call stands above the answer with its input and result; without the switch there are none."""
    words = texts(language)
    app = visit("chat", language)
    app.toggle(key="settings.tools").set_value(True).run()
    app.button(key="chat.suggestion.two_tools").click().run()
    assert [error.message for error in app.exception] == []
    uses = [expander for expander in app.expander if " s" in expander.label]
    assert {use.label.partition(" ")[0] for use in uses} == {"calculate", "search_notes"}
    assert {use.proto.icon for use in uses} == {":material/check:"}
    (link,) = app.get("page_link")
    assert link.proto.label == words["chat.timeline"]
    app.toggle(key="settings.tools").set_value(False).run()
    app.chat_input(key="chat.input").set_value("And without?").run()
    assert len(app.expander) == 2
    assert [error.message for error in app.exception] == []


@pytest.fixture(scope="module")
def app(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


@pytest.fixture
def page(app: Site) -> Iterator[Page]:
    """Open the page where an answer takes its time."""
    variables = {"LAB_MODELS": SLOW, "LAB_GRPC_PORT": "0"}
    with (
        streamlit_server(ROOT / "app.py", environment=variables) as server,
        app.opened(f"{server.url}/timeline", height=900) as page,
    ):
        yield page


def open_recording(page: Page, words: dict[str, str], name: str, data: bytes) -> None:
    popover = page.get_by_role("button", name=words["timeline.upload"])
    if not page.locator("input[type=file]").count():
        popover.click()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "application/jsonl", "buffer": data})


@pytest.mark.soak
@needs_chromium
@languages
def test_a_recording_is_opened_replayed_and_compared(app: Site, language: str) -> None:
    """As someone does who got a file: a broken one is refused, a good one plays, and another stands beneath it."""
    words = texts(language)
    with app.opened("/timeline", language, height=900) as page:
        open_recording(page, words, "broken.jsonl", RECORDING[:-20])
        expect(page.get_by_text(words["timeline.broken_not_json"])).to_be_visible()
        open_recording(page, words, "one.jsonl", RECORDING)
        answer = page.get_by_text("It is 4.", exact=True)
        expect(answer).to_be_visible()
        expect(bars(page)).to_have_count(4)  # waiting, calculate, waiting, writing
        open_recording(page, words, "two.jsonl", RECORDING.replace(b'"at":1.', b'"at":3.'))
        expect(page.get_by_test_id("stChatMessage").get_by_text("two.jsonl", exact=True)).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_role("combobox", name=words["timeline.compare"]).click()
        page.get_by_role("option", name="one.jsonl").click()
        expect(bars(page)).to_have_count(8)
        expect(page.locator(".plot")).to_have_count(1)
        writing = f"{words['timeline.lane_model']}: {words['timeline.kind_writing']}"
        ends = [right(bar(page, f"{letter} {writing}")) for letter in "AB"]
        assert ends[0] - ends[1] > 100  # on one axis: the first run takes two seconds longer
        expect(page).to_have_url(re.compile("[?&]with="))
        page.reload()
        expect(bars(page)).to_have_count(8)
        page.get_by_role("button", name="1×").click()
        expect(page.get_by_role("button", name=words["timeline.stop"])).to_be_visible()
        expect(answer).to_have_count(0)
        expect(page.get_by_text(f"{words['chat.thinking']} …", exact=True)).to_be_visible()
        expect(answer).to_be_visible()
        expect(page.get_by_role("button", name=words["timeline.stop"])).to_have_count(0)
        page.get_by_role("button", name="1×").click()
        page.get_by_role("button", name=words["timeline.stop"]).click()
        expect(page.get_by_role("button", name=words["timeline.stop"])).to_have_count(0)
        expect(answer).to_be_visible()


def right(found: Locator) -> float:
    box = found.bounding_box()
    assert box
    return box["x"] + box["width"]


def bars(page: Page) -> Locator:
    """The spans as they are drawn."""
    return page.locator(".row .bar")


def bar(page: Page, name: str) -> Locator:
    """The bars whose name begins so."""
    return page.get_by_role("button", name=re.compile(f"^{re.escape(name)}"))


@needs_chromium
@languages
@pytest.mark.soak
def test_the_tabs_tell_the_run(app: Site, language: str) -> None:
    """Results, events with one event's JSON, the diagram and the totals; by the keyboard as well."""
    words = texts(language)
    with app.opened("/timeline", language, height=900) as page:
        open_recording(page, words, "one.jsonl", RECORDING)
        results = page.get_by_role("tab", name=words["timeline.tab_results"])
        expect(page.get_by_test_id("stMetricValue").filter(has_text="4").last).to_be_visible()
        page.keyboard.press("Escape")
        results.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.get_by_text(words["timeline.choose_row"])).to_be_visible()
        page.get_by_test_id("stDataFrame").first.click(position={"x": 15, "y": 55})
        event = words["timeline.event_named"].format(number=1, type="tool_call")
        page.get_by_test_id("stExpander").filter(has_text=event).click()
        expect(page.get_by_test_id("stJson").first).to_contain_text("tool_call")
        page.get_by_role("tab", name=words["timeline.tab_sequence"]).click()
        expect(page.get_by_role("group", name=words["timeline.tab_sequence"])).to_be_visible()
        page.get_by_role("tab", name=words["timeline.tab_totals"]).click()
        expect(page.get_by_text(words["timeline.in_tools"], exact=True)).to_be_visible()


@needs_chromium
@pytest.mark.soak
def test_a_live_answer_of_the_chat_shows_its_tools(page: Page) -> None:
    """They are there while the answer arrives, after a reload, and on the timeline that the answer links to."""
    words = texts("en")
    page.goto(page.url.replace("timeline", "chat"))
    page.get_by_text(words["chat.tools"], exact=True).click()
    page.get_by_role("button", name=words["timeline.suggestion_two_tools"]).click()
    expect(page.get_by_role("button", name=words["chat.stop"])).to_be_visible()
    tools = page.get_by_test_id("stChatMessage").get_by_test_id("stExpander")  # not those of the sidebar
    expect(tools).to_have_count(2)
    page.reload()
    expect(tools).to_have_count(2)
    expect(page.get_by_role("button", name=words["chat.regenerate"])).to_be_visible()
    expect(tools).to_have_count(2)
    tools.filter(has_text="calculate").click()
    expect(page.get_by_test_id("stMetricValue")).to_have_text("20.43478261")
    page.get_by_role("link", name=words["chat.timeline"]).click()
    expect(page.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible()
    steps = page.get_by_test_id("stMain").get_by_role("slider").input_value()
    assert int(steps) > 50  # all of its events, also for who comes after its end


@needs_chromium
@pytest.mark.soak
def test_a_live_run_survives_a_refresh_and_is_recorded(page: Page, tmp_path: Path) -> None:
    """A second browser follows the same run; the file holds all its events."""
    words = texts("en")
    page.get_by_role("button", name=words["timeline.suggestion_parallel"]).click()
    stop = page.get_by_role("button", name=words["chat.stop"])
    expect(stop).to_be_visible(timeout=PATIENCE)
    expect(bars(page).first).to_be_visible(timeout=PATIENCE)
    page.reload()
    assert page.context.browser
    other = page.context.browser.new_context(locale="en-US").new_page()
    other.goto(page.url)
    for each in (page, other):
        expect(each.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible(timeout=PATIENCE)
        expect(each.get_by_role("cell", name="839,320")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name=words["timeline.upload"]).click()
    with page.expect_download() as download:
        page.get_by_role("button", name=words["timeline.download"]).click()
    path = tmp_path / "run.jsonl"
    download.value.save_as(path)
    events = read_recording(path.read_bytes())
    assert [event.type for event in events].count("tool_result") == 2
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    other.context.close()
