"""The laws of captures: one chunk is one chunk of the server, what came stays, and waiting blocks or does not."""

import json
from contextlib import closing
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlab.chunks import capture as module
from streamlab.chunks.capture import Question
from streamlab.chunks.captures import AT_ONCE, KEPT, Captures, TooManyCaptures
from streamlab.chunks.modes import BEAT, BLOCKED, ReadMode, blocked, pauses
from streamlab.chunks.views import joined, joined_text
from streamlab.models.options import QUESTION_CHARACTERS, InvalidQuestion, Options
from streamlab.settings import Settings
from tests import captures as capturing
from tests.captures import ENDLESS, captures_of, ended, modes, read, states
from tests.conftest import Asked, demo_model, http, provider, raw_endpoint, sse
from tests.present import present

captures = capturing.captures  # fixtures are found by their names

pytestmark = pytest.mark.anyio

EMOJI = "👩‍🚀 と 日本語、👍🏽"


# Three parsers


def test_three_parsers_see_the_same_answer(captures: Captures) -> None:
    """As messages, as text, and as an object that grows; the times never go back."""
    found = read(captures, "parsers", demo_model(size=7, rate=500), as_json=True)
    assert states(found) == {("completed", None)}
    text = joined(found["text"].views)
    assert joined_text(found["message"].views) == text
    assert joined(found["message"].views)["content"] == text
    assert joined(found["json"].views) == json.loads(text)
    grown = [json.dumps(view.chunk, ensure_ascii=False) for view in found["json"].views]
    assert len(grown) > 3
    assert sorted(grown, key=len) == grown
    for each in found.values():
        times = [view.at for view in each.views]
        assert times == sorted(times)
        assert [view.number for view in each.views] == list(range(1, len(times) + 1))
        assert each.seconds >= times[-1] >= times[0] > 0


async def test_a_chunk_is_a_chunk_of_the_server(captures: Captures, asked: Asked) -> None:
    """As many with text as the model wrote, however fast they come; nothing on the way joins them."""
    model = demo_model(size=3, rate=1_000_000)
    found = read(captures, "parsers", model, as_json=True)
    streamed: tuple[ReadMode, ...] = ("message", "text")
    for record in await asked(model, 3):
        for mode in streamed:
            assert sum(bool(view.text) for view in found[mode].views) == len(record["written"])
    assert all(len(view.text) <= 3 for view in found["message"].views)


def test_the_chunk_that_carries_the_usage_is_found(captures: Captures) -> None:
    """One of the messages holds it, and neither parser passes it on; the finish reason has a chunk of its own."""
    found = read(captures, "parsers", demo_model(), as_json=True)
    (carrier,) = (view for view in found["message"].views if view.carries_usage)
    assert carrier.text == ""
    assert carrier.detail["usage_metadata"]["output_tokens"] > 5
    reasons = [view.detail["response_metadata"].get("finish_reason") for view in found["message"].views]
    assert [reason for reason in reasons if reason] == ["stop"]
    assert not any(view.carries_usage for view in (*found["text"].views, *found["json"].views))


@pytest.mark.parametrize("size", [1, 2, 5])
def test_text_cut_inside_characters_arrives_whole(captures: Captures, size: int) -> None:
    """Inside an emoji of several code points, between characters, and within the bytes of one."""
    text = json.dumps({"said": EMOJI}, ensure_ascii=False)
    found = read(captures, "parsers", demo_model(size=size, split="true", text=text))
    assert joined(found["text"].views) == text
    assert joined(found["message"].views)["content"] == text
    assert joined(found["json"].views) == {"said": EMOJI}
    if size == 1:
        assert {"👩", "\u200d", "🚀"} <= {view.text for view in found["text"].views}


@modes
def test_halves_of_a_character_are_joined(as_json: bool) -> None:
    """A server may escape a character and cut the escape in two; a half that stays alone breaks nothing."""
    with captures_of(http(sse("a\ud83d", "\ude00b", "\ud83d"))) as cut:
        found = read(cut, "parsers", "raw", as_json=as_json)
    assert joined(found["text"].views) == "a😀b\\ud83d"
    assert joined(found["message"].views)["content"] == "a😀b\\ud83d"
    assert [view.text for view in found["text"].views][:3] == ["a\\ud83d", "\\ude00b", "\\ud83d"]


def test_ordinary_text_gives_no_object(captures: Captures) -> None:
    """JsonOutputParser is silent about it, and the code says why there is nothing; the others are not concerned."""
    found = read(captures, "parsers", demo_model(), "What is streaming, briefly?")
    assert (found["json"].state, found["json"].code, found["json"].views) == ("completed", "not_json", ())
    assert found["text"].code is found["message"].code is None
    assert joined(found["text"].views)


@pytest.mark.soak
def test_long_text_without_json_is_not_parsed_to_its_end(captures: Captures) -> None:
    """The parser reads all of it anew for each chunk, which would keep the whole server busy."""
    found = read(captures, "parsers", demo_model(chunks=4_000, rate=1_000_000))
    assert (found["json"].state, found["json"].code) == ("completed", "not_json")
    assert len(joined(found["text"].views)) == module.MAX_VIEWS * 5 - 5  # the first chunk has a role and no text


@pytest.mark.parametrize("answer", ['{"a": [1, 2], "b": "unclosed', '{"a": 1, b', '{"a": 1} and then some'])
def test_json_that_breaks_off_is_said_to(captures: Captures, answer: str) -> None:
    """What could be read of it stays."""
    found = read(captures, "parsers", demo_model(text=answer))
    assert found["json"].code == "broken_json"
    assert joined(found["json"].views)["a"] in (1, [1, 2])
    assert joined(found["text"].views) == answer


@pytest.mark.parametrize("answer", ['{"a": 1}', '```json\n{"a": 1}\n```', "[1]", '"text"', '{"a": "line\nend"}'])
def test_json_in_its_usual_wrappings_is_json(captures: Captures, answer: str) -> None:
    """What JsonOutputParser reads to the last character needs no remark."""
    assert states(read(captures, "parsers", demo_model(text=answer))) == {("completed", None)}


# Four ways of calling


def test_four_ways_give_the_same_answer(captures: Captures) -> None:
    """Streamed it comes in many chunks, invoked in one, and as events with all that goes on inside the chain."""
    found = read(captures, "calls", demo_model(seed=1), "What is streaming, briefly?")
    assert states(found) == {("completed", None)}
    answers = {mode: joined(each.views) for mode, each in found.items()}
    assert len(set(answers.values())) == 1
    assert len(found["invoke"].views) == 1
    assert len(found["stream"].views) == len(found["astream"].views) > 10
    names = {view.text for view in found["events"].views}
    assert {"on_chain_start", "on_chat_model_stream", "on_parser_stream", "on_chain_stream", "on_chain_end"} <= names
    assert found["events"].views[0].detail["data"]["input"]["question"] == "What is streaming, briefly?"


def test_a_blocking_call_stops_the_other_task(captures: Captures) -> None:
    """While `.stream()` and `.invoke()` wait it never runs; beside `.astream()` and `.astream_events()` it does."""
    found = read(captures, "calls", demo_model(chunks=60, rate=40))
    blocking: tuple[ReadMode, ...] = ("stream", "invoke")
    for mode in blocking:
        assert found[mode].beats == ()
        assert blocked(found[mode].beats, found[mode].seconds) == [(0.0, found[mode].seconds)]
    waiting: tuple[ReadMode, ...] = ("astream", "events")
    for mode in waiting:
        assert len(found[mode].beats) > 3
        assert found[mode].beats[-1] <= found[mode].seconds


@given(st.lists(st.floats(0, 1e6)).map(sorted), st.floats(0, 1e6))
def test_pauses_fill_the_time_between_beats(beats: list[float], end: float) -> None:
    """From 0 to the end without a gap, and the long ones among them count as blocked."""
    found = pauses(beats, end)
    assert found[0][0] == 0
    assert found[-1][1] == max([end, *beats])
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert blocked(beats, end) == [pause for pause in found if pause[1] - pause[0] > BLOCKED]
    assert BLOCKED > BEAT


# The store


@pytest.mark.parametrize(
    ("text", "code"), [("", "empty"), (" \n", "empty"), ("x" * (QUESTION_CHARACTERS + 1), "too_long")]
)
async def test_a_bad_question_is_refused_before_any_call(
    captures: Captures, asked: Asked, text: str, code: str
) -> None:
    """It costs nothing."""
    model = demo_model()
    with pytest.raises(InvalidQuestion) as refused:
        captures.start(Question("parsers", text, Options(model)))
    assert refused.value.code == code
    assert await asked(model) == []


@modes
def test_json_is_asked_for_in_every_request(as_json: bool) -> None:
    """Or in none; the server is told nothing else of it."""
    with (
        raw_endpoint(http(sse("{}"))) as endpoint,
        provider(endpoint.base_url) as models,
        closing(Captures(Settings(_env_file=None), models)) as captures,
    ):
        assert states(read(captures, "parsers", "raw", as_json=as_json)) == {("completed", None)}
    asked = [request.get("response_format") for request in endpoint.requests]
    assert asked == [{"type": "json_object"} if as_json else None] * 3


async def test_the_system_prompt_and_the_question_are_sent(captures: Captures, asked: Asked) -> None:
    """To every mode, as they were typed; braces are no template."""
    model = demo_model()
    options = Options(model, "Answer {briefly}.")
    ended(captures, captures.start(Question("calls", "What is {streaming}?", options)))
    prompts = [record["prompt"] for record in await asked(model, 4)]
    assert prompts == [{"messages": 2, "user": "What is {streaming}?"}] * 4


def test_as_many_run_at_once_as_may(captures: Captures) -> None:
    """One more is refused, until one has ended."""
    question = Question("calls", "Go on", Options(demo_model(**ENDLESS)))
    running = [captures.start(question) for _ in range(AT_ONCE)]
    with pytest.raises(TooManyCaptures):
        captures.start(question)
    captures.stop(running[0])
    ended(captures, running[0])
    captures.start(question)


def test_the_newest_are_kept(captures: Captures) -> None:
    """The oldest leaves when another comes, but none that goes on; an unknown id says so."""
    assert captures.find("nowhere") is None
    endless = captures.start(Question("calls", "Go on", Options(demo_model(**ENDLESS))))
    others = []
    for _ in range(KEPT):
        others.append(captures.start(Question("parsers", "Hello", Options("demo?fault=key"))))
        ended(captures, others[-1])
    assert present(captures.find(endless)).running
    assert captures.find(others[0]) is None
    assert len([present(captures.find(capture_id)) for capture_id in others[1:]]) == KEPT - 1


def test_a_capture_keeps_so_many_chunks(captures: Captures, monkeypatch: pytest.MonkeyPatch) -> None:
    """And counts those that came after them. So it does with characters: each object holds those before it."""
    monkeypatch.setattr(module, "MAX_VIEWS", 10)
    found = read(captures, "parsers", demo_model(size=5), as_json=True)
    assert len(found["text"].views) == len(found["json"].views) == 10
    assert found["text"].more > 10
    monkeypatch.setattr(module, "MAX_CHARACTERS", 40)
    found = read(captures, "parsers", demo_model(size=5), as_json=True)
    assert len(joined(found["text"].views)) <= 40
    assert found["json"].more > found["text"].more / 2
