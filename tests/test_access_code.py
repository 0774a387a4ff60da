"""The access code of the pages: who is asked for it, what stays shut without it, and how it is given and guessed."""

import ast
import logging
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from google.protobuf.message import Message
from playwright.sync_api import Page, WebSocket, expect
from pydantic import ValidationError
from streamlit.testing.v1 import AppTest

from components.page.access import CODE, COOKIE
from components.page.session import Session
from components.page.texts import LANGUAGES, texts
from streamlab.access_code import GUESSES, LONGEST, TICKET_SECONDS, WINDOW, AccessCode, TooManyGuesses
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.models.catalog import cost_money
from streamlab.models.options import Options
from streamlab.prompts.prompt_set import PromptSet, Variant
from streamlab.prompts.serialization import to_address
from streamlab.settings import Settings, SettingsError, load_settings
from tests.browser import Site, button, needs_chromium, site
from tests.pages import checked, languages, serving, visit

ROOT = Path(__file__).parent.parent
SECRET = "a-secret-of-thirty-two-characters!"
FREE = "demo?first=0&rate=2000"
PAID = "demo-paid?first=0&rate=2000"  # a name of the provider's, who happens to be the demo model
PAGES = {
    "chat": "en",
    "timeline": "ja",
    "latency": "en",
    "prompts": "ja",
    "chunks": "en",
    "faults": "ja",
    "relay": "en",
}
LIMIT = 60.0  # seconds

BOXES = {
    "latency": "latency.prompt",
    "chunks": "chunks.question.parsers",
    "faults": "faults.question",
    "relay": "relay.question",
}  # where a question is typed that is asked by a button
IN_BROWSER = "Room-42b-in-browser"

# Each page in one language, and in the other one as `make soak`.
pages_and_languages = pytest.mark.parametrize(
    ("page", "language"),
    [
        pytest.param(page, language, marks=[] if language == usual else pytest.mark.soak)
        for page, usual in PAGES.items()
        for language in LANGUAGES
    ],
)


# The code itself


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that guesses are counted by, to be set."""
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("typed", ["Room-42b", " Room-42b\n", "Ｒｏｏｍ－４２ｂ", "　Ｒｏｏｍ-42b　"])
def test_full_width_characters_and_blanks_around_the_code_do_not_matter(typed: str) -> None:
    """A Japanese keyboard writes them by mistake, and pasting brings the blanks."""
    assert AccessCode("Room-42b").fits(typed)


def test_a_code_may_be_any_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is set in full-width characters or typed in pieces that one character is composed of."""
    monkeypatch.setenv("LAB_ACCESS_CODE", "ガイド２０２６")
    code = load_settings().lab_access_code
    assert code
    assert AccessCode(code.get_secret_value()).fits(unicodedata.normalize("NFD", "ガイド2026"))


@pytest.mark.parametrize("typed", ["", "room-42b", "Room-42", "Room-42bb", "Room 42b", "\ud800", "Room-42b" * 1_000])
def test_any_other_text_is_wrong(typed: str) -> None:
    """And none of them is an error."""
    assert not AccessCode("Room-42b").fits(typed)


def test_guesses_of_everybody_count_together_and_then_none_is_heard(clock: list[float]) -> None:
    """Not even the right one, or trying would go on; when the oldest is a minute old there is room for one more."""
    code = AccessCode("Room-42b")
    for number in range(GUESSES):
        assert not code.fits(f"guess {number}")
        clock[0] += 1
    with pytest.raises(TooManyGuesses) as caught:
        code.fits("Room-42b")
    assert caught.value.wait == WINDOW - GUESSES
    clock[0] += WINDOW - GUESSES
    assert not code.fits("one more")
    with pytest.raises(TooManyGuesses):
        code.fits("and another")
    clock[0] += WINDOW
    assert code.fits("Room-42b")


def test_the_right_code_is_no_guess(clock: list[float]) -> None:
    """A whole class may come in at once."""
    code = AccessCode("Room-42b")
    assert all(code.fits("Room-42b") for _ in range(5 * GUESSES))


def test_guesses_at_the_same_time_are_all_counted() -> None:
    """Many sessions guess in threads of their own; no more than the bound is ever compared."""
    code, heard, start = AccessCode("Room-42b"), list[bool](), threading.Barrier(8)

    def guess() -> None:
        start.wait()
        for number in range(GUESSES):
            try:
                heard.append(code.fits(f"guess {number}"))
            except TooManyGuesses:
                return

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == [False] * GUESSES


def test_a_ticket_opens_where_it_was_issued_and_nowhere_else() -> None:
    """Another process has another secret, unless one is set; another code ends the tickets of the former one."""
    code = AccessCode("Room-42b")
    ticket = code.issue()
    assert code.knows(ticket)
    assert not AccessCode("Room-42b").knows(ticket)
    kept = AccessCode("Room-42b", SECRET).issue()
    assert AccessCode("Room-42b", SECRET).knows(kept)
    assert not AccessCode("Room-43b", SECRET).knows(kept)
    assert "Room" not in ticket + kept


@pytest.mark.parametrize("ticket", [None, 7, "", "given", "x.y.z", "é"])
def test_what_is_no_ticket_opens_nothing(ticket: object) -> None:
    """Whatever a browser sends."""
    assert not AccessCode("Room-42b").knows(ticket)


def test_a_ticket_ends_after_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone's browser is never closed."""
    code = AccessCode("Room-42b")
    ticket, now = code.issue(), time.time()
    monkeypatch.setattr(time, "time", lambda: now + TICKET_SECONDS - 5)
    assert code.knows(ticket)
    monkeypatch.setattr(time, "time", lambda: now + TICKET_SECONDS + 5)
    assert not code.knows(ticket)


@pytest.mark.parametrize(
    ("models", "cost"),
    [([], False), (["demo"], False), (["demo?rate=5", "demo"], False), (["demo", "gpt-5"], True), (["demo-x"], True)],
)
def test_one_model_that_costs_money_is_enough(models: list[str], cost: bool) -> None:
    """Only the demo model is certainly free."""
    assert cost_money(models) == cost


@pytest.mark.parametrize("value", ["12345", "  12345  ", "      ", "line\nline", "x" * (LONGEST + 1)])
def test_a_code_that_cannot_be_given_or_is_soon_guessed_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """At start, with what is allowed and without the value."""
    monkeypatch.setenv("LAB_ACCESS_CODE", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value) == "LAB_ACCESS_CODE must be a code of 6 to 200 characters on one line."


def test_the_code_is_in_no_text_of_the_settings() -> None:
    """They may be printed."""
    settings = Settings(_env_file=None, lab_access_code="Room-42b")
    assert "Room-42b" not in f"{settings!r} {settings} {settings.model_dump()}"
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None, lab_access_code="42b-?")
    assert "42b-?" not in str(load_problem(caught.value))


def load_problem(error: ValidationError) -> list[Any]:
    return [problem["msg"] for problem in error.errors()]


# The pages, as a user acts


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
    checked(app.selectbox(key="settings.model").select(model).run())
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
    if page in ("chat", "timeline"):
        return checked(app.chat_input(key=f"{page}.input").set_value(question).run())
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


def new_question(language: str = "en") -> str:
    """One that nobody asked before."""
    return f"{'What is streaming?' if language == 'en' else 'ストリーミングとは何ですか？'} {uuid4().hex}"


@pages_and_languages
def test_without_the_code_nothing_is_asked_and_with_it_everything(
    lab: Engine, demo: DemoModel, code: str, monkeypatch: pytest.MonkeyPatch, page: str, language: str
) -> None:
    """On every page: the box with its reason, a notice where a question was asked in spite of it, and then the answer.

    The question stays where it was typed. What is measured is measured by a process, which reads the environment.
    """
    monkeypatch.setenv("OPENAI_BASE_URL", demo.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    words, question = texts(language), new_question(language)
    app = open_page(page, language, question)
    assert is_asked_for(app)
    assert words["access.why"] in said(app)
    press(app, page, question)
    assert words["access.needed"] in said(app)
    assert lab.runs.live == 0
    assert not app.query_params.keys() & {"chat", "run", "measurement", "comparison", "reading", "trial"}
    if page in ("chat", "timeline"):
        assert app.chat_input(key=f"{page}.input").value == question
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
    for page in PAGES:
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
        for page in PAGES:
            checked(app.switch_page(f"../pages/{page}.py").run())
            assert not is_asked_for(app)
        assert texts("en")["access.sidebar"] not in said(app)
        checked(app.switch_page("../pages/chat.py").run())
        press(app, "chat", question)
        assert asked_of_provider(demo, question) == 1


def test_the_code_opens_every_page_of_the_session_and_no_other_session(lab: Engine, code: str) -> None:
    """Who gave it is not asked again; who opens the app anew is."""
    app = enter(open_page("chat", "en", ""), code)
    for page in PAGES:
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
    app = open_page(page, "en", "")
    suggestion = next(each for each in app.button if str(each.key).startswith(f"{page}.suggestion"))
    checked(suggestion.click().run())
    assert texts("en")["access.needed"] in said(app)
    assert lab.runs.live == 0
    assert not app.chat_message


def test_a_variant_of_a_set_counts_whatever_the_sidebar_says(lab: Engine, demo: DemoModel) -> None:
    """A set that came by its address names models that no picker offers; none of its variants is asked."""
    question = new_question()
    app = visit("prompts", "en", set=shared_set(question, "gpt-that-nobody-offers"))
    assert app.selectbox(key="settings.model").value == FREE
    assert is_asked_for(app)
    checked(app.button(key="prompts.run").click().run())
    assert texts("en")["access.needed"] in said(app)
    assert "comparison" not in app.query_params


def test_a_model_that_is_measured_counts_whatever_the_sidebar_says(lab: Engine, code: str) -> None:
    """Each of the models that are chosen there."""
    app = open_page("latency", "en", "", FREE)
    checked(app.multiselect(key="latency.models").set_value([FREE, PAID]).run())
    assert is_asked_for(app)
    checked(app.multiselect(key="latency.models").set_value([FREE]).run())
    assert not is_asked_for(app)


@languages
def test_the_sidebar_says_that_the_model_needs_the_code(lab: Engine, code: str, language: str) -> None:
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


# The one gate

STARTERS = {
    "chats": {"ask", "regenerate"}, "agents": {"ask", "go_on"}, "runs": {"start"}, "trials": {"start"},
    "comparisons": {"start"}, "measurements": {"start"}, "captures": {"start"},
}  # fmt: skip


def test_whatever_a_page_starts_goes_through_the_gate() -> None:
    """What begins a run or a call is only ever named within a call of `started`, or in what such a call is given."""
    found, outside = set[str](), list[str]()
    for path in (*ROOT.glob("pages/*.py"), *ROOT.glob("components/**/*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        guarded = {id(inner) for node in guarded_parts(tree) for inner in ast.walk(node)}
        for node in ast.walk(tree):
            match node:
                case ast.Attribute(attr=verb, value=ast.Attribute(attr=noun)) if verb in STARTERS.get(noun, ()):
                    found.add(f"{noun}.{verb}")
                    if id(node) not in guarded:
                        outside.append(f"{path.name}:{node.lineno}")
    assert outside == []
    assert found == {f"{noun}.{verb}" for noun, verbs in STARTERS.items() for verb in verbs} - {
        "agents.go_on",
        "runs.start",
    }


def guarded_parts(tree: ast.Module) -> Iterator[ast.AST]:
    """The arguments of every call of `started`, and the functions that they name."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("questions.started", "started"):
            yield from node.args
            yield from (functions[part.id] for part in node.args if isinstance(part, ast.Name) and part.id in functions)


# In a real browser


@pytest.fixture(scope="module")
def in_browser(demo: DemoModel) -> Iterator[Site]:
    environment = {"OPENAI_BASE_URL": demo.base_url, "OPENAI_API_KEY": "test", "LAB_MODELS": f"{PAID},{FREE}"}
    with site(LAB_LANGUAGE="auto", LAB_ACCESS_CODE=IN_BROWSER, **environment) as found:
        yield found


@needs_chromium
@languages
@pytest.mark.soak
def test_a_browser_gives_the_code_once(in_browser: Site, language: str) -> None:
    """By keyboard; a reload and another tab find the models open, another browser does not. The code never comes back.

    What the browser keeps is a cookie of its session that no other site gets sent.
    """
    words, heard = texts(language), list[bytes]()

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.append(frame if isinstance(frame, bytes) else frame.encode()))

    with in_browser.opened("/about", language) as page:
        page.on("websocket", listen)
        page.goto(f"{in_browser.url}/chat")
        box = page.get_by_label(words["access.code"], exact=True)
        box.fill(f"{IN_BROWSER}x")
        box.press("Enter")
        expect(page.get_by_text(words["access.refused_wrong"])).to_be_visible()
        box.fill(IN_BROWSER)
        box.press("Enter")
        expect(box).to_have_count(0)
        page.wait_for_function("name => document.cookie.includes(name)", arg=COOKIE)
        (cookie,) = [found for found in page.context.cookies() if found["name"] == COOKIE]
        assert (cookie["expires"], cookie["sameSite"]) == (-1, "Strict")
        page.reload()
        is_open(page, language)
        assert [frame for frame in heard if str(cookie["value"]).encode() in frame], "what was sent can be read here"
        assert not [frame for frame in heard if IN_BROWSER.encode() in frame]
        assert IN_BROWSER not in page.content() + page.url + cookie["value"]
        other = page.context.new_page()
        other.goto(f"{in_browser.url}/chat")
        is_open(other, language)
    with in_browser.opened("/chat", language) as page:
        expect(page.get_by_label(words["access.code"], exact=True)).to_be_visible()


def is_open(page: Page, language: str) -> None:
    """A question gets its answer, and no code is asked for."""
    asking = page.get_by_test_id("stChatInputTextArea")
    asking.fill(new_question(language))
    asking.press("Enter")
    expect(button(page, texts(language)["chat.regenerate"])).to_be_visible()
    expect(page.get_by_label(texts(language)["access.code"], exact=True)).to_have_count(0)
