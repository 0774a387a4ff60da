"""Sets of prompts that are saved as they are typed, over AppTest: a browser comes back to them, and no other does."""

from collections.abc import Iterator
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from components.page.texts import LANGUAGES
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.prompts.prompt_set import PromptSet
from streamlab.prompts.serialization import to_address
from tests.pages import checked, serving, visit
from tests.prompts import FAST, prompt_set, said
from tests.shared import name

languages = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture(scope="module", autouse=True)
def engine(demo: DemoModel) -> Iterator[Engine]:
    with serving(openai_base_url=demo.base_url, openai_api_key="test", lab_models=(FAST,)) as engine:
        yield engine


def shared(prompts: PromptSet) -> str:
    address = to_address(prompts)
    assert address
    return address


def templates(app: AppTest, language: str) -> list[str]:
    return [area.value or "" for area in app.text_area if area.label == said(language, "prompts.template")]


def write(app: AppTest, language: str, text: str) -> AppTest:
    area = next(area for area in app.text_area if area.label == said(language, "prompts.template"))
    return checked(area.set_value(text).run())


def click(app: AppTest, key: str) -> AppTest:
    return checked(app.button(key=key).click().run())


def saved(app: AppTest) -> dict[str, str]:
    """Return the sets that are listed, by their titles."""
    prefix = "prompts.set."
    return {each.label: str(each.key) for each in app.button if str(each.key).startswith(prefix)}


def told(app: AppTest, language: str, key: str, **values: Any) -> bool:
    return any(said(language, key, **values) in caption.value for caption in app.caption)


@languages
def test_a_set_is_there_again_as_it_was_typed(language: str) -> None:
    """After a reload, on the way back from another page, and in another tab; in no other browser."""
    me = name()
    app = write(visit("prompts", language, me), language, "半分 half")
    assert told(app, language, "prompts.saved_as", name="半分 half")
    for _ in range(2):
        app = visit("prompts", language, me)
        assert templates(app, language)[0] == "半分 half"
        assert told(app, language, "prompts.saved_as", name="半分 half")
    checked(app.switch_page("../pages/about.py").run())
    checked(app.switch_page("../pages/prompts.py").run())
    assert templates(app, language)[0] == "半分 half"
    for browser in (name(), None):
        app = visit("prompts", language, browser)
        assert templates(app, language)[0] == said(language, "prompts.first_template")
        assert saved(app) == {}


@languages
def test_the_page_says_what_the_set_is(language: str) -> None:
    """The example is called the example, and where nothing can be saved nothing is said to be."""
    for browser in (name(), None):
        app = visit("prompts", language, browser)
        assert told(app, language, "prompts.origin_example")
        assert told(app, language, "prompts.saved_soon") == bool(browser)
        app = visit("prompts", language, browser, comparison="nowhere")
        assert [each.value for each in app.warning] == [said(language, "comparisons.unknown")]
        write(app, language, "changed")
        assert told(app, language, "prompts.saved_as", name="changed") == bool(browser)
        assert told(app, language, "prompts.saved_nowhere") == (not browser)
        app = visit("prompts", language, browser, set=shared(prompt_set(FAST, FAST)))
        assert told(app, language, "prompts.saved_as", name="What is streaming?") == bool(browser)
        assert told(app, language, "prompts.saved_nowhere") == (not browser)


@languages
def test_nothing_takes_the_place_of_a_set_that_was_typed(language: str) -> None:
    """Neither a new one, nor one from an address, nor another one of the list."""
    me = name()
    app = write(visit("prompts", language, me), language, "first")
    click(app, "prompts.new")
    assert told(app, language, "prompts.origin_example")
    assert told(visit("prompts", language, me), language, "prompts.origin_example")
    write(app, language, "second")
    app = visit("prompts", language, me, set=shared(prompt_set(FAST, FAST)))
    titles = ["What is streaming?", "second", "first"]
    assert list(saved(app)) == titles
    for title, key in list(saved(app).items()):
        if title != titles[0]:
            click(app, key)
        assert templates(app, language)[0] == title
    write(app, language, "first, changed")
    assert list(saved(visit("prompts", language, me))) == ["first, changed", *titles[:2]]


@languages
def test_a_set_has_a_name(language: str) -> None:
    """It is listed by it, keeps it when it is changed, and loses it when it is taken back."""
    me = name()
    app = visit("prompts", language, me)
    checked(app.text_input(key="prompts.saved_name").set_value(" 料金 ").run())
    assert list(saved(app)) == ["料金"]
    write(app, language, "changed")
    app = visit("prompts", language, me)
    assert told(app, language, "prompts.saved_as", name="料金")
    assert app.text_input(key="prompts.saved_name").value == "料金"
    checked(app.text_input(key="prompts.saved_name").set_value("").run())
    assert list(saved(app)) == ["changed"]


@languages
def test_a_set_is_deleted_and_brought_back(language: str) -> None:
    """The one that is open, and another; nothing says that a deleted one is there."""
    me = name()
    app = write(visit("prompts", language, me), language, "first")
    click(app, "prompts.new")
    write(app, language, "second")
    for title, open_now in (("second", True), ("first", False)):
        before = saved(app)
        click(app, before[title].replace("prompts.set.", "prompts.remove_set."))
        assert title not in saved(app)
        assert told(app, language, "prompts.origin_example") == open_now
        assert title not in saved(visit("prompts", language, me))
        click(app, "prompts.undo")
        assert templates(app, language)[0] == title
        assert set(saved(app)) == {"first", "second"}


def test_two_tabs_that_change_one_set_lose_nothing() -> None:
    """The second to change it gets one of its own."""
    me = name()
    write(visit("prompts", "en", me), "en", "common")
    one, other = visit("prompts", "en", me), visit("prompts", "en", me)
    write(one, "en", "of the one")
    write(other, "en", "of the other")
    write(one, "en", "of the one, again")
    assert set(saved(visit("prompts", "en", me))) == {"of the one, again", "of the other"}


def test_beside_a_comparison_stands_what_was_typed_last() -> None:
    """After a reload; whoever else has its address sees its own set."""
    me = name()
    app = visit("prompts", "en", me, set=shared(prompt_set(FAST, FAST)))
    click(app, "prompts.run")
    write(app, "en", "Changed since")
    comparison = app.query_params["comparison"]
    comparison = comparison if isinstance(comparison, str) else comparison[0]
    assert templates(visit("prompts", "en", me, comparison=comparison), "en")[0] == "Changed since"
    app = visit("prompts", "en", name(), comparison=comparison)
    assert templates(app, "en")[0] == "What is streaming?"
    assert told(app, "en", "prompts.origin_comparison")
    assert saved(app) == {}
