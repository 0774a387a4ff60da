"""The timeline in a real browser: its lanes, what is tied to them, and a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from components.page.texts import texts
from tests.browser import MODELS, Site, browsing, button, needs_chromium
from tests.pages import languages
from tests.test_timeline_page import bar, bars, open_recording, right

pytestmark = needs_chromium

RECORDING = b"""{"type":"tool_call","seq":1,"at":0.5,"step":1,"tool":"calculate","call_id":"a","input":{"expression":"2+2"}}
{"type":"tool_call","seq":2,"at":0.5,"step":1,"tool":"search_notes","call_id":"b","input":{"query":"four"}}
{"type":"tool_result","seq":3,"at":0.8,"step":1,"tool":"search_notes","call_id":"b","result":"nothing there","status":"failed"}
{"type":"tool_result","seq":4,"at":1.5,"step":1,"tool":"calculate","call_id":"a","result":{"expression":"2+2","value":4},"status":"completed"}
{"type":"text_delta","seq":5,"at":2.0,"step":2,"content":"It is **four**, "}
{"type":"text_delta","seq":6,"at":3.0,"step":2,"content":"as everybody knows."}
{"type":"final_answer","seq":7,"at":3.5,"step":2,"content":"It is **four**, as everybody knows."}
{"type":"done","seq":8,"at":3.5,"step":2,"status":"completed"}
"""  # noqa: E501


@pytest.fixture(scope="module")
def app(shared_app: str) -> Iterator[Site]:
    with browsing(shared_app) as found:
        yield found


@pytest.fixture
def opened(app: Site) -> Iterator[Page]:
    """Open the page with the recording."""
    with app.opened("/timeline", height=1200) as page:
        open_recording(page, texts("en"), "run.jsonl", RECORDING)
        expect(bars(page)).to_have_count(5)
        page.keyboard.press("Escape")
        yield page


def pressed(page: Page, name: str) -> None:
    """Expect that this bar is chosen, and no other."""
    expect(page.locator(".row .bar[aria-pressed=true]")).to_have_count(1)
    expect(bar(page, name)).to_have_attribute("aria-pressed", "true")


def size(found: Locator) -> FloatRect:
    box = found.bounding_box()
    assert box
    return box


def playhead(page: Page) -> tuple[float, float]:
    """How far the axis goes, and where the playhead is."""
    return float(page.locator(".axis .mark").last.inner_text()), size(page.locator(".plot .line"))["x"]


@languages
def test_the_lanes_of_a_live_run_grow_in_the_first_view_and_a_choice_outlives_its_end(app: Site, language: str) -> None:
    """Across the whole width; the words go on while one chooses, and the choice is told when the run has ended."""
    words = texts(language)
    with app.opened("/timeline", language) as page:
        page.locator(".st-key-settings-model").get_by_role("combobox").click()
        page.get_by_role("option", name=MODELS["long"]).click()
        page.set_viewport_size({"width": 1280, "height": 800})
        page.get_by_test_id("stChatInputTextArea").fill("one?")
        page.keyboard.press("Enter")
        writing = bar(page, f"{words['timeline.lane_model']}: {words['timeline.kind_writing']}")
        expect(writing).to_be_visible()
        lanes, block = size(page.locator(".lanes")), size(page.get_by_test_id("stMainBlockContainer"))
        assert lanes["y"] + lanes["height"] < 800
        assert lanes["width"] > 0.8 * block["width"]
        before, answered = playhead(page), page.locator(".st-key-timeline-answer")
        length = len(answered.inner_text())
        waiting = f"{words['timeline.lane_model']}: {words['timeline.kind_waiting']}"
        bar(page, waiting).click()
        pressed(page, waiting)
        page.wait_for_timeout(1_000)
        assert playhead(page) > before
        assert len(answered.inner_text()) > length
        button(page, words["chat.stop"]).click()
        expect(page.get_by_role("tab", name=words["timeline.tab_totals"])).to_be_visible()
        pressed(page, waiting)
        expect(page.get_by_test_id("stMarkdown").get_by_text(words["timeline.kind_waiting"])).to_be_visible()


@pytest.mark.soak
def test_what_is_chosen_anywhere_is_marked_everywhere(opened: Page) -> None:
    """In the lanes, among the calls, in the answer's text, in the diagram and in the table: it is one choice."""
    page, words = opened, texts("en")
    calculate, search, writing = "calculate: Tool", "search_notes: Failed", "Model: Writing"
    pressed(page, calculate)  # the longest call, at first
    tied = page.locator(".timeline-tied")
    bar(page, search).click()
    pressed(page, search)
    said = page.get_by_test_id("stAlert").filter(has_text="nothing there")
    expect(said.nth(1)).to_be_visible()  # the first is folded
    expect(tied).to_have_count(2)
    expect(tied.first).to_contain_text("search_notes")
    page.locator(".st-key-timeline-use-1").get_by_text("calculate").click()
    pressed(page, calculate)
    page.locator(".st-key-timeline-answer").get_by_text("as everybody knows.").click(position={"x": 200, "y": 8})
    pressed(page, writing)
    expect(page.get_by_test_id("stExpander").filter(has_text="Event 6: text_delta")).to_be_visible()
    page.get_by_role("tab", name=words["timeline.tab_sequence"]).click()
    message = page.get_by_role("button", name="Model → search_notes: query: four")
    message.click()
    pressed(page, search)
    expect(message).to_have_attribute("aria-pressed", "true")
    page.get_by_role("tab", name=words["timeline.tab_events"]).click()
    page.get_by_test_id("stDataFrame").first.click(position={"x": 15, "y": 55})
    pressed(page, calculate)
    bar(page, calculate).focus()
    page.keyboard.press("ArrowRight")
    expect(bar(page, search)).to_be_focused()
    page.keyboard.press("Enter")
    pressed(page, search)


@pytest.mark.soak
def test_the_pointer_ties_a_call_and_the_words_to_their_bars(opened: Page) -> None:
    """Without a click, in both directions."""
    page = opened
    expect(page.locator(".detail")).to_contain_text("calculate")
    bar(page, "search_notes").hover()
    expect(page.locator(".detail")).to_contain_text("nothing there")
    expect(page.locator(".timeline-tied").first).to_contain_text("search_notes")
    page.locator(".st-key-timeline-answer").get_by_text("as everybody knows.").hover()
    expect(bar(page, "Model: Writing")).to_have_class(re.compile("tied"))
    expect(page.locator(".plot .hint")).to_be_visible()
    bar(page, "Model: Writing").hover()
    marked = "[...CSS.highlights.get('timeline-pointed')].map(range => range.toString()).join()"
    assert page.evaluate(marked).startswith("It is four")


@pytest.mark.soak
def test_a_playhead_moves_with_the_replay_and_a_click_on_an_empty_place_seeks(opened: Page) -> None:
    """Over lanes that stay as they are; what has not come yet is veiled."""
    page, words = opened, texts("en")
    line = page.locator(".plot .line")
    expect(line).to_be_hidden()
    button(page, "1×").click()
    expect(button(page, words["timeline.stop"])).to_be_visible()
    before = size(line)["x"]
    page.wait_for_timeout(500)
    assert size(line)["x"] > before
    expect(button(page, words["timeline.stop"])).to_have_count(0)
    expect(line).to_be_hidden()
    track = page.locator(".row .track").nth(1)
    track.click(position={"x": size(track)["width"] * 0.99, "y": 10})
    expect(line).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_role("slider")).to_have_value("6")
    track.click(position={"x": size(track)["width"] * 0.7, "y": 10})
    expect(page.get_by_test_id("stMain").get_by_role("slider")).to_have_value("5")
    expect(page.locator(".st-key-timeline-answer")).not_to_contain_text("everybody")


@pytest.mark.soak
@languages
def test_on_a_phone_the_toolbar_is_one_line_and_the_lanes_keep_their_names(app: Site, language: str) -> None:
    """The answer's first lines come first; lanes and diagram are scrolled, the page is not; text is no smaller."""
    words = texts(language)
    with app.opened("/timeline", language) as page:
        page.set_viewport_size({"width": 390, "height": 844})
        open_recording(page, words, "run.jsonl", RECORDING)
        expect(bars(page)).to_have_count(5)
        page.keyboard.press("Escape")
        line = [
            size(button(page, words["timeline.new"])),
            size(page.get_by_role("button", name=words["timeline.kept"].format(number=1))),
            size(page.get_by_role("button", name=words["timeline.upload"])),
        ]
        assert len({each["y"] for each in line}) == 1
        assert line[-1]["x"] + line[-1]["width"] <= 390
        excerpt = page.locator(".excerpt")
        expect(excerpt).to_have_text("It is four, as everybody knows.")
        assert size(excerpt)["y"] < size(page.locator(".plot"))["y"]
        label = page.locator(".row .label").first
        before = size(label)["x"], right(bars(page).last)
        page.locator(".lanes > .scroll").evaluate("place => { place.scrollLeft = 1000; }")
        assert size(label)["x"] == before[0]
        assert right(bars(page).last) < before[1]
        page.get_by_role("tab", name=words["timeline.tab_sequence"]).click()
        diagram = page.get_by_role("group", name=words["timeline.tab_sequence"])
        expect(diagram.get_by_text("query: four")).to_be_visible()
        assert diagram.evaluate("place => parseFloat(getComputedStyle(place).fontSize)") >= 14
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
