"""The page of prompts in a real browser."""

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from streamlab.demo_model.process import DemoModel
from streamlab.prompts.promptfoo import to_promptfoo
from streamlab.prompts.serialization import from_yaml, to_yaml
from tests import prompts
from tests.browser import needs_chromium
from tests.conftest import demo_model
from tests.pages import languages
from tests.prompts import (
    CHECKS,
    FAST,
    Browse,
    asked,
    button,
    case,
    choose,
    column,
    describe,
    ended,
    grown,
    in_english,
    in_japanese,
    most_at_once,
    prompt_set,
    provider_model,
    row,
    run_button,
    run_what,
    said,
    table,
    topics,
    words_of,
)

browse, browser = prompts.browse, prompts.browser  # fixtures are found by their names


@needs_chromium
@pytest.mark.soak
@languages
def test_variables_are_found_as_one_types(browse: Browse, demo: DemoModel, language: str) -> None:
    """Nothing need be left or clicked; the new column is filled in in the table, and its text reaches the model."""
    model = provider_model()
    page = browse(language, prompt_set(model, FAST, **topics("SSE")))
    area = page.get_by_role("textbox", name=said(language, "prompts.template"), exact=True).first
    area.press("End")
    area.press_sequentially(" {level}")
    badges = page.get_by_text(said(language, "prompts.variables", names="").strip()).first
    expect(badges).to_contain_text("level")
    empty = page.get_by_text(said(language, "prompts.problem_empty_cell", variant="A", names="level", cases="1"))
    expect(empty).to_be_visible()
    expect(area).to_be_focused()
    area.press_sequentially(" {")
    flaw = said(language, "prompts.problem_template_open_brace", variant="A", position=32)
    expect(page.get_by_text(flaw)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    button(page, said(language, "prompts.run")).click()
    expect(page.get_by_role("alert").get_by_text(flaw)).to_be_visible()
    area.press("End")
    area.press("Backspace")
    area.press("Backspace")
    expect(run_button(page, language)).to_be_visible()
    page.get_by_role("tab", name=said(language, "prompts.tab_cases")).click()
    fill_cell(page, 0.7, "easy")
    expect(empty).to_have_count(0)
    run_button(page, language).click()
    ended(page, language)
    assert [record["prompt"]["user"] for record in asked(demo, model)] == ["Tell me about SSE. easy"]


def fill_cell(page: Page, share: float, text: str) -> None:
    """Of the table's first row, the cell at this share of its width."""
    editor = page.get_by_test_id("stDataFrame").first
    box = editor.bounding_box()
    assert box
    editor.dblclick(position={"x": box["width"] * share, "y": 52})
    page.locator("#portal textarea").fill(text)
    page.keyboard.press("Enter")


@needs_chromium
@languages
def test_every_variant_streams_in_its_own_column(browse: Browse, demo: DemoModel, language: str) -> None:
    """All at the same time; each can be stopped alone. What became of one is said below it while others go on."""
    slow = {"first": 0, "rate": 40, "chunks": 4_000}
    first, second = provider_model(**slow), provider_model(**slow)
    page = browse(language, prompt_set(first, second, "demo?fault=key", FAST))
    run_button(page, language).click()
    for name in "AB":
        expect(column(page, name)).to_contain_text("word5 ")
    failures = page.get_by_test_id("stMain").get_by_role("alert").filter(has_text=said(language, "error.auth"))
    expect(column(page, "C").get_by_role("alert")).to_contain_text(said(language, "error.auth"))
    expect(failures).to_have_count(1)
    for figure in ("ttft", "total", "tokens_out"):
        expect(column(page, "D")).to_contain_text(said(language, f"figures.{figure}").replace(" ", "\u00a0"))
    expect(column(page, "D")).to_contain_text(said(language, "prompts.cost_free"))
    grown(column(page, "A"))
    button(page, said(language, "prompts.stop_one", variant="A")).click()
    expect(column(page, "A")).to_contain_text(said(language, "chat.stopped"))
    assert [record["ended"] for record in asked(demo, first, second)].count("running") == 1
    assert asked(demo, second)[0]["ended"] == "running"
    grown(column(page, "B"))
    button(page, said(language, "prompts.stop")).click()
    ended(page, language)
    expect(page.get_by_text(said(language, "prompts.state_stopped", done=1, expected=4))).to_be_visible()
    for name in "AB":
        expect(column(page, name)).to_contain_text("word5 ")
        expect(column(page, name)).to_contain_text(said(language, "chat.stopped"))
    expect(failures).to_have_count(1)
    expect(row(page, language, "good").last).to_have_text("100 % (1/1) ★")


@needs_chromium
@in_japanese
@pytest.mark.soak
def test_many_cases_make_a_grid(browse: Browse, demo: DemoModel, language: str) -> None:
    """So many at once and no more, with progress; a case is chosen, and its answers are shown in full."""
    models = [provider_model(first=3.0, text=f"I am {name}.") for name in "ab"]
    page = browse(language, prompt_set(*models, **topics("SSE", "gRPC", "HTTP", "QUIC", "TCP", "UDP"), at_once=3))
    run_button(page, language).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text(numbered(said(language, "prompts.progress", done="#", expected=12)))).to_be_visible()
    ended(page, language)
    expect(page.get_by_text("I am b.", exact=True)).to_have_count(7)  # the first case was open from the start
    case(page, "4. topic: QUIC").click()
    expect(page.get_by_test_id("stFeedback")).to_have_count(2)
    expect(page.get_by_text("I am b.", exact=True)).to_have_count(7)
    case(page, "4. topic: QUIC").click()
    expect(page.get_by_text("I am b.", exact=True)).to_have_count(6)
    records = asked(demo, *models)
    assert len(records) == 12
    assert most_at_once(records) in (2, 3)


def numbered(text: str) -> re.Pattern[str]:
    """The text with any number in place of `#`."""
    return re.compile("^" + r"\d+".join(map(re.escape, text.split("#"))) + "$")


@needs_chromium
@in_english
@pytest.mark.soak
def test_a_rate_limit_is_said_and_waited_out(browse: Browse, demo: DemoModel, language: str) -> None:
    """Also one that outlasts the attempts of a run; the others do not wait for it."""
    limited = provider_model(fault="rate_limit", times=3, retry_after=0.2, text="At last.")
    page = browse(language, prompt_set(limited, FAST))
    run_button(page, language).click()
    expect(column(page, "A")).to_contain_text(said(language, "prompts.rate_limited"))
    expect(page.get_by_text(said(language, "prompts.progress", done=1, expected=2), exact=True)).to_be_visible()
    ended(page, language)
    expect(column(page, "A")).to_contain_text("At last.")
    assert len(asked(demo, limited)) == 4


@needs_chromium
@pytest.mark.soak
def test_a_comparison_outlives_clicks_pages_and_browsers(browse: Browse, demo: DemoModel) -> None:
    """Nothing is asked twice, and both browsers end with the same words."""
    models = [provider_model(first=0, rate=40, chunks=4_000) for _ in range(2)]
    prompts = prompt_set(*models)
    page = browse("en", prompts)
    run_button(page).click()
    expect(column(page, "B")).to_contain_text("word5 ")
    page.get_by_text(describe("en", prompts), exact=True).click()
    page.get_by_role("tab", name=said("en", "prompts.tab_checks")).click()
    page.get_by_role("spinbutton", name=said("en", "prompts.repeats")).fill("2")
    page.keyboard.press("Enter")
    grown(column(page, "A"))
    page.get_by_role("link", name=said("en", "chat.title")).click()
    expect(page.get_by_test_id("stChatInputTextArea")).to_be_visible()
    page.get_by_role("link", name=said("en", "prompts.title")).click()
    grown(column(page, "A"))
    page.reload()
    grown(column(page, "B"))
    other = browse("en", address=page.url)
    grown(column(other, "A"))
    button(other, said("en", "prompts.stop")).click()
    for each in (page, other):
        ended(each)
        for name in "AB":
            expect(column(each, name)).to_contain_text(said("en", "chat.stopped"))
    for name in "AB":
        words = words_of(column(page, name))
        assert words == words_of(column(other, name))
        assert words[:-1] == [f"word{number}" for number in range(1, len(words))]
    assert [record["ended"] for record in asked(demo, *models)] == ["disconnected", "disconnected"]


TEXTS = {
    "en": ("The cat sat on the mat.", "The cat sat on a red mat.", "the", "a red"),
    "ja": ("猫は座布団に座る。", "犬は座布団に座る。", "猫", "犬"),
}


@needs_chromium
@languages
@pytest.mark.soak
def test_answers_are_judged(browse: Browse, language: str) -> None:
    """Word by word, and by thumbs, which stay; the cost of an unlisted model is unknown."""
    before, after, removed, added = TEXTS[language]
    page = browse(language, prompt_set(provider_model(text=before), demo_model(text=after)))
    run_button(page, language).click()
    ended(page, language)
    page.get_by_text(said(language, "prompts.difference"), exact=True).click()
    expect(page.get_by_role("deletion")).to_have_text([removed])
    expect(page.get_by_role("insertion")).to_have_text([added])
    choose(page, said(language, "prompts.before"), "B")
    expect(page.get_by_role("insertion")).to_have_count(0)
    choose(page, said(language, "prompts.after"), "A")
    expect(page.get_by_role("insertion")).to_have_text([removed])
    expect(column(page, "A")).to_contain_text(said(language, "prompts.cost_unknown"))
    expect(column(page, "B")).to_contain_text(said(language, "prompts.cost_free"))
    column(page, "A").get_by_role("radio").nth(1).click()
    column(page, "B").get_by_role("radio").nth(0).click()
    expect(row(page, language, "thumbs")).to_have_text([said(language, "prompts.criterion_thumbs"), "-1", "1 ★"])
    page.reload()
    expect(row(page, language, "thumbs").last).to_have_text("1 ★")
    expect(column(page, "B").get_by_role("radio").nth(0)).to_be_checked()


@needs_chromium
@in_japanese
@pytest.mark.soak
def test_a_set_is_kept_and_shared(browse: Browse, tmp_path: Path, language: str) -> None:
    """Its file and its address give the same set in other browsers; its export is that of the set."""
    texts = topics("SSE", '日本語, "quoted"\nline, {braces}')
    prompts = prompt_set(FAST, "nobody-lists-this", **texts, checks=CHECKS, repeats=2, at_once=7)
    page = browse(language, prompts)
    button(page, said(language, "prompts.open")).click()
    saved = downloaded(page, said(language, "prompts.save_yaml"), tmp_path)
    assert from_yaml(saved) == prompts
    assert downloaded(page, said(language, "prompts.save_promptfoo"), tmp_path) == to_promptfoo(prompts).encode()
    page.keyboard.press("Escape")
    button(page, said(language, "prompts.share")).click()
    address = page.get_by_test_id("stCode").inner_text().strip()
    assert len(address) < 80
    shared = browse(language, address=address)
    opened = browse(language)
    button(opened, said(language, "prompts.open")).click()
    opened.locator("input[type=file]").last.set_input_files(tmp_path / "prompts.yaml")
    for other in (shared, opened):
        expect(other.get_by_text(run_what(language, prompts), exact=True)).to_be_visible()
        expect(other).to_have_url(re.compile("/prompts$"))
        other.keyboard.press("Escape")
        button(other, said(language, "prompts.open")).click()
        assert downloaded(other, said(language, "prompts.save_yaml"), tmp_path) == saved


@pytest.mark.soak
@needs_chromium
@languages
def test_an_encoding_that_was_guessed_is_corrected(browse: Browse, tmp_path: Path, language: str) -> None:
    """The bytes are kept and read again; a choice that fails is told, and changes nothing."""
    file = tmp_path / "cases.csv"
    file.write_bytes("Prénom;Ville\r\nAndréa;Orléans\r\n".encode("cp1252"))
    page = browse(language)
    page.get_by_role("tab", name=said(language, "prompts.tab_cases")).click()
    button(page, said(language, "prompts.csv")).click()
    page.locator("input[type=file]").last.set_input_files(file)
    expect(page.get_by_text("Windows-1252", exact=True)).to_be_visible()
    expect(table(page, "columnheader", "Prénom")).to_have_count(1)
    page.keyboard.press("Escape")
    choose(page, said(language, "prompts.encoding"), "EUC-JP")
    expect(page.get_by_role("alert").get_by_text(said(language, "prompts.csv_undecodable", row=1))).to_be_visible()
    expect(page.get_by_text(said(language, "prompts.not_read"))).to_be_visible()
    expect(table(page, "columnheader", "Prénom")).to_have_count(1)
    choose(page, said(language, "prompts.encoding"), "Windows-1250")
    expect(page.locator("strong", has_text="Windows-1250")).to_be_visible()
    choose(page, said(language, "prompts.delimiter"), said(language, "prompts.delimiter_comma"))
    expect(table(page, "columnheader", "Prénom_Ville")).to_have_count(1)


def downloaded(page: Page, name: str, folder: Path) -> bytes:
    """The file that this button gives; it is left in the folder under its own name."""
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()  # in a popover, beside the page
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_bytes()


@needs_chromium
@in_english
@pytest.mark.soak
def test_results_are_taken_away(browse: Browse, tmp_path: Path, language: str) -> None:
    """Every answer, as CSV and as Markdown; what repeats differ in is what the summary says."""
    prompts = prompt_set(demo_model(text="Always."), demo_model(), "demo?fault=key", **topics("SSE", "gRPC"), repeats=3)
    page = browse(language, prompts)
    run_button(page, language).click()
    ended(page, language)
    button(page, said(language, "prompts.open")).click()
    data = downloaded(page, said(language, "prompts.save_csv"), tmp_path)
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [(row["variant"], row["case"], row["repeat"]) for row in rows] == [
        (variant, case, repeat) for case in "12" for repeat in "123" for variant in "ABC"
    ]
    assert {row["input: topic"] for row in rows if row["case"] == "2"} == {"gRPC"}
    assert {row["code"] for row in rows if row["variant"] == "C"} == {"auth"}
    markdown = downloaded(page, said(language, "prompts.save_markdown"), tmp_path).decode()
    assert f"## {said(language, 'prompts.summary')}" in markdown
    assert markdown.count("| Always. |") == 6
    page.get_by_role("heading", level=1).click()  # closes what is open
    different = [len({row["text"] for row in rows if row["variant"] == "B" and row["case"] == case}) for case in "12"]
    expect(row(page, language, "answers")).to_have_text(
        [
            said(language, "prompts.criterion_answers"),
            "1",
            f"{sum(different) / 2:.4g}",
            said(language, "prompts.unknown"),
        ]
    )
    expect(row(page, language, "total_range").last).to_have_text(said(language, "prompts.unknown"))


@needs_chromium
@pytest.mark.soak
def test_two_hundred_cases_leave_the_page_usable(browse: Browse, tmp_path: Path) -> None:
    """While they are answered, another page of the grid and another case are shown, and all can be stopped."""
    file = tmp_path / "set.yaml"
    models = [demo_model(first=0.3, text=f"I am {name}.") for name in "ab"]
    prompts = prompt_set(*models, **topics(*(f"topic {number}" for number in range(1, 201))))
    file.write_text(to_yaml(prompts), encoding="utf-8")
    page = browse()
    button(page, said("en", "prompts.open")).click()
    page.locator("input[type=file]").last.set_input_files(file)
    expect(page.get_by_text(run_what("en", prompts), exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    run_button(page).click()
    button(page, "Page 8").click()
    expect(case(page, "176. topic: topic 176")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    button(page, "Page 1").click()
    case(page, "2. topic: topic 2").click()
    expect(page.get_by_text("I am b.", exact=True)).not_to_have_count(0)
    expect(page.get_by_role("progressbar")).to_be_visible()
    button(page, said("en", "prompts.stop")).click()
    ended(page)
    expect(case(page, "2. topic: topic 2")).to_be_visible()
