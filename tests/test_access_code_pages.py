"""The access code on the pages: who is asked for it, what stays shut without it, and where it is never shown."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

from components.page.access import CODE
from components.page.pages import PAGES
from components.page.session import Session
from components.page.texts import LANGUAGES, texts
from streamlab.access_code import GUESSES
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.models.options import Options
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address
from tests.pages import checked, languages, new_question, serving, visit

FREE = "demo?first=0&rate=2000"
PAID = "demo-paid?first=0&rate=2000"  # a name of the provider's, who happens to be the demo model
ASKING = [page for page in PAGES if page not in ("about", "room")]  # those with a model to ask
USUAL = dict(zip(ASKING, cycle(LANGUAGES), strict=False))  # the language in which each is looked at every time
LIMIT = 60.0  # seconds

OWN_MODELS = ("latency", "prompts")  # which have pickers of their own
BOXES = {
    "latency": "latency.prompt",
    "chunks": "chunks.question.parsers",
    "faults": "faults.question",
    "relay": "relay.question",
}  # where a question is typed that is asked by a button
TYPED = {"home": "home.own", "chat": "chat.input", "timeline": "timeline.input"}  # where it is asked as it is typed

# Each page in one language, and in the other one as `make soak`.
pages_and_languages = pytest.mark.parametrize(
    ("page", "language"),
    [
        pytest.param(page, language, marks=[] if language == usual else pytest.mark.soak)
        for page, usual in USUAL.items()
        for language in LANGUAGES
    ],
)


@pytest.fixture(scope="module")
def code() -> str:
    """Opens the pages of this module's tests."""
    return f"Room-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def lab(demo: DemoModel, code: str) -> Iterator[Engine]:
    with guarded_lab(demo, code) as engine:
        yield engine


@contextmanager
def guarded_lab(demo: DemoModel, code: str | None) -> Iterator[Engine]:
    """The demo model is the provider as well. Wrong guesses at one code are counted together in the whole process."""
    names = (FREE, PAID)
    with serving(
        openai_base_url=demo.base_url, openai_api_key="test", lab_models=names, lab_access_code=code
    ) as engine:
        yield engine


def open_page(page: str, language: str, question: str, model: str = PAID) -> AppTest:
    """A page in a new session, where this question is about to be asked of this model."""
    address = {"set": shared_set(question, model)} if page == "prompts" else {}
    app = visit(page, language, **address)
    if page not in OWN_MODELS:
        checked(app.selectbox(key="home.model" if page == "home" else "settings.model").select(model).run())
    if page == "latency":
        app.multiselect(key="latency.models").set_value([model]).run()
    if key := BOXES.get(page):
        app.text_area(key=key).set_value(question).run()
    return checked(app)


def shared_set(question: str, *models: str) -> str:
    """An address's set of prompts that has a free variant, and one of the model."""
    variants = tuple(
        Variant(name=name, template=question, model=model) for name, model in zip("AB", (FREE, *models), strict=True)
    )
    address = to_address(PromptSet(variants=variants))
    assert address
    return address


def press(app: AppTest, page: str, question: str) -> AppTest:
    """What a user does there to ask."""
    if page in TYPED:
        return checked(app.chat_input(key=TYPED[page]).set_value(question).run())
    return checked(app.button(key="prompts.run" if page == "prompts" else f"{page}.start").click().run())


def enter(app: AppTest, typed: str) -> AppTest:
    app.text_input(key=CODE).set_value(typed)
    return checked(app.button(key="access.enter").click().run())


def is_asked_for(app: AppTest) -> bool:
    return CODE in {box.key for box in app.text_input}


def said(app: AppTest) -> str:
    """Every sentence of the page, and of the sidebar."""
    kinds = (app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def asked_of_provider(demo: DemoModel, question: str) -> int:
    """How often the model that costs money was asked this."""
    log = httpx2.get(demo.base_url.removesuffix("/v1") + "/requests").raise_for_status().json()
    return sum(entry["prompt"]["user"] == question for entry in log)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pages_and_languages
def test_without_the_code_nothing_is_asked_and_with_it_everything(
    lab: Engine, demo: DemoModel, code: str, monkeypatch: pytest.MonkeyPatch, page: str, language: str
) -> None:
    """On every page: the box with its reason, a notice where a question was asked in spite of it, and then the answer.

    The question stays where it was typed. What is measured is measured by a process, which reads the environment.
    """
    monkeypatch.setenv("OPENAI_BASE_URL", demo.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    words, question, started = texts(language), new_question(language), lab.runs.started
    app = open_page(page, language, question)
    assert is_asked_for(app)
    assert words["access.why"] in said(app)
    press(app, page, question)
    assert words["access.needed"] in said(app)
    assert lab.runs.started == started
    assert not app.query_params.keys() & {"chat", "run", "measurement", "comparison", "reading", "trial", "race"}
    if page in TYPED:
        assert app.chat_input(key=TYPED[page]).value == question
    enter(app, code)
    assert not is_asked_for(app)
    assert words["access.given"] in [toast.value for toast in app.toast]
    assert asked_of_provider(demo, question) == 0
    press(app, page, question)
    until(lambda: asked_of_provider(demo, question) > 0)
    end_measurement(lab, app)


def test_the_demo_model_asks_for_nothing(lab: Engine) -> None:
    """It is free on every page, and stays so beside models that are not."""
    app = open_page("faults", "en", new_question(), FREE)
    for page in ASKING:
        checked(app.switch_page(f"../pages/{page}.py").run())
        assert not is_asked_for(app)
    checked(app.switch_page("../pages/faults.py").run())
    press(app, "faults", new_question())
    assert "trial" in app.query_params


def end_measurement(lab: Engine, app: AppTest) -> None:
    """Only so many may go on at once."""
    if "measurement" in app.query_params:
        value = app.query_params["measurement"]
        lab.measurements.stop(value if isinstance(value, str) else value[0])


def test_where_no_code_is_set_nothing_is_asked_for(demo: DemoModel) -> None:
    """Whatever the model costs, on every page."""
    with guarded_lab(demo, None):
        app, question = open_page("chat", "en", ""), new_question()
        for page in ASKING:
            checked(app.switch_page(f"../pages/{page}.py").run())
            assert not is_asked_for(app)
        assert texts("en")["access.sidebar"] not in said(app)
        checked(app.switch_page("../pages/chat.py").run())
        press(app, "chat", question)
        assert asked_of_provider(demo, question) == 1


def test_the_code_opens_every_page_of_the_session_and_no_other_session(lab: Engine, code: str) -> None:
    """Who gave it is not asked again; who opens the app anew is."""
    app = enter(open_page("chat", "en", ""), code)
    for page in ASKING:
        checked(app.switch_page(f"../pages/{page}.py").run())
        assert not is_asked_for(app)
    assert is_asked_for(open_page("chat", "en", ""))


@languages
def test_wrong_empty_and_too_many_codes_are_told_apart(demo: DemoModel, language: str) -> None:
    """One sentence each, until another is entered. Those who are in stay in while nobody's guess is heard."""
    words, code = texts(language), uuid4().hex
    with guarded_lab(demo, code):
        inside = enter(open_page("chat", language, ""), code)
        app, other = (open_page("chat", language, "") for _ in range(2))
        for typed, refusal in (("", "empty"), ("guess", "wrong"), ("  ", "empty")):
            assert refusals(enter(app, typed)) == [words[f"access.refused_{refusal}"]]
        for _ in range(GUESSES - 1):
            enter(app, "guess")
        for guesser in (app, other):
            assert refusals(enter(guesser, code)) == [words["access.refused_too_many"]]
            assert is_asked_for(guesser)
        assert len(press(inside, "chat", new_question(language)).chat_message) == 2


def refusals(app: AppTest) -> list[str]:
    return [error.value for error in app.error]


def test_full_width_letters_open_the_page(lab: Engine, code: str) -> None:
    """As a Japanese keyboard may write them."""
    wide = "".join(chr(ord(character) + 0xFEE0) for character in code)
    assert wide != code
    assert not is_asked_for(enter(open_page("chat", "ja", ""), wide))


def test_an_answer_is_not_made_anew_without_the_code(lab: Engine, demo: DemoModel) -> None:
    """A conversation that began with the free model, or that somebody else paid for, at its address."""
    question = new_question()
    chat = lab.portal.call(lab.chats.ask, None, question, Options(PAID))
    until(lambda: lab.portal.call(lab.chats.get, chat.id).live is None)
    assert asked_of_provider(demo, question) == 1
    app = visit("chat", "en", chat=chat.id)
    assert app.selectbox(key="settings.model").value == PAID, "the conversation's own model"
    assert is_asked_for(app)
    checked(app.button(key="chat.again").click().run())
    assert texts("en")["access.needed"] in said(app)
    assert asked_of_provider(demo, question) == 1
    checked(app.chat_input(key="chat.input").set_value(question).run())
    assert asked_of_provider(demo, question) == 1
    assert lab.portal.call(lab.chats.get, chat.id).turns[0].outcome


@pytest.mark.parametrize("page", ["chat", "timeline"])
def test_a_suggestion_is_a_question_too(lab: Engine, page: str) -> None:
    """It costs as much."""
    app, started = open_page(page, "en", ""), lab.runs.started
    suggestion = next(each for each in app.button if str(each.key).startswith(f"{page}.suggestion"))
    checked(suggestion.click().run())
    assert texts("en")["access.needed"] in said(app)
    assert lab.runs.started == started
    assert not app.chat_message


def test_a_variant_of_a_set_counts_whatever_the_settings_say(lab: Engine, demo: DemoModel) -> None:
    """A set that came by its address names models that no picker offers; none of its variants is asked."""
    question = new_question()
    app = visit("prompts", "en", set=shared_set(question, "gpt-that-nobody-offers"))
    assert app.session_state["settings.model"] == FREE
    assert is_asked_for(app)
    checked(app.button(key="prompts.run").click().run())
    assert texts("en")["access.needed"] in said(app)
    assert "comparison" not in app.query_params


def test_a_model_that_is_measured_counts_whatever_the_settings_say(lab: Engine, code: str) -> None:
    """Each of the models that are chosen there."""
    app = open_page("latency", "en", "", FREE)
    checked(app.multiselect(key="latency.models").set_value([FREE, PAID]).run())
    assert is_asked_for(app)
    checked(app.multiselect(key="latency.models").set_value([FREE]).run())
    assert not is_asked_for(app)


@languages
def test_the_settings_say_that_the_model_needs_the_code(lab: Engine, code: str, language: str) -> None:
    """Where it is chosen, until the code was given."""
    app, words = visit("chat", language), texts(language)
    assert words["access.sidebar"] not in said(app)
    checked(app.selectbox(key="settings.model").select(PAID).run())
    assert words["access.sidebar"] in said(app)
    enter(app, code)
    assert words["access.sidebar"] not in said(app)


def test_the_code_is_nowhere_but_in_the_box(
    lab: Engine, code: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither it nor a wrong one like it is sent back, logged, kept by the session or put into the address."""
    caplog.set_level(logging.DEBUG)
    app = open_page("chat", "en", "")
    for typed in (f"{code}-almost", code):
        enter(app, typed)
        sent = "\n".join(text for node in app for text in strings(getattr(node, "proto", None)))
        assert code not in sent
        assert code not in f"{app.query_params}"
    assert CODE not in app.session_state
    state: Session = app.session_state["session"]
    assert code not in repr(state)
    out, err = capfd.readouterr()
    assert code not in caplog.text + out + err


def strings(message: Any) -> Iterator[str]:
    """All strings of an element."""
    if isinstance(message, str):
        yield message
    elif isinstance(message, Message):
        for _, value in message.ListFields():
            yield from strings(value)
    elif hasattr(message, "__iter__") and not isinstance(message, bytes):
        for item in message:
            yield from strings(item)
