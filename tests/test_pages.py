"""The pages as Streamlit runs them: all of them, their language, and their sidebar."""

import subprocess
import sys
from pathlib import Path

import pytest
import streamlit as st

from components.page.pages import PAGES
from components.page.texts import LANGUAGE_KEY, LANGUAGES, texts
from streamlab.demo_model.notes import Language, phrases
from streamlab.models.failures import CODES
from tests import chat_page
from tests.chat_page import FAULTS, QUESTION, SEEN, answers, ask, checked, choose, click, visit
from tests.pages import heading, languages, serving

engine = chat_page.engine  # fixtures are found by their names

ROOT = Path(__file__).parent.parent


def labels_in(language: str) -> None:
    """AppTest labels the options of a picker once more outside of the script: there, too, in this language."""
    st.session_state[LANGUAGE_KEY] = language


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_runs(language: str, page: str) -> None:
    """Nothing fails, and each has one heading of the first level, in the language."""
    app = visit(language)
    checked(app.switch_page(f"../pages/{page}.py").run())
    assert [title.value for title in app.title] == [heading(page, language)]


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_settings_reach_the_model(language: Language) -> None:
    """A system prompt that wants it brief gets one paragraph; temperature 0 always the same answer."""
    app = visit(language)
    checked(app.slider(key="settings.temperature").set_value(0.0).run())
    ask(app, QUESTION[language])
    words = phrases(language)
    assert answers(app)[0].startswith(words.openings[0])
    assert answers(app)[0].endswith(words.closings[0])
    app.text_area(key="settings.system").set_value({"en": "Answer briefly.", "ja": "短く答えてください。"}[language])
    checked(app.run())
    click(app, "chat.again")
    assert "\n" not in answers(app)[0]


def test_a_new_session_begins_with_the_options_of_the_last_question() -> None:
    """Who opens the address goes on with the same model, system prompt and temperature."""
    app = choose(visit("en"), SEEN)
    app.text_area(key="settings.system").set_value("Answer briefly.")
    app.slider(key="settings.temperature").set_value(0.3)
    checked(app.run())
    ask(app, "Hello")
    other = visit("en", chat=app.query_params["chat"])
    assert other.selectbox(key="settings.model").value == SEEN
    assert other.text_area(key="settings.system").value == "Answer briefly."
    assert other.slider(key="settings.temperature").value == 0.3


def test_the_language_comes_from_the_address_before_the_browser() -> None:
    """`?lang=` wins, and what is no language is passed over."""
    assert visit("en", lang="ja").title[0].value == texts("ja")["chat.title"]
    assert visit("ja", lang="en").title[0].value == texts("en")["chat.title"]
    assert visit("ja", lang="xx").title[0].value == texts("ja")["chat.title"]


def test_a_configured_language_comes_before_the_browsers() -> None:
    """LAB_LANGUAGE is what a whole room gets."""
    with serving(lab_language="ja"):
        assert visit("en").title[0].value == texts("ja")["chat.title"]


@languages
def test_switching_the_language_keeps_the_conversation(language: str) -> None:
    """Only the words around it change."""
    other = {"en": "ja", "ja": "en"}[language]
    app = ask(visit(language), QUESTION[language])
    before = answers(app)
    checked(app.selectbox(key=LANGUAGE_KEY).select(other).run())
    labels_in(other)
    assert app.title[0].value == texts(other)["chat.title"]
    assert app.button(key="chat.again").label == texts(other)["chat.regenerate"]
    assert answers(app) == before


@languages
def test_the_demo_model_says_that_it_is_scripted(language: str) -> None:
    """In the picker, beneath it, and in the figures; another model does not."""
    scripted = {"en": "scripted", "ja": "台本"}[language]
    app = visit(language)
    assert scripted in app.selectbox(key="settings.model").options[0]
    assert texts(language)["settings.demo_note"] in [caption.value for caption in app.caption]
    choose(app, SEEN)
    assert texts(language)["settings.demo_note"] not in [caption.value for caption in app.caption]
    assert scripted not in ask(app, QUESTION[language]).chat_message[1].caption[0].value


def test_a_server_that_serves_has_nothing_left_to_load() -> None:
    """Streamlit's first write_stream loads pandas: seconds in which the first visitor would see no text."""
    script = """
import asyncio, sys
import streamlit as st
import app

async def main():
    async with app.opening.lifespan(app.app):
        await app.opening.lab()
        before = set(sys.modules)
        st.write_stream(iter(["text"]))
        print(*sorted({"numpy", "pandas", "pyarrow"} & (set(sys.modules) - before)))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_faults_above_are_codes() -> None:
    """Each is the name of the failure that it leads to."""
    assert set(CODES) >= FAULTS.keys()


@pytest.mark.parametrize("page", PAGES)
def test_what_code_has_chosen_is_a_widget_s_own_value(page: str) -> None:
    """A browser that shows only the second of two drawings has nothing else to go by, and tells it as if chosen."""
    app = visit("en")
    checked(app.switch_page(f"../pages/{page}.py").run())
    app.run()
    for slider in app.slider:
        assert list(slider.proto.default) == [slider.value], slider.key
    for box in app.selectbox:
        assert box.proto.default == box.index, box.key
