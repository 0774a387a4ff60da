"""The first page over AppTest: the recorded race, live ones in each way that they can end, and what is said of them."""

import time
from collections.abc import Iterator
from typing import Any, cast

import httpx2
import pytest
from streamlit.testing.v1 import AppTest

from components.home.clock import Lane
from components.home.recording import _lane
from components.home.sentence import sentence
from components.page.texts import LANGUAGE_KEY, LANGUAGES, texts
from streamlab.demo_model.process import DemoModel
from streamlab.engine import Engine
from streamlab.events.event import Done, FinalAnswer, StreamEvent, TextDelta, Thinking
from streamlab.events.outcome import Outcome, outcome_of
from streamlab.models.options import Options
from streamlab.race.race import whole_of
from streamlab.race.recorded import MODEL, recorded_race
from tests.pages import checked, languages, new_question, serving, visit

LIMIT = 20.0  # seconds until a test that waits in vain gives up
FAST = "demo?first=0&rate=3000"
SEEN = "demo-seen?first=0&rate=3000"  # a name of the provider's, whose requests can be read
CUT = "demo?fault=cut&after=5&rate=3000"
EMPTY = "demo?fault=empty"
KEY = "demo?fault=key"


@pytest.fixture(scope="module", autouse=True)
def engine(demo: DemoModel) -> Iterator[Engine]:
    """Run one for all tests, which tries nothing twice: a failure is an end."""
    models = (FAST, SEEN, CUT, EMPTY, KEY)
    with serving(openai_base_url=demo.base_url, openai_api_key="test", lab_models=models, lab_attempts=1) as engine:
        yield engine


def choose(app: AppTest, model: str) -> AppTest:
    return checked(app.selectbox(key="home.model").select(model).run())


def ask(app: AppTest, question: str) -> AppTest:
    return checked(app.chat_input(key="home.own").set_value(question).run())


def said(app: AppTest) -> str:
    """What the page says of the race, which stands above the names of the doors."""
    return str(app.main.subheader[0].value)


def answer(text: str = "word", first: float | None = 1.0, end: float = 2.0, status: Any = "completed") -> Outcome:
    """An answer's sum, from the events that it would have had."""
    events: list[StreamEvent] = [Thinking("", state="begun", at=0.0)]
    if first is not None:
        events.append(TextDelta(text, at=first))
    if status == "completed":
        events.append(FinalAnswer(text, at=end))
    return outcome_of([*events, Done(status, at=end)])


# (whole, streamed) -> the keys of what is said, and the seconds in it
SENTENCES = [
    (answer(first=8.14, end=8.14), answer(first=0.36, end=8.1), ("sooner", "complete"), ("7.7",)),
    (answer(first=0.52, end=0.52), answer(first=0.4, end=0.5), ("sooner", "complete"), ("0.1",)),
    (answer(first=0.41, end=0.41), answer(first=0.4, end=0.4), ("at_once", "complete"), ()),
    (answer(first=0.4, end=0.4), answer(first=0.41, end=0.41), ("at_once", "complete"), ()),
    (answer(first=0.4, end=0.4), answer(first=1.4, end=2.4), ("later", "complete_later"), ("1.0", "2.0")),
    (answer(first=9.0, end=9.0), answer(first=1.0, end=6.0), ("sooner", "complete_sooner"), ("8.0", "3.0")),
    (answer(first=None, end=1.0, status="failed"), answer(first=0.4), ("only_streamed",), ("0.4",)),
    (answer(first=3.0, end=3.0), answer(first=0.4, end=2.0, status="failed"), ("only_whole",), ("3.0",)),
    (answer(first=3.0, end=3.0), answer(first=None, end=2.0, status="lost"), ("only_whole",), ("3.0",)),
    (answer(first=None, end=3.0), answer(first=0.4), ("only_streamed",), ("0.4",)),
    (answer(first=None, status="failed"), answer(first=None, status="failed"), ("neither",), ()),
    (answer(first=None, status="failed"), answer(first=0.4, status="failed"), ("neither",), ()),
    (
        answer(first=None, end=2.0, status="stopped"),
        answer(first=0.4, end=2.0, status="stopped"),
        ("stopped_reading",),
        ("1.6",),
    ),
    (answer(first=None, status="stopped"), answer(first=None, status="stopped"), ("stopped",), ()),
    (answer(first=1.0, end=1.0), answer(first=0.4, end=2.0, status="stopped"), ("stopped",), ()),
    (answer(first=None, status="failed"), answer(first=None, status="stopped"), ("stopped",), ()),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("whole", "streamed", "keys", "seconds"), SENTENCES)
def test_a_race_is_told_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    whole: Outcome,
    streamed: Outcome,
    keys: tuple[str, ...],
    seconds: tuple[str, ...],
) -> None:
    """With its own numbers, also where the difference is small, and where one failed or was stopped."""
    monkeypatch.setattr("components.page.texts._language", lambda: language)
    numbers = iter(seconds)
    wanted = [texts(language)[f"home.{key}"] for key in keys]
    assert sentence(whole, streamed) == (" " if language == "en" else "").join(
        text.format(seconds=next(numbers)) if "{seconds}" in text else text for text in wanted
    )
    assert next(numbers, None) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_recording_stands_until_somebody_asks(language: str) -> None:
    """It is a real one: both answers are whole, alike, and as far apart as the sentence says."""
    recorded = recorded_race(language)
    whole, streamed = outcome_of(recorded.whole), outcome_of(recorded.streamed)
    assert whole.status == streamed.status == "completed"
    assert whole.text == streamed.text
    assert len([event for event in recorded.whole if isinstance(event, TextDelta)]) == 1
    app = visit("home", language)
    assert app.button(key="home.race").label == texts(language)["home.race"]
    sooner = round(present_ttft(whole), 1) - round(present_ttft(streamed), 1)
    assert texts(language)["home.sooner"].format(seconds=f"{sooner:.1f}") in said(app)
    assert texts(language)["home.complete"] in said(app)
    assert {link.proto.label for link in app.main.get("page_link")} == {
        texts(language)[f"{page}.title"]
        for page in ("chat", "timeline", "latency", "prompts", "chunks", "faults", "relay", "room")
    }


def present_ttft(outcome: Outcome) -> float:
    assert outcome.timings.ttft is not None
    return outcome.timings.ttft


@languages
def test_one_click_races_the_question_live(language: str) -> None:
    """The demo model at the pace that shows the point; both answers are on the page, and it can be raced again."""
    words, app = texts(language), visit("home", language)
    assert app.selectbox(key="home.model").value == MODEL
    choose(app, FAST)
    checked(app.button(key="home.race").click().run())
    race = app.query_params["race"]
    assert words["home.question"] in [text.value for text in app.text]
    assert words["home.running"] != said(app)
    checked(app.button(key="home.again").click().run())
    assert app.query_params["race"] != race
    assert words["home.question"] in [text.value for text in app.text]


@languages
def test_an_own_question_is_raced_and_does_the_task(language: str) -> None:
    """It is asked of the same model twice, once as a stream and once not; its address shows it to others."""
    question = new_question(language)
    app = ask(choose(visit("home", language), FAST), question)
    assert question in [text.value for text in app.text]
    checked(app.run())
    assert texts(language)["lesson.done"] in [toast.value for toast in app.toast]
    race = app.query_params["race"]
    other = visit("home", language, race=race if isinstance(race, str) else race[0])
    assert question in [text.value for text in other.text]
    assert said(other) == said(app)


def test_the_provider_is_asked_once_for_a_whole_answer_and_once_for_a_stream(engine: Engine, demo: DemoModel) -> None:
    """Nothing streams beneath the whole one, which comes with the tokens that the server counted."""
    question = new_question()
    turn = engine.portal.call(engine.races.start, question, Options(SEEN)).turns[-1]
    whole, streamed = outcome(engine, whole_of(turn)), outcome(engine, turn.run_id)
    log = httpx2.get(demo.base_url.removesuffix("/v1") + "/requests").raise_for_status().json()
    asked = [entry for entry in log if entry["prompt"]["user"] == question]
    assert sorted(entry["stream"] for entry in asked) == [False, True]
    assert whole.status == streamed.status == "completed"
    assert not whole.usage.estimated
    assert whole.usage.input_tokens == streamed.usage.input_tokens


def outcome(engine: Engine, run_id: str) -> Outcome:
    deadline = time.monotonic() + LIMIT
    log = engine.portal.call(engine.hub.open, run_id)
    while not log.done:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return outcome_of(log.since(0))


@languages
@pytest.mark.parametrize(
    ("model", "key", "code"),
    [(CUT, "only_whole", "connection_lost"), (EMPTY, "neither", None), (KEY, "neither", "auth")],
)
def test_a_failure_is_told(language: str, model: str, key: str, code: str | None) -> None:
    """In the panel of the answer that failed, and in the sentence; a cut answer fails whole as well."""
    words = texts(language)
    app = ask(choose(visit("home", language), model), new_question(language))
    assert said(app) in (words["home.neither"], words[f"home.{key}"])
    assert app.button(key="home.again")
    if code:
        assert any(words[f"error.{code}"] in error.value for error in app.error)


def test_both_are_stopped_by_one_button(engine: Engine) -> None:
    """Each where it is; what was there to read stays."""
    turn = engine.portal.call(engine.races.start, new_question(), Options("demo?first=0&rate=20")).turns[-1]
    log = engine.portal.call(engine.hub.open, turn.run_id)
    deadline = time.monotonic() + LIMIT
    while not any(isinstance(event, TextDelta) for event in log.since(0)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    engine.portal.call(engine.races.stop, turn)
    whole, streamed = outcome(engine, whole_of(turn)), outcome(engine, turn.run_id)
    assert (whole.status, streamed.status) == ("stopped", "stopped")
    assert streamed.text
    assert not whole.text


def test_where_no_second_answer_can_begin_there_is_no_first() -> None:
    """Of two runs that are too many by one, none goes on."""
    with serving(lab_max_runs=1) as engine:
        app = visit("home", "en")
        checked(app.chat_input(key="home.own").set_value("Too many?").run())
        assert texts("en")["notice.too_many"] in [warning.value for warning in app.warning]
        assert app.chat_input(key="home.own").value == "Too many?"
        deadline = time.monotonic() + LIMIT
        while engine.runs.live:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert "race" not in app.query_params


@pytest.mark.parametrize("question", ["", "   ", "x" * 32_001])
def test_what_is_no_question_is_not_raced(question: str) -> None:
    app = ask(visit("home", "en"), question) if question else visit("home", "en")
    assert "race" not in app.query_params
    assert bool(app.warning) == bool(question)


@languages
def test_a_race_that_is_not_kept_any_more_is_told(language: str) -> None:
    """And the recording stands in for it."""
    app = visit("home", language, race="nothing")
    assert texts(language)["home.gone"] in [info.value for info in app.info]
    assert app.button(key="home.race")


def test_with_one_model_there_is_nothing_to_choose() -> None:
    """The demo model is not offered twice, and what a former list had is not chosen any more."""
    with serving(lab_models=("demo",)):
        app = visit("home", "en")
        assert not [box for box in app.selectbox if box.key == "home.model"]
    with serving(lab_models=("demo", FAST)):
        app = choose(visit("home", "en"), FAST)
    with serving(lab_models=("demo",)):
        checked(app.run())
        assert not [box for box in app.selectbox if box.key == "home.model"]


def test_the_recording_is_in_the_language_of_the_page() -> None:
    """Also when that is changed."""
    app = visit("home", "en")
    checked(app.selectbox(key=LANGUAGE_KEY).select("ja").run())
    assert said(app) == said(visit("home", "ja"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_replay_shows_all_of_both_answers(language: str) -> None:
    """Nothing of a recording comes after the end of its lane, where the replay stops."""
    recorded = recorded_race(language)
    for name, events in (("whole", recorded.whole), ("streamed", recorded.streamed)):
        lane = _lane(cast(Lane, name), events)
        assert max(lane["times"]) <= lane["end"]
        assert lane["shares"][-1] == 1
