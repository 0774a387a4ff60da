"""The page of prompts over AppTest, in both languages."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.prompts.checks import Contains, JsonSchema, Regex
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.promptfoo import to_promptfoo
from streamlab.prompts.serialization import to_address, to_yaml
from tests.conftest import demo_model, http, raw_endpoint, sse
from tests.pages import checked, languages, serving, visit
from tests.prompts import BROKEN_TEMPLATES, CHECKS, FAST, captions, prompt_set, said, topics, write_template


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
    """Whether the set can be run: then the button says how many answers that gives."""
    return any(character.isdigit() for character in app.button(key="prompts.run").label)


def refused(app: AppTest) -> list[str]:
    """Try to run a set that cannot be run, and return what is said of it; nothing was said in red before."""
    assert not app.error
    assert not runs(app)
    click(app, "prompts.run")
    assert "comparison" not in app.query_params
    return [error.value for error in app.error]


def table(app: AppTest) -> list[dict[str, str]]:
    """The cases as the editor shows them."""
    return app.dataframe[0].value.to_dict("records") if app.dataframe else []


def summary(app: AppTest, language: str) -> dict[str, list[str]]:
    """The variants' values by criterion."""
    rows = app.table[0].value.to_dict("split")["data"]
    named = {texts(language)[key]: key for key in texts(language) if key.startswith("prompts.criterion_")}
    return {named[name].removeprefix("prompts.criterion_"): values for name, *values in rows}


@languages
def test_a_broken_template_is_told_and_cannot_be_run(engine: Engine, language: str) -> None:
    """With what is wrong, and where: under the prompt, and for the set; in red when one tries. Mended, it runs."""
    for template, code, position in BROKEN_TEMPLATES:
        app = open_app(language)
        write_template(app, language, template)
        name = said(language, "prompts.first_brief")
        told = said(language, f"prompts.problem_template_{code}", variant=name, position=position)
        assert told in captions(app)
        assert refused(app) == [told]
        assert f":material/error: {said(language, f'prompts.template_{code}', position=position)}" in captions(app)
    write_template(app, language, "About {{braces}}")
    assert not app.error
    assert runs(app)


@languages
def test_a_variable_without_a_value_is_told_before_the_set_runs(engine: Engine, language: str) -> None:
    """One that no case knows keeps it from running; one that a case leaves empty is a remark."""
    app = open_app(language, prompt_set(FAST, FAST, columns=["topic"]))
    told = [said(language, "prompts.problem_unknown_variable", variant=name, names="topic") for name in "AB"]
    assert refused(app) == told
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
        ("topic,level\nSSE,easy\ngRPC,hard,x\n", "ragged", {"row": 3, "got": 3, "expected": 2}),
        ('topic,level\nSSE,"easy\n', "quotes", {"row": 2}),
        ("topic,topic\nSSE,easy\n", "duplicate_header", {"name": "topic"}),
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
def test_how_a_table_was_read_is_told_and_can_be_corrected(engine: Engine, language: str) -> None:
    """A guess is said to be one; of what was pasted, the separator can be chosen."""
    app = open_app(language)
    data = "Prénom;Ville\r\nAndréa;Orléans\r\n".encode("cp1252")
    checked(app.file_uploader(key="prompts.uploaded").set_value(("cases.csv", data, "text/csv")).run())
    assert table(app)[0]["Prénom"] == "Andréa"
    assert read_as(language, "Windows-1252", "semicolon", "Prénom", "Ville") in markdown(app)
    assert said(language, "prompts.read_as_guess") in markdown(app)
    app = open_app(language)
    paste(app, "a,b;c\n1,2;3\n")
    checked(app.selectbox(key="prompts.delimiter").select(",").run())
    assert read_as(language, said(language, "prompts.pasted_text"), "comma", "a", "b_c") in [
        text.replace("\\", "") for text in markdown(app)
    ]
    assert [box.key for box in app.selectbox if box.key == "prompts.encoding"] == []


def read_as(language: str, encoding: str, delimiter: str, *columns: str) -> str:
    names = ", ".join(f"**{name}**" for name in columns)
    separated = said(language, f"prompts.delimiter_{delimiter}")
    return said(language, "prompts.read_as", encoding=encoding, delimiter=separated, rows=1, columns=names)


def markdown(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown]


@languages
def test_promptfoos_expectations_become_checks(engine: Engine, language: str) -> None:
    """Each once, however often the file is read; what has none is told below the table."""
    app = open_app(language)
    data = b"topic,__expected,__description\nSSE,contains: a,x\ngRPC,javascript: 1,y\n"
    for _ in range(2):
        checked(app.file_uploader(key="prompts.uploaded").set_value(("cases.csv", data, "text/csv")).run())
        checked(app.selectbox(key="prompts.encoding").select("utf-8").run())
    assert [box.value for box in app.selectbox if str(box.key).endswith(".type")] == ["contains"]
    told = [said(language, "prompts.remark_directives", rows="", names="\\_\\_description").replace("\\", "")]
    told += [said(language, "prompts.left_out_code", place="__expected (3)", detail="javascript")]
    shown = [caption.replace("\\", "") for caption in captions(app)]
    assert [line for line in told if line in shown] == told


@languages
def test_a_promptfoo_configuration_is_opened(engine: Engine, language: str) -> None:
    """What cannot be taken is listed until another set is opened; without any prompt, the reasons are said."""
    app = open_app(language)
    upload(
        app, b"prompts: ['Hi {{topic}}', 'Ho {{topic | upper}}', 'Ha']\ntests: [{vars: {topic: SSE}}]\ntags: {a: b}\n"
    )
    assert not app.warning
    assert table(app) == [{"topic": "SSE"}]
    told, editor = (said(language, f"prompts.{name}", number=3) for name in ("left_out", "editor"))
    assert [expander.label for expander in app.expander] == [told, editor]
    upload(app, to_promptfoo(prompt_set(FAST, FAST, **topics("gRPC"))).encode())
    assert table(app) == [{"topic": "gRPC"}]
    assert [expander.label for expander in app.expander] == [editor]
    upload(app, b"prompts: ['file://a.txt']\n")
    (warning,) = app.warning
    assert said(language, "prompts.set_no_prompt") in warning.value
    assert "a.txt" in warning.value.replace("\\", "")


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
    assert [warning.value for warning in app.warning] == [said(language, "comparisons.unknown")]
    assert runs(app)


CAPITALS = {"columns": ["country", "capital"], "cases": [{"country": "France", "capital": "Paris"}]}

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
    assert refused(app) == told
    assert said(language, "prompts.problem_check_unknown_variable", check=4, names="nowhere") in captions(app)


@languages
def test_a_cost_is_told_where_the_price_is_known(language: str) -> None:
    """By the tokens that the provider reports, cached ones apart; unknown where it is not; none for the demo model."""
    details = {"cached_tokens": 800_000}
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "prompt_tokens_details": details}
    last = {"id": "1", "object": "chat.completion.chunk", "model": "x", "choices": [], "usage": usage}
    body = sse("Hello.").replace(b"data: [DONE]", f"data: {json.dumps(last)}\n\ndata: [DONE]".encode())
    names = ("gpt-4o-mini", "nobody-lists-this", FAST)
    with (
        raw_endpoint(http(body)) as endpoint,
        serving(openai_base_url=endpoint.base_url, openai_api_key="k", lab_models=names),
    ):
        app = open_app(language, prompt_set(*names))
        click(app, "prompts.run")
    costs = [t for t in captions(app) if t.startswith(said(language, "prompts.cost", value="").partition("US")[0])]
    assert [cost.replace("\\", "") for cost in costs] == [
        said(language, "prompts.cost", value="0.150000"),
        said(language, "prompts.cost_unknown"),
        said(language, "prompts.cost_free"),
    ]
    assert sum(f"{said(language, 'figures.cached')}\u00a0**800,000**" in caption for caption in captions(app)) == 2
    found = summary(app, language)["cost"]
    assert [cost.replace("\\", "") for cost in found[:2]] == ["US$0.15", said(language, "prompts.unknown")]


@languages
def test_a_set_that_asks_for_too_much_is_refused_before_it_runs(engine: Engine, language: str) -> None:
    """With the number of answers and the limit."""
    app = open_app(language)
    upload(app, to_yaml(prompt_set(FAST, FAST, **topics(*map(str, range(1_000))), repeats=3)).encode())
    click(app, "prompts.run")
    told = said(language, "prompts.too_many", answers="6,000", limit="5,000")
    assert [warning.value for warning in app.warning] == [told]
    assert "comparison" not in app.query_params
