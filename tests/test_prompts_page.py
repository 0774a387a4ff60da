"""The page of prompts as people use it: over AppTest in both languages, and in a real browser."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from streamlit.testing.v1 import AppTest

from benchmarks.harness import ROOT, chromium, streamlit_server, wait_until
from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.prompts.checks import Contains, Json, JsonSchema, MaxWords, NotContains, Regex
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.promptfoo import to_promptfoo
from streamlab.prompts.serialization import from_yaml, to_address, to_yaml
from tests.browser import is_error, needs_chromium
from tests.conftest import demo_model, http, raw_endpoint, sse
from tests.pages import LOCALE, checked, languages, serving, visit

FAST = "demo?first=0&rate=500"
PATIENCE = 20.0  # seconds until a test that waits in vain gives up

Browse = Callable[..., Page]

in_english = pytest.mark.parametrize("language", ["en"])  # what takes a while, and is in few words
in_japanese = pytest.mark.parametrize("language", ["ja"])


def said(language: str, key: str, **values: object) -> str:
    """What the page says, as people see it: the Markdown escape of a dollar is gone."""
    return texts(language)[key].format(**values).replace("\\", "")


def provider_model(**options: object) -> str:
    """A name that no other test uses, of the provider's: what it was asked can be read, what it costs is not listed."""
    return demo_model(**options).replace("demo", "demo-provider", 1)


def prompt_set(*models: str, **values: Any) -> PromptSet:
    """Variants A, B and so on, which ask for the topic of the case where there is one."""
    template = "Tell me about {topic}." if "columns" in values else "What is streaming?"
    variants = [
        Variant(name=name, template=template, model=model) for name, model in zip("ABCDEF", models, strict=False)
    ]
    return PromptSet.model_validate({"variants": variants, **values})


def topics(*names: str) -> dict[str, Any]:
    return {"columns": ["topic"], "cases": [{"topic": name} for name in names]}


# What the browser adds nothing to


@pytest.fixture(scope="module")
def engine(demo: DemoModel) -> Iterator[Engine]:
    """The demo model is the provider as well."""
    with serving(openai_base_url=demo.base_url, openai_api_key="test", lab_models=(FAST,)) as engine:
        yield engine


def open_app(language: str, prompts: PromptSet | None = None, **address: str) -> AppTest:
    """The page in a new session, with this set in its address."""
    if prompts:
        shared = to_address(prompts)
        assert shared
        address["set"] = shared
    return visit("prompts", language, **address)


def click(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def runs(app: AppTest) -> bool:
    """Whether the set can be run."""
    return not app.button(key="prompts.run").disabled


def write_template(app: AppTest, language: str, text: str) -> AppTest:
    """As the first variant's."""
    area = next(area for area in app.text_area if area.label == said(language, "prompts.template"))
    return checked(area.set_value(text).run())


def captions(app: AppTest) -> list[str]:
    return [caption.value for caption in app.caption]


def table(app: AppTest) -> list[dict[str, str]]:
    """The cases as the editor shows them."""
    return app.dataframe[0].value.to_dict("records") if app.dataframe else []


def summary(app: AppTest, language: str) -> dict[str, list[str]]:
    """The variants' values by criterion."""
    rows = app.table[0].value.to_dict("split")["data"]
    named = {texts(language)[key]: key for key in texts(language) if key.startswith("prompts.criterion_")}
    return {named[name].removeprefix("prompts.criterion_"): values for name, *values in rows}


BROKEN_TEMPLATES = [
    ("", "empty", 1),
    (" \n", "empty", 1),
    ("{", "open_brace", 1),
    ("About }", "close_brace", 7),
    ("About {}", "empty_name", 7),
    ("About {a b}", "bad_name", 7),
]


@languages
def test_a_broken_template_is_told_and_cannot_be_run(engine: Engine, language: str) -> None:
    """With what is wrong, and where: under the prompt, and for the set. Mended, it runs."""
    app = open_app(language)
    for template, code, position in BROKEN_TEMPLATES:
        write_template(app, language, template)
        name = said(language, "prompts.first_brief")
        told = said(language, f"prompts.problem_template_{code}", variant=name, position=position)
        assert [error.value for error in app.error] == [told]
        assert f":material/error: {said(language, f'prompts.template_{code}', position=position)}" in captions(app)
        assert not runs(app)
    write_template(app, language, "About {{braces}}")
    assert not app.error
    assert runs(app)


@languages
def test_a_variable_without_a_value_is_told_before_the_set_runs(engine: Engine, language: str) -> None:
    """One that no case knows keeps it from running; one that a case leaves empty is a remark."""
    app = open_app(language, prompt_set(FAST, FAST, columns=["topic"]))
    told = [said(language, "prompts.problem_unknown_variable", variant=name, names="topic") for name in "AB"]
    assert [error.value for error in app.error] == told
    assert not runs(app)
    app = open_app(language, prompt_set(FAST, FAST, **topics("SSE", "")))
    assert not app.error
    for name in "AB":
        told_empty = said(language, "prompts.problem_empty_cell", variant=name, names="topic", cases="2")
        assert told_empty in captions(app)
    assert runs(app)


def test_there_are_two_to_six_variants(engine: Engine) -> None:
    """A copy has a name of its own; what cannot be done is disabled."""
    app = open_app("en")
    for _ in range(4):
        click(app, "prompts.add_variant")
    names = [field.value for field in app.text_input if field.label == said("en", "prompts.name")]
    assert len(names) == len(set(names)) == 6
    assert app.button(key="prompts.add_variant").disabled
    assert all(button.disabled for button in buttons(app, "prompts.copy."))
    assert runs(app)
    for _ in range(4):
        checked(buttons(app, "prompts.remove.")[0].click().run())
    assert len(buttons(app, "prompts.copy.")) == 2
    assert all(button.disabled for button in buttons(app, "prompts.remove."))
    assert [field.value for field in app.text_input if field.label == said("en", "prompts.name")] == names[4:]


def buttons(app: AppTest, key: str) -> list[Any]:
    return [button for button in app.button if str(button.key).startswith(key)]


@languages
def test_cases_are_pasted(engine: Engine, language: str) -> None:
    """A good table takes the place of the cases; of a broken one the row is said, and nothing changes."""
    app = open_app(language, prompt_set(FAST, FAST, **topics("SSE")))
    before = table(app)
    for text, code, values in (
        ("topic,level\nSSE,easy\ngRPC\n", "ragged", {"row": 3, "got": 1, "expected": 2}),
        ('topic,level\nSSE,"easy\n', "quotes", {"row": 2}),
        ("topic,topic\nSSE,easy\n", "duplicate_header", {}),
        ("topic\n", "no_rows", {}),
    ):
        paste(app, text)
        assert [warning.value for warning in app.warning] == [said(language, f"prompts.csv_{code}", **values)]
        assert app.text_area(key="prompts.pasted").value == text
        assert table(app) == before
    paste(app, 'topic\tlevel\nSSE\teasy\n"a\nb"\t=1+1\n')
    assert table(app) == [{"topic": "SSE", "level": "easy"}, {"topic": "a\nb", "level": "=1+1"}]
    assert said(language, "prompts.problem_unused_column", names="level") in captions(app)
    assert not app.text_area(key="prompts.pasted").value


def paste(app: AppTest, text: str) -> None:
    checked(app.text_area(key="prompts.pasted").set_value(text).run())
    click(app, "prompts.take_pasted")


@languages
@pytest.mark.parametrize("encoding", ["cp932", "utf-8-sig", "utf-16"])
def test_cases_are_uploaded_in_the_encodings_that_spreadsheets_write(
    engine: Engine, language: str, encoding: str
) -> None:
    """Shift_JIS, or with a byte order mark: the texts are those that were written, and the mark is in no name."""
    app = open_app(language, prompt_set(FAST, FAST, **topics("SSE")))
    data = "topic,答え\n東京の天気,晴れ\nソ連の表,\n".encode(encoding)
    checked(app.file_uploader(key="prompts.uploaded").set_value(("cases.csv", data, "text/csv")).run())
    assert not app.warning
    assert table(app) == [{"topic": "東京の天気", "答え": "晴れ"}, {"topic": "ソ連の表", "答え": ""}]
    assert said(language, "prompts.cases_count", number=2) in captions(app)


@languages
def test_a_set_that_cannot_be_opened_says_why(engine: Engine, language: str) -> None:
    """The version that is not known, the line, the field; what was being edited stays."""
    app = open_app(language, prompt_set(FAST, FAST, **topics("SSE")))
    good = to_yaml(prompt_set(FAST, FAST, **topics("gRPC")))
    for data, code, detail in (
        (good.replace("version: 1", "version: 7").encode(), "unknown_version", "7"),
        (good.replace("version: 1\n", "").encode(), "unknown_version", "none"),
        (b"version: 1\nvariants: [\n", "not_yaml", "3"),
        (good.encode().replace(b"gRPC", b"\xff"), "not_text", None),
        (good.replace("repeats: 1", "repeats: 99").encode(), "wrong_field", None),
    ):
        upload(app, data)
        (warning,) = app.warning
        told = said(language, f"prompts.set_{code}", detail=detail or "\0")
        assert all(part in warning.value for part in told.split("\0"))
        assert table(app) == [{"topic": "SSE"}]
    upload(app, good.encode())
    assert not app.warning
    assert table(app) == [{"topic": "gRPC"}]


def upload(app: AppTest, data: bytes) -> None:
    checked(app.file_uploader(key="prompts.upload").set_value(("set.yaml", data, "application/yaml")).run())


@languages
def test_an_address_that_leads_nowhere_says_so(engine: Engine, language: str) -> None:
    """A set that was not copied whole, and a comparison that is gone. Something can be run all the same."""
    address = to_address(prompt_set(FAST, FAST))
    assert address
    app = open_app(language, set=address[:-9])
    assert [warning.value for warning in app.warning] == [said(language, "prompts.set_damaged")]
    assert runs(app)
    app = open_app(language, comparison="nowhere")
    assert [warning.value for warning in app.warning] == [said(language, "prompts.gone")]
    assert runs(app)


CAPITALS = {"columns": ["country", "capital"], "cases": [{"country": "France", "capital": "Paris"}]}
CHECKS = (
    Contains(value="{capital}"),
    NotContains(value="lyon", ignore_case=True),
    Regex(value=r"^\{"),
    Json(),
    JsonSchema(value='{"type": "object", "required": ["capital"]}'),
    MaxWords(value=2),
)
ANSWERS = {
    '{"capital": "Paris"}': "contained not_contained matched valid valid short_enough",
    "Lyon, I think.": "not_contained contained not_matched not_json not_json too_many_words",
    '{"city": "Paris"}': "contained not_contained matched valid not_valid short_enough",
}
GOOD = {"Lyon, I think.": [False] * 6, '{"city": "Paris"}': [True, True, True, True, False, True]}


@languages
def test_every_check_marks_every_answer(engine: Engine, language: str) -> None:
    """With the texts of its case; the summary counts the marks, and says who wins."""
    variants = [
        Variant(name=name, template="{country}?", model=demo_model(text=text))
        for name, text in zip("ABC", ANSWERS, strict=True)
    ]
    app = open_app(language, PromptSet.model_validate({"variants": variants, "checks": CHECKS, **CAPITALS}))
    click(app, "prompts.run")
    shown = [text.value for text in app.markdown]
    for text, codes in ANSWERS.items():
        marks = zip(GOOD.get(text, [True] * 6), codes.split(), range(1, 7), strict=True)
        badges = [badge(language, number, good, code) for good, code, number in marks]
        assert shown[shown.index(text) + 1] == " ".join(badges)
    found = summary(app, language)
    assert found["passed"] == ["**100 %** ★", "0 %", "83 %"]
    assert found["failed"] == ["**0 %** ★", "100 %", "17 %"]


def badge(language: str, number: int, good: bool | None, code: str) -> str:
    color, mark = {True: ("green", "✓"), False: ("red", "✕"), None: ("gray", "?")}[good]
    return f":{color}-badge[{mark} {number}: {said(language, f'prompts.verdict_{code}')}]"


@languages
def test_an_expression_that_never_ends_is_given_up(engine: Engine, language: str) -> None:
    """The check is undecided, the others and the answer are there."""
    endless, other = Regex(value="(a|aa)+$"), Contains(value="b")
    model = demo_model(text=60 * "a" + "b")
    app = open_app(language, prompt_set(model, model, checks=(endless, other)))
    click(app, "prompts.run")
    marks = [badge(language, 1, None, "too_complex"), badge(language, 2, True, "contained")]
    assert [text.value for text in app.markdown].count(" ".join(marks)) == 2


@languages
def test_a_broken_check_is_told_and_cannot_be_run(engine: Engine, language: str) -> None:
    """With its number."""
    broken = (Contains(value=""), Regex(value="("), JsonSchema(value="{"), Contains(value="{nowhere}"))
    app = open_app(language, prompt_set(FAST, FAST, checks=broken))
    codes = ("nothing_to_find", "bad_pattern", "bad_schema")
    told = [said(language, f"prompts.problem_check_{code}", check=number) for number, code in enumerate(codes, 1)]
    assert [error.value for error in app.error] == told
    assert said(language, "prompts.problem_check_unknown_variable", check=4, names="nowhere") in captions(app)
    assert not runs(app)


@languages
def test_a_cost_is_told_where_the_price_is_known(language: str) -> None:
    """By the tokens that the provider reports; unknown, never zero, where it is not; none for the scripted model."""
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "total_tokens": 1_100_000}
    last = {"id": "1", "object": "chat.completion.chunk", "model": "x", "choices": [], "usage": usage}
    body = sse("Hello.").replace(b"data: [DONE]", f"data: {json.dumps(last)}\n\ndata: [DONE]".encode())
    with raw_endpoint(http(body)) as endpoint, serving(openai_base_url=endpoint.base_url, openai_api_key="k"):
        app = open_app(language, prompt_set("gpt-4o-mini", "nobody-lists-this", FAST))
        click(app, "prompts.run")
    costs = [t for t in captions(app) if t.startswith(said(language, "prompts.cost", value="").partition("US")[0])]
    assert [cost.replace("\\", "") for cost in costs] == [
        said(language, "prompts.cost", value="0.210000"),
        said(language, "prompts.cost_unknown"),
        said(language, "prompts.cost_free"),
    ]
    found = summary(app, language)["cost"]
    assert [cost.replace("\\", "") for cost in found[:2]] == ["US$0.21", said(language, "prompts.unknown")]


@languages
def test_a_set_that_asks_for_too_much_is_refused_before_it_runs(engine: Engine, language: str) -> None:
    """With the number of answers and the limit."""
    app = open_app(language)
    upload(app, to_yaml(prompt_set(FAST, FAST, **topics(*map(str, range(1_000))), repeats=3)).encode())
    click(app, "prompts.run")
    told = said(language, "prompts.too_many", answers="6,000", limit="5,000")
    assert [warning.value for warning in app.warning] == [told]
    assert "comparison" not in app.query_params


# What only a browser shows


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE * 1000)
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(demo: DemoModel) -> Iterator[str]:
    """The app's address. Its provider is the demo model."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OPENAI_BASE_URL", demo.base_url)
        environment.setenv("OPENAI_API_KEY", "test")
        environment.setenv("LAB_MODELS", FAST)
        with streamlit_server(ROOT / "app.py") as server:
            yield server.url


@pytest.fixture
def browse(browser: Browser, server: str) -> Iterator[Browse]:
    """Opens the page in a browser profile of its own, with a set. Whatever the test does, no script of it fails."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_page(language: str = "en", prompts: PromptSet | None = None, address: str = "") -> Page:
        context = browser.new_context(
            locale=LOCALE[language], viewport={"width": 1280, "height": 1000}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.extend([message.text] if is_error(message) else []))
        page.on("pageerror", lambda error: errors.append(str(error)))
        shared = f"?set={to_address(prompts)}" if prompts else ""
        page.goto(address or f"{server}/prompts{shared}")
        expect(run_button(page, language)).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def run_button(page: Page, language: str = "en") -> Locator:
    return button(page, said(language, "prompts.run"))


def button(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True)


def column(page: Page, name: str) -> Locator:
    """Where a variant's answer arrives."""
    heading = page.locator(f"strong:text-is('{name}')")
    return page.get_by_test_id("stColumn").filter(has=heading)


def words_of(place: Locator) -> list[str]:
    """The words of a synthetic answer that are shown."""
    return re.findall(r"word\d+", place.inner_text())


def grown(place: Locator) -> None:
    """There are soon more words than now."""
    before = len(words_of(place))
    wait_until(lambda: len(words_of(place)) > before, PATIENCE)


def ended(page: Page, language: str = "en") -> None:
    """All answers are there, and the set can be run again."""
    expect(page.get_by_role("heading", name=said(language, "prompts.summary"))).to_be_visible()
    expect(run_button(page, language)).to_be_enabled()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def row(page: Page, language: str, criterion: str) -> Locator:
    """The variants' values, as the summary has them."""
    name = said(language, f"prompts.criterion_{criterion}")
    return page.get_by_role("row").filter(has=page.get_by_role("cell", name=name, exact=True)).get_by_role("cell")


def asked(demo: DemoModel, *models: str) -> list[dict[str, Any]]:
    """What the provider was asked of these, oldest first."""
    log = httpx2.get(demo.base_url.removesuffix("/v1") + "/requests").raise_for_status().json()
    return [entry for entry in log if entry["model"] in models]


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
    expect(page.get_by_role("alert").get_by_text(flaw)).to_be_visible()
    expect(run_button(page, language)).to_be_disabled()
    area.press("Backspace")
    area.press("Backspace")
    expect(run_button(page, language)).to_be_enabled()
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
    expect(page.get_by_text(said(language, "prompts.state_stopped", done=4, expected=4))).to_be_visible()
    for name in "AB":
        expect(column(page, name)).to_contain_text("word5 ")
        expect(column(page, name)).to_contain_text(said(language, "chat.stopped"))
    expect(failures).to_have_count(1)
    expect(row(page, language, "good").last).to_have_text("100 % ★")


@needs_chromium
@in_japanese
@pytest.mark.soak
def test_many_cases_make_a_grid(browse: Browse, demo: DemoModel, language: str) -> None:
    """So many at once and no more, with progress; a case is chosen, and its answers are shown in full."""
    models = [provider_model(first=0.4, text=f"I am {name}.") for name in "ab"]
    page = browse(language, prompt_set(*models, **topics("SSE", "gRPC", "HTTP", "QUIC", "TCP", "UDP"), at_once=3))
    run_button(page, language).click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text(numbered(said(language, "prompts.progress", done="#", expected=12)))).to_be_visible()
    ended(page, language)
    expect(grid(page, "columnheader")).to_have_text([said(language, "prompts.case"), "topic", "1. A", "2. B"])
    expect(grid(page, "gridcell", "✓ I am b.")).to_have_count(6)
    choose(page, said(language, "prompts.shown_case"), "4. topic: QUIC")
    expect(column(page, "B")).to_contain_text("I am b.")
    records = asked(demo, *models)
    assert len(records) == 12
    assert most_at_once(records) in (2, 3)


def grid(page: Page, role: str, text: str = "") -> Locator:
    """What the grid of answers has drawn, by the table that it keeps for screen readers."""
    cells = page.get_by_test_id("data-grid-canvas").last.locator(f"[role={role}]")
    return cells.filter(has_text=re.compile(f"^{re.escape(text)}$")) if text else cells


def numbered(text: str) -> re.Pattern[str]:
    """The text with any number in place of `#`."""
    return re.compile("^" + r"\d+".join(map(re.escape, text.split("#"))) + "$")


def most_at_once(records: list[dict[str, Any]]) -> int:
    """Requests between being received and their last chunk."""
    changes = [(record["received"], 1) for record in records] + [(record["written"][-1], -1) for record in records]
    open_now, most = 0, 0
    for _, change in sorted(changes):
        open_now += change
        most = max(most, open_now)
    return most


def choose(page: Page, label: str, option: str) -> None:
    """By typing, for of many options the list holds only those that fit on the screen.

    The click first: it brings the box into view, and scrolling closes a list.
    """
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(option)
    expect(page.get_by_role("option", name=option, exact=True)).to_be_visible()
    box.press("Enter")


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
    page = browse("en", prompt_set(*models))
    run_button(page).click()
    expect(column(page, "B")).to_contain_text("word5 ")
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
    button(page, said(language, "prompts.save")).click()
    saved = downloaded(page, said(language, "prompts.save_yaml"), tmp_path)
    assert from_yaml(saved) == prompts
    assert downloaded(page, said(language, "prompts.save_promptfoo"), tmp_path) == to_promptfoo(prompts).encode()
    shared = browse(language, address=page.get_by_test_id("stCode").inner_text().strip())
    opened = browse(language)
    button(opened, said(language, "prompts.open")).click()
    opened.locator("input[type=file]").last.set_input_files(tmp_path / "prompts.yaml")
    for other in (shared, opened):
        expect(other.get_by_text(run_what(language, prompts), exact=True)).to_be_visible()
        expect(other).to_have_url(re.compile("/prompts$"))
        other.keyboard.press("Escape")
        button(other, said(language, "prompts.save")).click()
        assert downloaded(other, said(language, "prompts.save_yaml"), tmp_path) == saved


def run_what(language: str, prompts: PromptSet) -> str:
    """How much the set asks for, as it stands beside the button."""
    variants, cases, repeats = len(prompts.variants), len(prompts.cases), prompts.repeats
    answers = variants * cases * repeats
    return said(language, "prompts.run_what", variants=variants, cases=cases, repeats=repeats, answers=answers)


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
    button(page, said(language, "prompts.export")).click()
    data = downloaded(page, said(language, "prompts.save_csv"), tmp_path)
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert [(row["variant"], row["case"], row["repeat"]) for row in rows] == [
        (variant, case, repeat) for case in "12" for repeat in "123" for variant in "ABC"
    ]
    assert {row["input: topic"] for row in rows if row["case"] == "2"} == {"gRPC"}
    assert {row["code"] for row in rows if row["variant"] == "C"} == {"auth"}
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
    markdown = downloaded(page, said(language, "prompts.save_markdown"), tmp_path).decode()
    assert f"## {said(language, 'prompts.summary')}" in markdown
    assert markdown.count("| Always. |") == 6


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
    expect(grid(page, "gridcell", "topic 176")).to_have_count(1)
    expect(page.get_by_role("progressbar")).to_be_visible()
    choose(page, said("en", "prompts.shown_case"), "2. topic: topic 2")
    expect(column(page, "B")).to_contain_text("I am b.")
    expect(page.get_by_role("progressbar")).to_be_visible()
    button(page, said("en", "prompts.stop")).click()
    ended(page)
    expect(grid(page, "gridcell", "topic 176")).to_have_count(1)
