"""What the page of prompts makes of a comparison: a sentence, a grid, a case that is taken into the chat and back."""

import re
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from components.page import settings
from components.page.texts import texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.prompts.checks import Contains, MaxWords
from streamlab.prompts.prompt_set import PromptSet, Variant
from tests.conftest import demo_model
from tests.pages import checked, languages, serving, visit
from tests.prompts import said
from tests.test_access_code_pages import until

CASES = 7
TOPICS = tuple({"topic": f"topic {number}"} for number in range(CASES))


@pytest.fixture(scope="module")
def lab(demo: DemoModel) -> Iterator[Engine]:
    with serving(openai_base_url=demo.base_url, openai_api_key="test") as engine:
        yield engine


@pytest.fixture(scope="module")
def compared(lab: Engine) -> str:
    """A comparison of one who always passes with one who never does, but is faster."""
    good = demo_model(text="I stream.", first=1.0, chunks=1)
    bad = demo_model(text="I wait and **wait**.", first=0, chunks=1)
    variants = (
        Variant(name="Good", system="Be good.", template="{topic}?", model=good),
        Variant(name="Bad", system="Be bad.", template="{topic}?", model=bad, temperature=0.5),
    )
    checks = (Contains(value="stream"), MaxWords(value=10))
    prompts = PromptSet(variants=variants, columns=("topic",), cases=TOPICS, checks=checks, at_once=14)
    made = lab.portal.call(lab.comparisons.start, prompts)
    until(lambda: not getattr(lab.portal.call(lab.comparisons.find, made), "live", True))
    return made


def shown(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown]


@languages
def test_what_it_comes_to_is_the_first_thing_that_is_said(lab: Engine, compared: str, language: str) -> None:
    """By checks and by time; the figures are folded, and the set is a line."""
    app = visit("prompts", language, comparison=compared)
    first, second = (header.value for header in app.subheader)
    assert first == said(language, "prompts.passed_few", best="Good", other="Bad", share="100", less="0")
    sure, few = (texts(language)[f"prompts.total_{certainty}"] for certainty in ("sure", "few"))
    assert any(re.fullmatch(told(text, best="Bad", other="Good"), second) for text in (sure, few))
    differ = texts(language)["prompts.several_models"].partition("{models}")[0]
    assert [text for text in app.caption if text.value.startswith(f"{differ}Good: ") and "Bad: " in text.value]
    labels = [expander.label for expander in app.expander]
    assert labels[0].startswith(said(language, "prompts.count_variants", number=2))
    assert said(language, "prompts.summary") in labels


def told(text: str, **names: str) -> str:
    """Match a text with these names, and any seconds in its other places: how far apart they were is chance."""
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    return re.sub(r"\\{\w+\\}", r"\\d\\.\\d", re.escape(text))


@languages
def test_the_grid_says_what_failed_and_is_filtered(lab: Engine, compared: str, language: str) -> None:
    """A check mark stands only where all was passed; what failed is named."""
    app = visit("prompts", language, comparison=compared)
    requires = said(language, "prompts.requires_contains", value="stream")
    assert sum(f":red[✕ {requires}]" in text for text in shown(app)) == CASES
    assert sum(text.startswith("**Good** :green[✓]") for text in shown(app)) == CASES
    assert sum(text == "I wait and **wait**." for text in shown(app)) == CASES
    key = f"prompts.filter.{compared}"
    checked(app.segmented_control(key=key).set_value("rated").run())
    assert said(language, "prompts.none_shown") in [caption.value for caption in app.caption]
    checked(app.segmented_control(key=key).set_value("failed").run())
    assert sum(text.startswith("**Bad**") for text in shown(app)) == CASES


def test_a_failing_case_goes_into_the_chat_and_comes_back(lab: Engine, compared: str) -> None:
    """With the variant's settings and the question; what was changed there is another variant of the set."""
    app = visit("prompts", "en", comparison=compared)
    checked(app.button(key=f"prompts.case.{compared}.2").click().run())
    (improve,) = [button for button in app.button if str(button.key).startswith("prompts.improve.")]
    checked(improve.click().run())
    assert app.text_area(key=settings.SYSTEM_KEY).value == "Be bad."
    assert app.slider(key=settings.TEMPERATURE_KEY).value == 0.5
    assert said("en", "prompts.improving", variant="Bad", case=3) in [caption.value for caption in app.caption]
    app.switch_page("../pages/chat.py")  # AppTest does not know that the page has done so
    checked(app.text_area(key=settings.SYSTEM_KEY).set_value("Be better.").run())
    checked(app.button(key="prompts.improve_take").click().run())
    assert [warning.value for warning in app.warning] == [said("en", "prompts.improved", variant="Bad 2")]
    names = [field.value for field in app.text_input if field.label == said("en", "prompts.name")]
    assert names == ["Good", "Bad", "Bad 2"]
    assert "Be better." in [area.value for area in app.text_area]
    assert app.query_params["comparison"] in (compared, [compared])


@languages
def test_what_never_reached_a_model_has_no_cost(lab: Engine, language: str) -> None:
    """Of two answers the one that was refused says why, and nothing of money."""
    variants = tuple(
        Variant(name=name, template="q", model=name) for name in ("demo?fault=key", "demo?first=0&rate=500")
    )
    made = lab.portal.call(lab.comparisons.start, PromptSet(variants=variants))
    until(lambda: not getattr(lab.portal.call(lab.comparisons.find, made), "live", True))
    app = visit("prompts", language, comparison=made)
    free, unknown = (said(language, f"prompts.cost_{name}") for name in ("free", "unknown"))
    captions = [caption.value for caption in app.caption]
    assert (captions.count(free), captions.count(unknown)) == (1, 0)
