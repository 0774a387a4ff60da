"""The page that measures latency over AppTest: plans, measurements and what is kept."""

import time

import pytest

from components.page.history import KEPT
from components.page.texts import LANGUAGES, texts
from streamlab.engine import Engine
from streamlab.latency.measurements import AT_ONCE, Measuring
from streamlab.latency.observation import encode_observation
from streamlab.latency.plan import DIRECT, order
from tests import latency_page
from tests.latency_page import FAILING, KNOWN, PLAN, document, invoked, opened_file, pairs, streamed, upload, warned
from tests.pages import LIMIT, checked, languages, visit
from tests.present import present

engine = latency_page.engine  # fixtures are found by their names


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
    assert app.number_input(key="latency.pairs").value == 3
    lengths, ways, prompts = app.button_group
    assert (lengths.value, ways.value) == ("long", ["invoke", "stream"])
    assert lengths.options == [words[f"latency.length_{name}"] for name in ("short", "medium", "long", "unlimited")]
    assert ways.options == [words[f"latency.way_{way}"] for way in DIRECT]
    assert (prompts.value, prompts.options) == ([], ["100", "1,000", "8,000"])
    assert words["latency.no_gateway"] in [caption.value for caption in app.caption]

    def start_rests() -> bool:
        rests = bool(app.button(key="latency.start").disabled)
        hint = words["latency.incomplete"]
        assert (hint in [caption.value for caption in app.caption]) == rests
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


@languages
def test_lengths_of_the_prompt_are_streamed_with_short_answers(engine: Engine, language: str) -> None:
    """Unless chosen otherwise; what was chosen without them is there again when they are not."""
    words = texts(language)
    app = visit("latency", language)
    app.number_input(key="latency.pairs").set_value(1)
    app.button_group[2].set_value([8_000, 100]).run()
    length, ways, _ = app.button_group
    assert (length.value, ways.value, ways.options) == (
        "short",
        ["stream"],
        [words[f"latency.way_{way}"] for way in DIRECT],
    )
    told = words["latency.happens_lengths"].partition("{seconds}")[0].format(calls=5, pairs=1)
    assert [caption for caption in app.caption if caption.value.startswith(told)]
    assert any("8,000" in expander.label for expander in app.expander)
    app.text_area(key="latency.prompt").set_value("x" * 400).run()
    assert app.button(key="latency.start").disabled
    assert words["latency.too_short"] in [caption.value for caption in app.caption]
    checked(app.button_group[2].set_value([]).run())
    assert (app.button_group[0].value, app.button_group[1].value) == ("long", ["invoke", "stream"])


@pytest.mark.soak
def test_what_lengths_cost_is_the_heading_of_their_measurement(engine: Engine) -> None:
    """It is made as it was chosen, each prompt new and again."""
    app = visit("latency", "en")
    app.number_input(key="latency.pairs").set_value(1)
    app.button_group[2].set_value([8_000, 100]).run()
    app.text_area(key="latency.prompt").set_value("Why?").run()
    checked(app.button(key="latency.start").click().run())
    plan = ended(engine, app.query_params["measurement"]).plan
    assert (plan.prompt_lengths, plan.ways, plan.max_tokens, plan.warm_ups) == ((100, 8_000), ("stream",), 50, 1)
    app = visit("latency", "en", measurement=app.query_params["measurement"])
    (heading,) = [text.value for text in app.main.subheader]
    assert "8,000" in heading


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
        assert words["latency.partial"].format(done=2, expected=len(order(plan))) in [info.value for info in app.info]
        assert words["latency.plain_failed"] in [text.value for text in app.main.subheader]
        assert not app.dataframe


@languages
def test_who_stops_while_it_warms_up_is_not_told_of_a_failure(engine: Engine, language: str) -> None:
    """Nothing was measured, and nothing failed."""
    app = opened_file(language, [invoked(0), streamed(0)], complete=False)
    before = texts(language)["latency.partial"].partition("{")[0]
    assert [info.value for info in app.info if info.value.startswith(before) and "2" in info.value]
    assert warned(app) == ""


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
