"""The page that measures latency as people use it: over AppTest in both languages, and in a real browser."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Locator, Page, expect
from streamlit.testing.v1 import AppTest

from benchmarks.harness import ROOT
from components.latency.figures import COLUMNS
from components.page.history import KEPT
from components.page.texts import LANGUAGES, texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.latency.measurement import Measurement, read_measurement, write_measurement
from streamlab.latency.measurements import AT_ONCE, Measuring
from streamlab.latency.observation import Observation, encode_observation, write_lines
from streamlab.latency.plan import DIRECT, Plan, Way
from streamlab.settings import Settings
from tests.browser import Site, button, needs_chromium, site
from tests.pages import LIMIT, checked, languages, serving, visit
from tests.present import present

FIRST, RATE, CHUNKS = 0.05, 100, 20
KNOWN = f"demo?first={FIRST}&rate={RATE}&jitter=0&chunks={CHUNKS}"
FAILING = "demo?fault=key"
TOKEN = "gw-secret-0123456789"
PATIENCE = 30_000  # milliseconds


PLAN = Plan(models=("acme-1",), prompt="What is streaming?", pairs=6, ways=("invoke", "stream"), warm_ups=0)


def streamed(pair: int, *, first: float = 0.5, gap: float = 0.075, late: float = 0.001, **fields: Any) -> Observation:
    """21 chunks, of which each takes half a second to read. The server wrote each a millisecond before it was seen."""
    times = tuple(round(first + number * gap, 6) for number in range(21))
    values: dict[str, Any] = {
        "pair": pair, "way": "stream", "model": "acme-1", "warm_up": pair == 0, "ttfe": first, "ttft": first,
        "e2e": times[-1], "chunk_times": times, "chunk_characters": (5,) * 21, "tokens": 21, "tokens_estimated": False,
        "reading": 10.5, "streamed": True, "waits": 21, "error": None, "late": late,
        "written": tuple(round(at - 0.001, 6) for at in times),
    }  # fmt: skip
    return Observation(**values | fields)


def invoked(pair: int, e2e: float = 2.0, **fields: Any) -> Observation:
    whole: dict[str, Any] = {
        "way": "invoke", "ttfe": e2e, "ttft": e2e, "e2e": e2e, "chunk_times": (e2e,), "chunk_characters": (105,),
        "streamed": False, "waits": 1, "written": (e2e - 0.001,),
    }  # fmt: skip
    return streamed(pair, **whole | fields)


def relayed(pair: int, late: float = 0.02, **fields: Any) -> Observation:
    """The same answer through the gateway: all of it later by so much, in bunches of three chunks."""
    times = tuple(round(0.5 + late + number * 0.225, 6) for number in range(7))
    through: dict[str, Any] = {
        "way": "gateway", "ttfe": times[0], "ttft": times[0], "e2e": round(2.0 + late, 6), "chunk_times": times,
        "chunk_characters": (15,) * 7, "waits": 7, "written": None,
    }  # fmt: skip
    return streamed(pair, **through | fields)


def failed(pair: int, error: str, way: Way = "stream") -> Observation:
    nothing: dict[str, Any] = {
        "ttfe": None,
        "ttft": None,
        "e2e": None,
        "chunk_times": (),
        "chunk_characters": (),
        "tokens": None,
    }
    return streamed(pair, error=error, way=way, reading=0.0, written=None, **nothing)


def pairs(**fields: Any) -> list[Observation]:
    """As many as can be sure of something: 2 s whole, and streamed from 0.5 to 2 s."""
    return [call for pair in range(1, 7) for call in (invoked(pair), streamed(pair, **fields))]


def document(seen: Sequence[Observation], *, complete: bool = True) -> bytes:
    return write_measurement(seen, PLAN, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), complete=complete)


def pattern(text: str) -> re.Pattern[str]:
    """A text whose blanks are filled with some number."""
    return re.compile(re.sub(r"\\{\w+\\}", r"\\d+", re.escape(text)))


# Without a browser


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with serving(lab_models=(KNOWN, FAILING, "acme-1")) as engine:
        yield engine


def upload(app: AppTest, data: bytes, name: str = "former.json") -> AppTest:
    return checked(app.file_uploader(key="latency.upload").set_value((name, data, "application/json")).run())


def opened_file(language: str, seen: Sequence[Observation], *, complete: bool = True) -> AppTest:
    return upload(visit("latency", language), document(seen, complete=complete))


def warned(app: AppTest) -> str:
    return "\n".join(warning.value for warning in app.warning)


def ended(engine: Engine, measurement_id: str) -> Measuring:
    deadline = time.monotonic() + LIMIT
    while (found := present(engine.measurements.find(measurement_id))).ended is None:
        assert time.monotonic() < deadline, "the measurement did not end"
        time.sleep(0.02)
    return found


@languages
def test_what_is_not_complete_cannot_be_started(engine: Engine, language: str) -> None:
    """Without a model, a way or a question the button rests, and a hint says what is missing."""
    words = texts(language)
    app = visit("latency", language)
    assert app.multiselect(key="latency.models").value == [KNOWN]
    assert app.number_input(key="latency.pairs").value == 10
    lengths, ways = app.button_group
    assert lengths.options == [words[f"latency.length_{name}"] for name in ("short", "medium", "long", "unlimited")]
    assert ways.options == [words[f"latency.way_{way}"] for way in DIRECT]
    assert words["latency.no_gateway"] in [caption.value for caption in app.caption]

    def start_rests() -> bool:
        rests = bool(app.button(key="latency.start").disabled)
        hint = words["latency.incomplete" if rests else "latency.start_help"]
        assert hint in [caption.value for caption in app.caption]
        return rests

    assert not start_rests()
    app.multiselect(key="latency.models").set_value([]).run()
    assert start_rests()
    app.multiselect(key="latency.models").set_value([KNOWN, "acme-1"]).run()
    app.button_group[1].set_value([]).run()
    assert start_rests()
    app.button_group[1].set_value(["invoke"]).run()
    app.text_area(key="latency.prompt").set_value(" \n").run()
    assert start_rests()
    app.text_area(key="latency.prompt").set_value("Hello").run()
    assert not start_rests()
    checked(app)


def test_a_blank_question_is_refused_also_when_start_was_faster(engine: Engine) -> None:
    """The button may be pressed in the moment in which the question is emptied."""
    app = visit("latency", "en")
    app.text_area(key="latency.prompt").set_value("  ")
    checked(app.button(key="latency.start").click().run())
    assert app.button(key="latency.start").disabled
    assert "measurement" not in app.query_params


@languages
def test_no_more_are_started_than_can_be_measured(engine: Engine, language: str) -> None:
    """Who comes too soon is told so, and keeps what was chosen."""
    running = [engine.measurements.start(PLAN) for _ in range(AT_ONCE)]
    try:
        app = visit("latency", language)
        app.text_area(key="latency.prompt").set_value("Why?")
        checked(app.button(key="latency.start").click().run())
        assert warned(app) == texts(language)["latency.too_many"]
        assert app.text_area(key="latency.prompt").value == "Why?"
    finally:
        for measurement_id in running:
            engine.measurements.stop(measurement_id)
            ended(engine, measurement_id)


def test_a_model_that_fails_is_said_to_in_every_language(engine: Engine) -> None:
    """What was chosen is what is measured; the reason is a sentence, and how many calls were made stands there."""
    app = visit("latency", "en")
    app.multiselect(key="latency.models").set_value([FAILING])
    app.number_input(key="latency.pairs").set_value(3)
    app.button_group[0].set_value("short")
    app.number_input(key="latency.target").set_value(0.5)
    app.text_area(key="latency.prompt").set_value("Why?")
    checked(app.button(key="latency.start").click().run())
    measurement_id = app.query_params["measurement"]
    found = ended(engine, measurement_id)
    plan = found.plan
    assert (plan.models, plan.pairs, plan.max_tokens, plan.target, plan.prompt) == ((FAILING,), 3, 50, 0.5, "Why?")
    for language in LANGUAGES:
        words = texts(language)
        app = visit("latency", language, measurement=measurement_id)
        assert words["error.auth"] in warned(app)
        assert words["latency.partial"].format(calls=3) in [info.value for info in app.info]
        assert not app.dataframe


@languages
def test_the_sentence_says_what_a_stakeholder_needs(engine: Engine, language: str) -> None:
    """How much earlier, that the whole took as long, how sure that is, and what a reader notices."""
    words = texts(language)

    def seconds(value: str) -> str:
        return words["latency.seconds"].format(value=value)

    def interval(value: str) -> str:
        return words["latency.from_to"].format(middle=seconds(value), low=seconds(value), high=seconds(value))

    app = opened_file(language, pairs())
    way = words["latency.way_stream"]
    earlier = words["latency.first_earlier"].format(seconds=seconds("1.50"))
    same = words["latency.whole_same"].format(signed=seconds("+0.000"))
    assert [info.value for info in app.info] == [words["latency.sentence"].format(way=way, first=earlier, whole=same)]
    told = {"way": way, "pairs": 6, "level": 95, "first": interval("-1.50"), "whole": interval("+0.000")}
    assert words["latency.interval"].format(**told) in [caption.value for caption in app.caption]
    noticed = {"way": way, "streamed": seconds("0.50"), "whole": seconds("2.00"), "words": 250, "characters": 500}
    assert words["latency.reader"].format(**noticed) in [text.value for text in app.markdown]
    assert warned(app) == ""
    assert PLAN.prompt in [text.value for text in app.text]


@languages
def test_what_the_relay_costs_is_a_sentence_of_its_own(engine: Engine, language: str) -> None:
    """Beside the direct way that was measured, with its interval, and with what is in it."""
    words = texts(language)

    def interval(value: str) -> str:
        seconds = words["latency.seconds"].format(value=value)
        return words["latency.from_to"].format(middle=seconds, low=seconds, high=seconds)

    for direct in ("stream", "astream"):
        calls = [call for pair in range(1, 7) for call in (streamed(pair, way=direct), relayed(pair))]
        app = opened_file(language, calls)
        names = {"way": words["latency.way_gateway"], "base": words[f"latency.way_{direct}"]}
        later = words["latency.seconds"].format(value="0.020")
        first = words["latency.first_later"].format(seconds=later)
        whole = words["latency.whole_later"].format(seconds=later)
        assert [info.value for info in app.info] == [words["latency.relayed"].format(**names, first=first, whole=whole)]
        told = {**names, "first": interval("+0.020"), "whole": interval("+0.020"), "pairs": 6, "level": 95}
        captions = "\n".join(caption.value for caption in app.caption)
        assert words["latency.relayed_interval"].format(**told) in captions
        assert words["latency.relayed_what"] in captions
        assert warned(app) == ""


@languages
def test_without_a_direct_way_nothing_is_said_of_the_relay(engine: Engine, language: str) -> None:
    """It is put beside the whole answer like every stream, and that alone."""
    words = texts(language)
    app = opened_file(language, [call for pair in range(1, 7) for call in (invoked(pair), relayed(pair))])
    (told,) = (info.value for info in app.info)
    earlier = words["latency.seconds"].format(value="1.48")
    assert words["latency.first_earlier"].format(seconds=earlier) in told
    assert told.startswith(words["latency.sentence"].partition("{first}")[0].format(way=words["latency.way_gateway"]))


@languages
@pytest.mark.parametrize("code", ["gateway_access", "gateway_refused", "gateway_unavailable"])
def test_what_the_gateway_did_not_do_is_told_apart_from_the_model(engine: Engine, language: str, code: str) -> None:
    """Each with a sentence of its own."""
    words = texts(language)
    told = warned(opened_file(language, [*pairs(), failed(7, code, "gateway")]))
    assert words["latency.failed"].format(number=1, reason=words[f"latency.error_{code}"]) in told


@languages
def test_few_pairs_prove_nothing(engine: Engine, language: str) -> None:
    """And the sentence says so instead of more."""
    words = texts(language)
    app = opened_file(language, pairs()[:6])
    (told,) = (info.value for info in app.info)
    signed = words["latency.seconds"].format(value="-1.50")
    assert words["latency.first_open"].format(signed=signed) in told


@languages
def test_the_table_has_each_figure_with_its_formula(engine: Engine, language: str) -> None:
    """Worked out by hand: TPOT is (2.0 - 0.5) / 20. What invoke does not have is no zero."""
    words = texts(language)
    app = opened_file(language, pairs())
    (table,) = app.dataframe
    target = words["latency.seconds"].format(value="1.00")
    titles = [words[f"latency.column_{name}"].format(target=target) for name in COLUMNS]
    assert list(table.value.columns) == [words["latency.column_way"], *titles]
    whole, stream = table.value.to_dict("records")
    assert whole[words["latency.column_way"]] == words["latency.way_invoke"]
    assert {name: stream[title] for name, title in zip(COLUMNS, titles, strict=True)} == pytest.approx(
        {"n": 6, "ttfe": 0.5, "ttft": 0.5, "gap": 75, "gap_high": 75, "tpot": 75, "e2e": 2.0, "rate": 40 / 3,
        "tokens": 21, "within": 100}
    )  # fmt: skip
    figures = {name: whole[title] for name, title in zip(COLUMNS, titles, strict=True)}
    assert {name: value for name, value in figures.items() if value == value} == pytest.approx(
        {"n": 6, "ttfe": 2.0, "ttft": 2.0, "e2e": 2.0, "tokens": 21, "within": 0}
    )
    helps = {title: column["help"] for title, column in json.loads(table.proto.columns).items() if "help" in column}
    assert helps == {
        title: words[f"latency.formula_{name}"].format(target=target)
        for name, title in zip(COLUMNS, titles, strict=True)
    }


@languages
def test_what_speaks_against_the_figures_is_said(engine: Engine, language: str) -> None:
    """An invoke that streamed underneath, a stream that something buffered, and calls that failed."""
    words = texts(language)
    app = opened_file(language, [invoked(1, streamed=True), *pairs()[1:], failed(7, "timeout"), invoked(7)])
    assert words["latency.underneath"].format(number=1) in warned(app)
    assert words["latency.failed"].format(number=1, reason=words["error.timeout"]) in warned(app)
    assert app.dataframe[0].value.iloc[:, 1].tolist() == [6, 6]

    bunched = pairs(first=1.9, gap=0.0002, waits=1)
    told = {"way": words["latency.way_stream"], "held": 6, "number": 6}
    assert words["latency.buffered"].format(**told) == warned(upload(app, document(bunched)))


@languages
@pytest.mark.parametrize(
    ("reason", "fields", "value"),
    [
        ("late", {"late": 0.05}, "50"),
        ("ttft_error", {"written": tuple(round(0.45 + number * 0.075, 6) for number in range(21))}, "50"),
        ("gap_error", {"written": tuple(round(0.499 + number * 0.055, 6) for number in range(21))}, "20"),
    ],
)
def test_a_noisy_machine_is_called_so(
    engine: Engine, language: str, reason: str, fields: dict[str, Any], value: str
) -> None:
    """With what was beyond its bound, and by how much."""
    words = texts(language)
    told = warned(opened_file(language, pairs(**fields)))
    assert words["latency.noisy"] in told
    assert words[f"latency.noisy_{reason}"].format(value=value) in told


def test_a_bound_that_was_kept_is_not_called_broken(engine: Engine) -> None:
    """An error of 8 ms is beyond the 5 ms of the median; that 15 ms are allowed is not the reason then."""
    written = tuple(round(0.492 + number * 0.075, 6) for number in range(21))
    told = warned(opened_file("en", [streamed(pair, written=written) for pair in range(1, 7)]))
    assert texts("en")["latency.noisy"] in told
    assert texts("en")["latency.noisy_ttft_error"].format(value="8") not in told


@languages
def test_who_stops_while_it_warms_up_is_not_told_of_a_failure(engine: Engine, language: str) -> None:
    """Nothing was measured, and nothing failed."""
    app = opened_file(language, [invoked(0), streamed(0)], complete=False)
    assert texts(language)["latency.partial"].format(calls=2) in [info.value for info in app.info]
    assert warned(app) == ""


@languages
def test_two_measurements_are_compared(engine: Engine, language: str) -> None:
    """From the one that was chosen to the one that is shown, figure by figure, with a verdict."""
    words = texts(language)
    app = upload(visit("latency", language), document(pairs()), "before.json")
    after = [call for pair in range(1, 7) for call in (invoked(pair), streamed(pair, first=1.0, gap=0.05))]
    upload(app, document(after), "after.json")
    kept = app.session_state["latency.history"]
    chosen = next(key for key, measured in kept.items() if measured.name == "before.json")
    checked(next(box for box in app.selectbox if "latency.compare" in str(box.key)).set_value(chosen).run())
    assert words["latency.compared"].format(before="before.json", after="after.json") in [
        text.value for text in app.markdown
    ]
    rows = app.dataframe[1].value.to_dict("records")
    first = next(
        row
        for row in rows
        if row[words["latency.column_way"]].startswith(words["latency.way_stream"])
        and row[words["latency.column_metric"]] == words["latency.metric_ttft"]
    )
    assert first[words["latency.column_verdict"]] == words["latency.verdict_later"]
    assert words["latency.seconds"].format(value="+0.500") in first[words["latency.column_difference"]]
    verdicts = [row[words["latency.column_verdict"]] for row in rows]
    assert verdicts.count(words["latency.verdict_same"]) == 4  # of invoke all, and the end of the stream
    assert len(verdicts) == 6


@languages
def test_what_has_nothing_in_common_is_not_compared(engine: Engine, language: str) -> None:
    """That is said, instead of an empty table."""
    app = upload(visit("latency", language), document([invoked(1)]), "one.json")
    upload(app, write_lines([streamed(1)]), "two.jsonl")
    box = next(box for box in app.selectbox if "latency.compare" in str(box.key))
    checked(box.select_index(0).run())
    assert texts(language)["latency.nothing_shared"] in [info.value for info in app.info]


LINES = write_lines(pairs()[:3])
BROKEN = {
    "cut.jsonl": (LINES[:-30], "not_json", 3),
    "twice.jsonl": (LINES + LINES, "called_twice", 4),
    "order.jsonl": (LINES.replace(b'"e2e": 2.0', b'"e2e": 0.1', 1), "times_out_of_order", 1),
    "field.jsonl": (LINES.replace(b'"waits"', b'"delays"'), "not_an_observation", 1),
    "latin.jsonl": (LINES + "é".encode("latin-1"), "not_text", 4),
    "empty.json": (b"", "empty", None),
    "other.json": (b'{"name": "x"}', "not_a_measurement", None),
    "cut.json": (document(pairs())[:400], "not_json", None),
    "newer.json": (document(pairs()).replace(b'"version": 1', b'"version": 2'), "unknown_version", None),
}


@languages
def test_a_broken_file_is_refused_with_line_and_reason(engine: Engine, language: str) -> None:
    """And what was there stays there: the measurement that is shown, and the list."""
    words = texts(language)
    app = opened_file(language, pairs())
    shown = [info.value for info in app.info]
    for name, (data, code, line) in BROKEN.items():
        upload(app, data, name)
        reason = words[f"latency.broken_{code}"]
        told = "latency.broken_line" if line else "latency.broken"
        assert warned(app) == words[told].format(line=line, reason=reason), name
        assert [info.value for info in app.info] == shown
    assert [button.label for button in app.button if "latency.open." in str(button.key)] == ["former.json"]


def test_a_session_keeps_its_newest_measurements(engine: Engine) -> None:
    """Each can be opened again; the oldest leaves the list when it is full."""
    app = visit("latency", "en")
    for number in range(KEPT + 1):
        upload(app, encode_observation(invoked(1, 1.0 + number)), f"{number}.jsonl")
    listed = [button for button in app.button if "latency.open." in str(button.key)]
    assert [button.label for button in listed] == [f"{number}.jsonl" for number in reversed(range(1, KEPT + 1))]
    checked(listed[-1].click().run())
    assert app.dataframe[0].value[texts("en")["latency.column_e2e"]].tolist() == [2.0]


@languages
def test_what_was_chosen_is_there_for_the_next_measurement(engine: Engine, language: str) -> None:
    """Whoever goes on from a result changes one thing, and does not begin anew."""
    app = visit("latency", language)
    app.text_area(key="latency.prompt").set_value("Why?")
    app.number_input(key="latency.pairs").set_value(3).run()
    upload(app, document(pairs()))
    checked(app.button(key="latency.new").click().run())
    assert app.text_area(key="latency.prompt").value == "Why?"
    assert app.number_input(key="latency.pairs").value == 3


@languages
def test_a_measurement_that_is_not_there_says_so(engine: Engine, language: str) -> None:
    """And a new one can be made."""
    app = visit("latency", language, measurement="nowhere")
    assert warned(app) == texts(language)["latency.unknown"]
    assert not app.button(key="latency.start").disabled


# In a browser


@pytest.fixture(scope="module")
def app() -> Iterator[Site]:
    with site(LAB_MODELS=KNOWN, LAB_GRPC_PORT="0", GATEWAY_TOKENS=f"measuring:{TOKEN}") as found:
        yield found


def charts(page: Page) -> Locator:
    """Those that are seen, not those of other tabs."""
    return page.get_by_test_id("stVegaLiteChart").filter(visible=True)


def bars(chart: Locator) -> Locator:
    """Bars and strokes as they are drawn."""
    return chart.locator(".mark-rect.role-mark path")


def diamonds(chart: Locator) -> Locator:
    return chart.locator(".mark-symbol.role-mark path")


def start(page: Page, words: dict[str, str], pairs: int, without: Sequence[Way] = ()) -> None:
    for way in without:
        button(page, words[f"latency.way_{way}"]).click()
    page.get_by_label(words["latency.pairs"], exact=True).fill(str(pairs))
    page.keyboard.press("Tab")
    button(page, words["latency.start"]).click()
    expect(button(page, words["latency.stop"])).to_be_visible()


def choose_file(page: Page, words: dict[str, str], name: str, data: bytes) -> None:
    if not page.locator("input[type=file]").count():
        button(page, words["latency.upload"]).click()
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "application/json", "buffer": data})


def downloaded(page: Page, words: dict[str, str], folder: Path) -> dict[str, bytes]:
    """The file of each kind that is offered."""
    button(page, words["latency.download"]).click()
    found = {}
    button(page, words["latency.make_report"]).click()
    for ending in ("json", "jsonl", "csv", "zip"):
        with page.expect_download() as download:
            page.get_by_role("button", name=words[f"latency.download_{ending}"]).click()
        assert download.value.suggested_filename.endswith(f".{ending}")
        download.value.save_as(folder / f"file.{ending}")
        found[ending] = (folder / f"file.{ending}").read_bytes()
    page.keyboard.press("Escape")
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


@needs_chromium
@pytest.mark.soak
def test_a_measurement_goes_on_whoever_looks(app: Site, tmp_path: Path) -> None:
    """Results appear while it runs, also for a second browser, after a reload, and for who comes back from elsewhere.
    A stop by anyone ends it for all, and keeps what was measured."""
    words, others = texts("en"), texts("ja")
    with app.opened("/latency") as page:
        start(page, words, pairs=100, without=["astream"])
        stop = button(page, words["latency.stop"])
        expect(page.get_by_text(pattern(words["latency.progress"]))).to_be_visible()
        expect(bars(charts(page).first)).to_have_count(4, timeout=LIMIT * 1000)
        expect(stop).to_be_visible()
        with app.opened(page.url, "ja") as other:
            expect(other.get_by_text(pattern(others["latency.progress"]))).to_be_visible()
            expect(bars(charts(other).first)).to_have_count(4)
            page.reload()
            expect(stop).to_be_visible()
            expect(charts(page).first).to_be_visible()
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
        expect(page.get_by_text(words["latency.partial"].format(calls=len(kept.observations)))).to_be_visible()


@needs_chromium
@pytest.mark.soak
def test_a_known_schedule_is_found_again(app: Site, tmp_path: Path) -> None:
    """The sentence is that of the observations, and no answer was there before its model had written it."""
    words = texts("ja")
    with app.opened("/latency", "ja") as page:
        start(page, words, pairs=6, without=["astream"])
        sentence = page.get_by_test_id("stAlert").filter(has_text=words["latency.way_stream"])
        expect(button(page, words["latency.download"])).to_be_visible(timeout=LIMIT * 1000)
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
        assert first.median < 0
        earlier = words["latency.seconds"].format(value=f"{-first.median:.{2 if first.median <= -0.1 else 3}f}")
        expect(sentence.first).to_contain_text(words["latency.first_earlier"].format(seconds=earlier).replace("**", ""))
        expect(bars(charts(page).first)).to_have_count(4)


@needs_chromium
@pytest.mark.soak
def test_the_gateway_is_measured_beside_the_direct_way(app: Site, tmp_path: Path) -> None:
    """Of this very server, which wants a token that neither page nor file shows. Nothing is asked with a limit, for
    the gateway has none; what the relay costs is the first thing to read."""
    words = texts("en")
    with app.opened("/latency") as page:
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
        start(page, words, pairs=3, without=["invoke", "astream"])
        expect(button(page, words["latency.download"])).to_be_visible(timeout=LIMIT * 1000)
        names = {"way": words["latency.way_gateway"], "base": words["latency.way_stream"]}
        beginning = words["latency.relayed"].partition("{first}")[0].format(**names)
        expect(page.get_by_test_id("stAlert").filter(has_text=beginning)).to_be_visible()
        expect(bars(charts(page).first)).to_have_count(4)
        files = downloaded(page, words, tmp_path)
        measurement = read_measurement(files["json"])
        assert measurement.complete
        assert measurement.plan
        assert measurement.plan.max_tokens is None
        assert [(seen.error, sum(seen.chunk_characters)) for seen in measurement.observations] == [
            (None, CHUNKS * 5)
        ] * 8
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
        expect(page.get_by_test_id("stDataFrame").filter(visible=True)).to_have_count(1)
        page.get_by_role("tab", name=words["latency.tab_gaps"]).click()
        expect(bars(charts(page).nth(1))).to_have_count(3 * (CHUNKS - 1))
        page.get_by_role("tab", name=words["latency.tab_spread"]).click()
        for number in (1, 2):
            expect(bars(charts(page).nth(number))).to_have_count(6)
            expect(diamonds(charts(page).nth(number))).to_have_count(2)
        page.get_by_role("tab", name=words["latency.tab_truth"]).click()
        for name in ("truth_ttft_error", "truth_gap_error", "late"):
            expect(page.get_by_test_id("stMetric").filter(has_text=words[f"latency.{name}"])).to_contain_text("ms")

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
