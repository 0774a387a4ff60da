"""The page that measures latency in a real browser."""

import csv
import io
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Locator, Page, expect

from benchmarks.harness import ROOT
from components.latency.form import USUAL_WAYS
from components.page.texts import texts
from scripts.pages import measure_button, unfold
from streamlab.demo_model.process import DemoModel
from streamlab.latency.measurement import Measurement, read_measurement
from streamlab.latency.plan import Way, order
from streamlab.settings import Settings
from tests.browser import Site, button, needs_chromium, site
from tests.latency_page import CHUNKS, FIRST, KNOWN, LINES, RATE
from tests.pages import LIMIT, languages

SLOW = "demo?first=0.4&rate=40&jitter=0&chunks=60"  # what a race is to be seen of
CLOCK = re.compile(r"\d+\.\d\s")
TOKEN = "gw-secret-0123456789"


def pattern(text: str) -> re.Pattern[str]:
    """A text whose blanks are filled with some number."""
    return re.compile(re.sub(r"\\{\w+\\}", r"\\d+", re.escape(text)))


@pytest.fixture(scope="module")
def app() -> Iterator[Site]:
    with site(LAB_MODELS=f"{KNOWN},{SLOW}", LAB_GRPC_PORT="0", GATEWAY_TOKENS=f"measuring:{TOKEN}") as found:
        yield found


def charts(page: Page) -> Locator:
    """Those that are seen, not those of other tabs."""
    return page.get_by_test_id("stVegaLiteChart").filter(visible=True)


def bars(chart: Locator) -> Locator:
    """Bars and strokes as they are drawn."""
    return chart.locator(".mark-rect.role-mark path")


def diamonds(chart: Locator) -> Locator:
    return chart.locator(".mark-symbol.role-mark path")


def made(page: Page) -> Locator:
    """The pairs that were made, while others are to come."""
    return page.locator(".pairs [data-state=made]")


def start(page: Page, words: dict[str, str], pairs: int, without: Sequence[Way] = ()) -> None:
    unfold(page, words["latency.settings"])
    for way in without:
        button(page, words[f"latency.way_{way}"]).click()
    page.get_by_label(words["latency.pairs"], exact=True).fill(str(pairs))
    page.keyboard.press("Tab")
    measure_button(page, words).click()
    expect(button(page, words["latency.stop"])).to_be_visible()


def choose_file(page: Page, words: dict[str, str], name: str, data: bytes) -> None:
    if not page.locator("input[type=file]").count():
        button(page, words["latency.upload"]).click()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "application/json", "buffer": data})


def downloaded(page: Page, words: dict[str, str], folder: Path) -> dict[str, bytes]:
    """The file of each kind that is offered."""
    unfold(page, words["latency.saving"])
    found = {}
    button(page, words["latency.make_report"]).click()
    for ending in ("json", "jsonl", "csv", "zip"):
        with page.expect_download() as download:
            page.get_by_role("button", name=words[f"latency.download_{ending}"]).click()
        assert download.value.suggested_filename.endswith(f".{ending}")
        download.value.save_as(folder / f"file.{ending}")
        found[ending] = (folder / f"file.{ending}").read_bytes()
    return found


def check_report(data: bytes, words: dict[str, str], measurement: Measurement) -> None:
    """Markdown in the reader's language, each of its charts a picture with marks, and the raw observations."""
    with zipfile.ZipFile(io.BytesIO(data)) as files:
        markdown = files.read("report.md").decode()
        pictures = re.findall(r"!\[.+\]\((charts/\w+\.svg)\)", markdown)
        assert len(pictures) == 4
        assert set(files.namelist()) == {"report.md", "observations.jsonl", *pictures}
        for name in pictures:
            drawn = ElementTree.fromstring(files.read(name))
            assert len(drawn.findall(".//*[@aria-roledescription]")) > 2, name
        assert read_measurement(files.read("observations.jsonl")).observations == measurement.observations
    assert markdown.startswith(f"# {words['latency.report_title']}\n")
    assert words["latency.column_way"] in markdown
    assert words["latency.definitions"] in markdown
    assert f"{words['latency.fact_calls']}: {len(measurement.observations)}" in markdown


def choose_model(page: Page, words: dict[str, str], model: str) -> None:
    """Choose it in place of the one that is there."""
    box = page.get_by_test_id("stMultiSelect").get_by_role("combobox")
    box.click()
    box.press("Backspace")
    options = model.partition("?")[2].replace("&", ", ")
    page.get_by_role("option", name=words["settings.demo_variant"].format(options=options), exact=True).click()
    page.keyboard.press("Escape")


@needs_chromium
@languages
def test_the_first_pair_is_a_race_and_nothing_is_cut(app: Site, language: str) -> None:
    """Said before it begins, and drawn from then on: a clock for each way, which runs by itself, and stops where its
    call stopped. On a phone as well, and the first words of the stream come before those of the whole answer."""
    words = texts(language)
    with app.opened("/latency", language, height=800) as page:
        choose_model(page, words, SLOW)
        expect(page.get_by_text(words["latency.happens"].partition("{")[0])).to_be_visible()
        expect(measure_button(page, words)).to_be_in_viewport()
        start(page, words, pairs=5)
        lanes = page.locator(".lane")
        expect(lanes).to_have_text([re.compile(words[f"latency.way_{way}"].split(" (")[0]) for way in USUAL_WAYS])
        expect(button(page, words["latency.stop"])).to_be_in_viewport()
        page.set_viewport_size({"width": 390, "height": 844})
        whole, stream = (lanes.nth(number).locator(".clock") for number in range(2))
        expect(whole).to_have_text(CLOCK, timeout=LIMIT * 1000)
        expect(stream).to_have_text(CLOCK, timeout=LIMIT * 1000)
        expect(made(page)).to_have_count(1, timeout=LIMIT * 1000)
        expect(page.locator(".pairs li")).to_have_count(5)
        reading = words["latency.race_reading"].partition("{first}")[2]
        expect(page.locator(".lane[data-state=reading] .state").filter(has_text=reading)).not_to_have_count(0)
        for place in (*lanes.all(), button(page, words["latency.stop"])):
            box = place.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        button(page, words["latency.stop"]).click()
        expect(page.get_by_text(pattern(words["latency.partial"]))).to_be_visible()
        sooner = words["latency.plain_first_earlier"].replace("*", "").partition("{seconds}")[2]
        expect(page.get_by_test_id("stHeading").filter(has_text=sooner)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_chromium
@pytest.mark.soak
def test_a_measurement_goes_on_whoever_looks(app: Site, tmp_path: Path) -> None:
    """It is a race while it runs, also for a second browser, after a reload, and for who comes back from elsewhere.
    A stop by anyone ends it for all, and keeps what was measured."""
    words, others = texts("en"), texts("ja")
    with app.opened("/latency") as page:
        start(page, words, pairs=100)
        stop = button(page, words["latency.stop"])
        expect(page.get_by_text(pattern(words["latency.progress"]))).to_be_visible()
        expect(made(page)).not_to_have_count(0, timeout=LIMIT * 1000)
        expect(stop).to_be_visible()
        with app.opened(page.url, "ja") as other:
            expect(other.get_by_text(pattern(others["latency.progress"]))).to_be_visible()
            expect(made(other)).not_to_have_count(0)
            page.reload()
            expect(stop).to_be_visible()
            expect(made(page)).not_to_have_count(0)
            page.get_by_role("link", name=words["chat.title"]).click()
            expect(page.get_by_role("heading", name=words["chat.title"])).to_be_visible()
            page.get_by_role("link", name=words["latency.title"]).click()
            expect(stop).to_be_visible()
            expect(page.get_by_text(pattern(words["latency.progress"]))).to_be_visible()
            button(other, others["latency.stop"]).click()
            for each, texts_there in ((other, others), (page, words)):
                expect(each.get_by_text(pattern(texts_there["latency.partial"]))).to_be_visible()
                expect(button(each, texts_there["latency.stop"])).to_have_count(0)
                expect(bars(charts(each).first)).to_have_count(4)
        files = downloaded(page, words, tmp_path)
        kept = read_measurement(files["json"])
        assert kept.complete is False
        assert 2 < len(kept.observations) < 202
        page.reload()
        assert kept.plan
        told = words["latency.partial"].format(done=len(kept.observations), expected=len(order(kept.plan)))
        expect(page.get_by_text(told)).to_be_visible()


@needs_chromium
@pytest.mark.soak
def test_a_known_schedule_is_found_again(app: Site, tmp_path: Path) -> None:
    """The sentence is that of the observations, and no answer was there before its model had written it."""
    words = texts("ja")
    with app.opened("/latency", "ja") as page:
        start(page, words, pairs=6)
        expect(page.get_by_text(words["latency.how_sure"])).to_be_visible(timeout=LIMIT * 1000)
        files = downloaded(page, words, tmp_path)
        measurement = read_measurement(files["json"])
        assert measurement.complete
        assert measurement.plan
        assert measurement.plan.models == (KNOWN,)
        seen = [call for call in measurement.observations if not call.warm_up]
        assert len(seen) == 12
        for call in seen:
            assert call.ttft is not None
            assert call.e2e is not None
            assert call.ttft > FIRST * 0.9
            assert call.e2e > (FIRST + (CHUNKS - 1) / RATE) * 0.9
            assert len(call.chunk_times) == (1 if call.way == "invoke" else CHUNKS)
        first = next(found for found in measurement.summary.comparisons if found.metric == "ttft").difference
        assert first
        assert first.value < 0
        earlier = words["latency.seconds"].format(value=f"{-first.value:.{2 if first.value <= -0.1 else 3}f}")
        unfold(page, words["latency.how_sure"])
        exact = page.get_by_test_id("stMain").get_by_role("listitem").first
        expect(exact).to_contain_text(words["latency.first_earlier"].format(seconds=earlier).replace("**", ""))
        expect(bars(charts(page).first)).to_have_count(4)


@needs_chromium
@pytest.mark.soak
def test_the_gateway_is_measured_beside_the_direct_way(app: Site, tmp_path: Path) -> None:
    """Of this very server, which wants a token that neither page nor file shows. Nothing is asked with a limit, for
    the gateway has none; what the relay costs is the first thing to read."""
    words = texts("en")
    with app.opened("/latency") as page:
        unfold(page, words["latency.settings"])
        shortest, unlimited = (
            page.get_by_role("radio", name=words[f"latency.length_{length}"]) for length in ("short", "unlimited")
        )
        shortest.click()
        button(page, words["latency.way_gateway"]).click()
        expect(unlimited).to_be_checked()
        limit = Settings(_env_file=None).gateway_runs_per_minute
        expect(page.get_by_text(words["latency.gateway_chosen"].format(limit=limit))).to_be_visible()
        expect(shortest).to_be_disabled()
        button(page, words["latency.way_gateway"]).click()
        expect(shortest).to_be_checked()
        button(page, words["latency.way_gateway"]).click()
        expect(unlimited).to_be_checked()
        unfold(page, words["latency.settings"])
        start(page, words, pairs=3, without=["invoke"])
        expect(page.get_by_text(words["latency.how_sure"])).to_be_visible(timeout=LIMIT * 1000)
        names = {"way": words["latency.way_gateway"], "base": words["latency.way_stream"]}
        beginning = words["latency.relayed"].partition("{first}")[0].format(**names)
        unfold(page, words["latency.how_sure"])
        expect(page.get_by_test_id("stMain").get_by_role("listitem").filter(has_text=beginning)).to_be_visible()
        expect(bars(charts(page).first)).to_have_count(4)
        files = downloaded(page, words, tmp_path)
        measurement = read_measurement(files["json"])
        assert measurement.complete
        assert measurement.plan
        assert measurement.plan.max_tokens is None
        assert [(seen.error, sum(seen.chunk_characters)) for seen in measurement.observations] == [
            (None, CHUNKS * 5)
        ] * 6
        check_report(files["zip"], words, measurement)
        with zipfile.ZipFile(io.BytesIO(files["zip"])) as archive:
            report = archive.read("report.md").decode()
        assert beginning in report
        assert words["latency.relayed_what"] in report
        assert TOKEN not in page.content() + report + files["json"].decode() + files["csv"].decode()


@pytest.fixture(scope="module")
def from_the_terminal(demo: DemoModel, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A measurement that the command has written."""
    path = tmp_path_factory.mktemp("terminal") / "out.json"
    arguments = ["--model", KNOWN, "--pairs", "3", "--ways", "invoke,stream", "--json", str(path), "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "streamlab.latency", *arguments, "--demo-url", demo.base_url],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, timeout=LIMIT,
    )  # fmt: skip
    return path.read_bytes()


@pytest.mark.soak
@needs_chromium
@languages
def test_a_measurement_from_the_terminal_is_opened_and_taken_away(
    app: Site, from_the_terminal: bytes, language: str, tmp_path: Path
) -> None:
    """A broken one first, which is refused. Then charts with every mark, tabs, and files that hold the same."""
    words = texts(language)
    with app.opened("/latency", language) as page:
        choose_file(page, words, "cut.jsonl", LINES[:-30])
        reason = words["latency.broken_not_json"]
        expect(page.get_by_text(words["latency.broken_line"].format(line=3, reason=reason))).to_be_visible()
        choose_file(page, words, "out.json", from_the_terminal)
        expect(bars(charts(page).first)).to_have_count(4)  # waiting and reading, two ways
        page.keyboard.press("Escape")
        expect(diamonds(charts(page).first)).to_have_count(2)
        expect(page.get_by_test_id("stDataFrame").filter(visible=True)).to_have_count(0)
        unfold(page, words["latency.how_sure"])
        for number in (1, 2):
            expect(bars(charts(page).nth(number))).to_have_count(6)
            expect(diamonds(charts(page).nth(number))).to_have_count(2)
        for name in ("truth_ttft_error", "truth_gap_error", "late"):
            expect(page.get_by_test_id("stMetric").filter(has_text=words[f"latency.{name}"])).to_contain_text("ms")
        unfold(page, words["latency.tab_figures"])
        expect(page.get_by_test_id("stDataFrame").filter(visible=True)).to_have_count(1)
        expect(bars(charts(page).nth(3))).to_have_count(3 * (CHUNKS - 1))

        files = downloaded(page, words, tmp_path)
        brought = read_measurement(from_the_terminal)
        taken = read_measurement(files["json"])
        assert (taken.observations, taken.plan, taken.made_at) == (brought.observations, brought.plan, brought.made_at)
        assert read_measurement(files["jsonl"]).observations == brought.observations
        rows = list(csv.DictReader(io.StringIO(files["csv"].decode())))
        assert [(row["way"], row["e2e"]) for row in rows] == [
            (seen.way, str(seen.e2e)) for seen in brought.observations
        ]
        check_report(files["zip"], words, brought)
