"""The page about chunks over AppTest, in both languages."""

import time
from urllib.parse import parse_qs

import pytest

from components.page.texts import texts
from streamlab.chunks.capture import Question
from streamlab.chunks.captures import AT_ONCE
from streamlab.chunks.modes import TOPICS, CaptureTopic
from streamlab.chunks.views import joined
from streamlab.engine import Engine
from streamlab.models.options import QUESTION_CHARACTERS, Options
from tests import chunks_page
from tests.chunks_page import (
    CUT,
    EMPTY,
    ENDLESS,
    FAST,
    address,
    choose,
    ended,
    named,
    open_at,
    read,
    remarks,
    said,
    shown,
    tiles,
    topics,
)
from tests.conftest import demo_model, http, raw_endpoint
from tests.pages import checked, languages, serving, visit
from tests.present import present

engine = chunks_page.engine  # a fixture is found by its name


@languages
def test_three_parsers_stand_side_by_side(engine: Engine, language: str) -> None:
    """Each with how many chunks it got; beside them the newest chunk with a text, and the answer until there."""
    words = texts(language)
    app = choose(visit("chunks", language))
    found = read(app, engine)
    columns = tiles(app)
    assert len(columns) == len(found.captures)
    for capture, column in zip(found.captures, columns, strict=True):
        assert capture.state == "completed"
        assert capture.code is None
        assert column["name"] == named(words, capture.mode).replace("`", "")
        count, seconds = len(capture.views), f"{capture.seconds:.2f}"
        assert words["chunks.counted"].format(count=count, seconds=seconds) in column["said"]
        assert len(column["tiles"]) == count
    message, text, _ = found.captures
    newest = next(view.number for view in reversed(message.views) if view.text.strip())
    assert [column["chosen"] for column in columns] == [newest, 0, 0]
    assert words["chunks.everything"].format(number=newest) in said(app)
    assert [code.value for code in app.code if '"topic"' in code.value] == [joined(text.views)]
    assert joined(message.views)["content"] == joined(text.views)
    open_at(app, len(message.views))
    assert '"chunk_position":"last"' in str(app.json[1].value).replace(" ", "")


@languages
def test_every_chunk_can_be_opened(engine: Engine, language: str) -> None:
    """By the slider; the answer is then the one that had arrived until there. Who finds the usage has done the task."""
    words = texts(language)
    app = choose(visit("chunks", language))
    message = read(app, engine).captures[0]
    count = len(message.views)
    assert app.session_state["session"].tried == set()
    for number in range(count, count - 6, -1):
        page = open_at(app, number)
        at = f"{message.views[number - 1].at:.3f}"
        assert words["chunks.position"].format(number=number, count=count, at=at) in page
        assert joined(message.views[:number])["content"] in [code.value for code in app.code]
        assert tiles(app)[0]["chosen"] == number
    assert app.session_state["session"].tried == {"chunks"}


@languages
def test_before_the_first_start_there_is_an_example(engine: Engine, language: str) -> None:
    """What the three parsers really make of a text: the joined text is the same, and the last object is the whole."""
    words = texts(language)
    app = visit("chunks", language)
    assert any(words["chunks.example"] in caption.value for caption in app.caption)
    sample = words["chunks.sample_example"].format()
    message, text, partial = tiles(app)
    assert "".join(piece for _, _, piece in text["tiles"]) == sample.replace("|", "")
    assert message["tiles"] == text["tiles"]
    assert 1 < len(partial["tiles"]) <= len(text["tiles"])
    assert sample.replace("|", "") in [code.value for code in app.code]
    assert words["chunks.nothing_yet"] in remarks(choose(app, topic="calls"))


@languages
def test_text_that_is_no_json_is_explained(engine: Engine, language: str) -> None:
    """Not as an error: the answer is fine, and the other two have it."""
    words = texts(language)
    app = choose(visit("chunks", language))
    checked(app.toggle(key="chunks.as_json").set_value(False).run())
    found = read(app, engine)
    assert remarks(app) == [f"{named(words, 'json')}: {words['chunks.remark_not_json']}"]
    assert [error.value for error in app.error] == []
    assert not found.captures[2].views
    assert joined(found.captures[1].views) in said(app)


@languages
def test_four_ways_say_what_else_could_run(engine: Engine, language: str) -> None:
    """As sentences with the beats that were counted, which stand for the chart too; and the raw events."""
    words = texts(language)
    app = choose(visit("chunks", language), topic="calls", rate=20)
    found = read(app, engine)
    page = said(app)
    beats = {capture.mode: len(capture.beats) for capture in found.captures}
    assert beats["stream"] == beats["invoke"] == 0
    assert min(beats["astream"], beats["events"]) > 3
    never = [words["chunks.meanwhile_never"].split("{seconds}")[1] in line for line in page.splitlines()]
    assert sum(never) == 2
    for mode in ("astream", "events"):
        assert f"**{beats[mode]}" in page
    assert words["chunks.raw_events"] in page
    events = found.captures[-1]
    (column,) = tiles(app)
    assert column["said"] == words["chunks.counted"].format(count=len(events.views), seconds=f"{events.seconds:.2f}")
    open_at(app, len(events.views))
    assert "on_chain_end" in str(app.json[0].value)


@languages
def test_size_and_pace_go_into_the_model_name(engine: Engine, language: str) -> None:
    """Beside what stands there already, and nothing that was not chosen."""
    app = choose(visit("chunks", language), rate=100)
    checked(app.select_slider(key="chunks.size").set_value(3).run())
    found = read(app, engine)
    name = found.question.options.model
    assert parse_qs(name.partition("?")[2]) == {"first": ["0"], "seed": ["1"], "size": ["3"], "rate": ["100"]}
    assert max(len(view.text) for view in found.captures[1].views) == 3


@languages
@topics
def test_text_cut_inside_characters_is_shown_whole(engine: Engine, language: str, topic: CaptureTopic) -> None:
    """An emoji of three code points and Japanese, a code point a chunk, the bytes cut on their way."""
    sample = texts(language)["chunks.sample_json" if topic == "parsers" else "chunks.sample_text"].format()
    app = choose(visit("chunks", language), topic=topic)
    checked(app.toggle(key="chunks.inside").set_value(True).run())
    assert app.select_slider(key="chunks.size").disabled
    found = read(app, engine)
    assert {capture.state for capture in found.captures} == {"completed"}
    text = next(capture for capture in found.captures if capture.mode in ("text", "stream"))
    assert {"👩", "\u200d", "🚀", "日"} <= {view.text for view in text.views}
    assert joined(text.views) == sample
    assert sample in [code.value for code in app.code]


@languages
def test_another_model_sets_its_own_pace(engine: Engine, language: str) -> None:
    """Controls that would do nothing are not shown, and a sentence says why."""
    words = texts(language)
    app = choose(visit("chunks", language), model="acme-1")
    assert not app.select_slider
    assert words["chunks.pace_of_its_own"] in said(app)
    checked(app.selectbox(key="settings.model").set_value(FAST).run())
    assert [slider.key for slider in app.select_slider] == ["chunks.size", "chunks.rate"]


@languages
@topics
@pytest.mark.parametrize(("question", "notice"), [("  \n", "empty"), ("x" * (QUESTION_CHARACTERS + 1), "too_long")])
def test_a_bad_question_is_refused_and_kept(
    engine: Engine, language: str, topic: CaptureTopic, question: str, notice: str
) -> None:
    """With a sentence; nothing is asked, and what was typed is there to be mended."""
    app = choose(visit("chunks", language), topic=topic)
    app.text_area(key=f"chunks.question.{topic}").set_value(question)
    checked(app.button(key="chunks.start").click().run())
    limits = {"length": f"{len(question):,}", "limit": f"{QUESTION_CHARACTERS:,}"}
    assert [warning.value for warning in app.warning] == [texts(language)[f"notice.{notice}"].format(**limits)]
    assert app.text_area(key=f"chunks.question.{topic}").value == question
    assert "reading" not in app.query_params


@languages
@topics
def test_a_failure_midway_keeps_the_chunks(engine: Engine, language: str, topic: CaptureTopic) -> None:
    """With the sentence of the failure and what to do next."""
    words = texts(language)
    app = choose(visit("chunks", language), topic=topic, model=CUT)
    found = read(app, engine)
    assert {capture.code for capture in found.captures} == {"connection_lost"}
    for error in app.error:
        assert words["error.connection_lost"] in error.value
        assert words["error.connection_lost_next"] in error.value
    for capture in found.captures:
        (said_of_it,) = (error.value for error in app.error if named(words, capture.mode) in error.value)
        assert (words["chunks.kept"] in said_of_it) == bool(capture.views)
    assert "word1 word2 word3 word4" in said(app)


def said_of_all(remarks: list[str], language: str, code: str) -> bool:
    """Tell whether the three parsers have this remark in common, and no other."""
    words = texts(language)
    names = " · ".join(named(words, mode) for mode in TOPICS["parsers"])
    return remarks == [f"{names}: {words[f'chunks.remark_{code}']}"]


@languages
def test_an_answer_without_text_is_explained(engine: Engine, language: str) -> None:
    """The chunks without text are there all the same."""
    app = choose(visit("chunks", language), model=EMPTY)
    found = read(app, engine)
    assert said_of_all(remarks(app), language, "empty")
    assert found.captures[0].views
    assert texts(language)["chunks.no_text"] in said(app)


@languages
def test_a_stream_of_only_usage_is_explained(language: str) -> None:
    """As one of a server that counts, but does not answer."""
    usage = '{"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1}'
    chunk = f'{{"id": "1", "object": "chat.completion.chunk", "model": "raw", "choices": [], "usage": {usage}}}'
    with (
        raw_endpoint(http(f"data: {chunk}\n\ndata: [DONE]\n\n".encode())) as endpoint,
        serving(openai_base_url=endpoint.base_url, lab_models=("raw",)) as engine,
    ):
        app = visit("chunks", language)
        read(app, engine)
        assert said_of_all(remarks(app), language, "only_usage")


@languages
def test_halves_of_a_character_break_no_page(language: str) -> None:
    """What protobuf cannot carry is written as its escape, in every place where it could be shown."""
    body = b"".join(
        b'data: {"id":"1","object":"chat.completion.chunk","model":"raw","choices":[{"index":0,"finish_reason":null,'
        b'"delta":{"content":"%s"}}]}\n\n' % piece
        for piece in (b"a\\ud83d", b"\\ude00b", b"\\ud83d")
    )
    with (
        raw_endpoint(http(body + b"data: [DONE]\n\n")) as endpoint,
        serving(openai_base_url=endpoint.base_url, lab_models=("raw",)) as engine,
    ):
        app = visit("chunks", language)
        read(app, engine)
        assert [code.value for code in app.code if "😀" in code.value] == ["a😀b\\ud83d"]


@languages
def test_no_more_are_begun_than_may_run(engine: Engine, language: str) -> None:
    """Who comes too soon is told so."""
    question = Question("calls", "Go on", Options(demo_model(chunks=100_000, rate=10)))
    running = [engine.captures.start(question) for _ in range(AT_ONCE)]
    try:
        app = visit("chunks", language)
        checked(app.button(key="chunks.start").click().run())
        assert [warning.value for warning in app.warning] == [texts(language)["chunks.too_many"]]
        assert "reading" not in app.query_params
    finally:
        for capture_id in running:
            engine.captures.stop(capture_id)
            ended(engine, capture_id)


@languages
def test_a_stop_keeps_what_came(engine: Engine, language: str) -> None:
    """The button is there while something runs; then the page says that it was stopped."""
    words = texts(language)
    app = choose(visit("chunks", language), topic="calls", model=ENDLESS, rate=100)
    checked(app.button(key="chunks.start").click().run())
    capture_id = address(app)
    while not present(engine.captures.find(capture_id)).captures[1].views:
        time.sleep(0.02)
    checked(app.button(key="chunks.stop").click().run())
    found = shown(app, engine)
    assert {capture.state for capture in found.captures} == {"stopped"}
    assert all(words["chunks.stopped"] in remark for remark in remarks(app))
    assert all(any(named(words, each.mode) in remark for remark in remarks(app)) for each in found.captures)
    assert "chunks.stop" not in [button.key for button in app.button]
    assert joined(found.captures[-1].views) in said(app)


@languages
def test_an_address_shows_its_captures_and_an_old_one_says_so(engine: Engine, language: str) -> None:
    """In another session, of either topic; what is not there any more can be begun anew."""
    words = texts(language)
    for topic in TOPICS:
        capture_id = engine.captures.start(Question(topic, "What is streaming, briefly?", Options(demo_model())))
        ended(engine, capture_id)
        app = visit("chunks", language, reading=capture_id)
        assert app.button_group(key="chunks.topic").value == topic
        assert words["chunks.raw_events" if topic == "calls" else "chunks.way_message"] in said(app)
    app = visit("chunks", language, reading="nowhere")
    assert [warning.value for warning in app.warning] == [words["chunks.unknown"]]
    assert not app.button(key="chunks.start").disabled


def test_each_topic_keeps_what_was_read_last(engine: Engine) -> None:
    """Who looks at the other one and comes back finds it again."""
    app = choose(visit("chunks", "en"))
    first = read(app, engine).id
    choose(app, topic="calls")
    assert "reading" not in app.query_params
    second = read(app, engine).id
    checked(app.button_group(key="chunks.topic").set_value("parsers").run())
    assert address(app) == first
    checked(app.button_group(key="chunks.topic").set_value("calls").run())
    assert address(app) == second
