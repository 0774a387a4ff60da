"""The chain and its attempts over real HTTP: every server's manners, what is sent, and what is used."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage

from streamlab.events.event import StreamEvent, Usage
from streamlab.models.catalog import Models
from streamlab.models.message_chunks import reasoning_text
from streamlab.models.options import DEFAULT_TEMPERATURE
from streamlab.models.prompt import CHAT_PROMPT
from streamlab.runs.chain import ChainAttempt, chat_chain, chat_input, count_tokens
from streamlab.text.tokens import estimate_tokens
from tests.conftest import Lab, MakeLab, demo_model, http, provider, raw_endpoint, shown, sse
from tests.events import content, end

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning"),
]

MIXED = "Streaming は、届いた順に。\n\n\t🙂 **OK**?\u2028\x85 e\u0301 👩‍👩‍👧  "


def thinking(events: list[StreamEvent]) -> str:
    return "".join(content(event) for event in events if event.type == "thinking")


# Servers' manners


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"empty_first": True},
        {"role_only": False},
        {"crlf": True},
        {"comments": True},
        {"split": True},
        {"split": True, "crlf": True, "comments": True},
        {"blocks": True},
        {"blocks": True, "reasoning": True},
        {"size": 1},
        {"size": 3},
        {"size": 1_000},
        {"usage": False},
        {"reasoning": True, "role_only": False, "empty_first": True},
    ],
)
async def test_the_text_is_right_whatever_the_server_s_manners(lab: Lab, shape: dict[str, Any]) -> None:
    """Off-standard openings, line ends, cuts in the midst of characters, content as blocks."""
    events = await lab.run(demo_model(text=MIXED, **shape))
    assert end(events).status == "completed"
    assert shown(events) == MIXED
    assert bool(thinking(events)) == ("reasoning" in shape)


async def test_chunks_that_come_one_by_one_are_passed_on_as_they_are(lab: Lab) -> None:
    """Neither joined nor split, and each has the time at which it came."""
    events = await lab.run(demo_model(text="abcdefgh", size=3, rate=20, jitter=0))
    deltas = [event for event in events if event.type == "text_delta"]
    assert [event.content for event in deltas] == ["abc", "def", "gh"]
    assert deltas[0].at < deltas[1].at < deltas[2].at


async def test_thoughts_come_before_the_text_and_as_they_arrive(lab: Lab) -> None:
    """Not held back until the first word, and never part of the text."""
    events = await lab.run(demo_model(text="whole", reasoning=True, rate=200))
    kinds = [event.type for event in events if event.type in ("thinking", "text_delta")]
    assert kinds == sorted(kinds, reverse=True)
    thoughts = [event for event in events if event.type == "thinking"]
    assert len(thoughts) > 5
    assert thoughts[0].at < thoughts[-1].at
    assert shown(events) == "whole"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_beside_the_content(make_lab: MakeLab, name: str) -> None:
    """As DeepSeek and vLLM, and as Ollama and newer vLLM send it; also when it comes last or with text."""
    answer = http(sse({name: "h"}, {name: "m", "content": "a"}, {"content": "b", name: None}, {name: "!"}))
    with raw_endpoint(answer) as endpoint, provider(endpoint.base_url) as models:
        events = await make_lab(models).run("any")
    assert (thinking(events), shown(events)) == ("hm!", "ab")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", ""),
        ([], ""),
        (["plain", {"type": "text", "text": "t"}], ""),
        ([{"type": "thinking", "thinking": "hm"}], "hm"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}], "hm"),
        ([{"type": "thinking"}, {"type": "reasoning"}, {"type": "reasoning", "summary": None}], ""),
        ([{"type": "reasoning", "reasoning": "hm"}], "hm"),
        ([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}], "hm"),
    ],
)
def test_reasoning_within_the_content(content: Any, text: str) -> None:
    """As Mistral, Anthropic and OpenAI's Responses write it."""
    assert reasoning_text(AIMessageChunk(content=content)) == text


def utf16(text: str) -> list[str]:
    """The text in UTF-16 units: what a server that counts like JavaScript may cut at."""
    data = text.encode("utf-16-le", "surrogatepass")
    return [data[start : start + 2].decode("utf-16-le", "surrogatepass") for start in range(0, len(data), 2)]


@settings(max_examples=15)
@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("🙂👩‍👧𝕏\ufeff"), max_size=12), st.data())
def test_characters_cut_in_halves_are_joined(text: str, data: st.DataObject) -> None:
    """However a server cuts its UTF-16, in the text and in the thoughts, the text is whole in every event."""
    units = utf16(text)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(units)))))
    pieces = ["".join(units[start:end]) for start, end in zip([0, *cuts], [*cuts, len(units)], strict=True)]
    answer = http(sse(*({"reasoning_content": piece} for piece in pieces), *pieces))
    with raw_endpoint(answer) as endpoint, provider(endpoint.base_url) as models:
        events = asyncio.run(Lab(models, {}).run("any"))
    assert (thinking(events), shown(events)) == (text, text)
    for event in events:
        content(event).encode()  # none holds a half


async def test_half_a_character_without_its_other_half_harms_nothing(make_lab: MakeLab) -> None:
    """It has no meaning; what stands around it stays."""
    answer = http(sse("a\ud83d", "b", "\ude42c", "d\ud83d"))
    with raw_endpoint(answer) as endpoint, provider(endpoint.base_url) as models:
        events = await make_lab(models).run("any")
    assert shown(events) == "a\ufffdb\ufffdcd\ufffd"


async def test_an_answer_may_be_ended_without_a_word(make_lab: MakeLab) -> None:
    """Thoughts alone, or nothing at all."""
    answers = http(sse({"reasoning_content": "hm"})), http(sse())
    with raw_endpoint(*answers) as endpoint, provider(endpoint.base_url) as models:
        lab = make_lab(models)
        thought, nothing = await lab.run("any"), await lab.run("any")
    assert (thinking(thought), shown(thought), end(thought).status) == ("hm", "", "completed")
    assert (shown(nothing), end(nothing).status) == ("", "completed")


# Usage


async def test_usage_is_what_the_server_reports(lab: Lab) -> None:
    """Not an estimate of ours, and said so."""
    usage = end(await lab.run(demo_model(text="word " * 40), "A question.")).usage
    sent, written = estimate_tokens("A question."), estimate_tokens("word " * 40)
    assert usage == Usage(sent, written, reasoning_tokens=0, cached_tokens=0)


async def test_usage_counts_reasoning_within_the_output(lab: Lab) -> None:
    """And tells how much of it there was: as the server says it, or estimated from what was sent."""
    for told in (True, False):
        events = await lab.run(demo_model(text="word " * 40, reasoning=True, usage=told), "A question.")
        usage, thought = end(events).usage, estimate_tokens(thinking(events))
        assert usage
        assert thought
        assert (usage.reasoning_tokens, usage.estimated) == (thought, not told)
        assert usage.output_tokens == thought + estimate_tokens("word " * 40)


async def test_usage_is_estimated_when_the_server_does_not_say(lab: Lab) -> None:
    """From what was sent and what has arrived."""
    usage = end(await lab.run(demo_model(text="word " * 40, usage=False), "A question.")).usage
    assert usage == Usage(estimate_tokens("A question.") + 4, estimate_tokens("word " * 40), estimated=True)


async def test_usage_of_an_answer_that_was_cut_is_estimated(make_lab: MakeLab) -> None:
    """The report would have come last; only the last attempt's text is counted."""
    events = await make_lab(attempts=2).run(demo_model(text="abcd" * 9, size=4, fault="cut", after=5))
    usage = end(events).usage
    assert usage
    assert usage.estimated
    assert usage.output_tokens == 5


async def test_an_answer_at_its_length_limit_says_so(make_lab: MakeLab) -> None:
    """The run is completed, with the code `length`."""
    with raw_endpoint(http(sse("half", finish="length"))) as endpoint, provider(endpoint.base_url) as models:
        events = await make_lab(models).run("any")
    assert (end(events).status, end(events).code, shown(events)) == ("completed", "length", "half")


# What is sent


async def body_of(models: Models, name: str, temperature: float, inputs: dict[str, Any]) -> None:
    attempt = ChainAttempt(lambda: chat_chain(models.chat_model(name, temperature)), inputs)
    async for _ in attempt.events(lambda: 0.0):
        pass


async def test_the_default_temperature_is_not_sent() -> None:
    """Some models accept no other, and some not even that; any other is sent as it is."""
    with raw_endpoint(http(sse("a"))) as endpoint, provider(endpoint.base_url) as models:
        for temperature in (DEFAULT_TEMPERATURE, 0.0, 0.7):
            await body_of(models, "any", temperature, chat_input("", [], "q", 100))
    default, zero, some = endpoint.requests
    assert "temperature" not in default
    assert (zero["temperature"], some["temperature"]) == (0.0, 0.7)


async def test_what_is_sent_is_the_conversation_in_order() -> None:
    """Instructions, former turns, the question; with usage asked for. Braces and marks are text, not a template."""
    history = [HumanMessage("{q1} <a>"), AIMessage("{{a1}}")]
    with raw_endpoint(http(sse("a"))) as endpoint, provider(endpoint.base_url, "sk-mine") as models:
        await body_of(models, "some/model:7b", 1.0, chat_input("{Be} kind", history, "{question} {x}", 100))
    (sent,) = endpoint.requests
    assert [(message["role"], message["content"]) for message in sent["messages"]] == [
        ("system", "{Be} kind"),
        ("user", "{q1} <a>"),
        ("assistant", "{{a1}}"),
        ("user", "{question} {x}"),
    ]
    assert sent["model"] == "some/model:7b"
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert "authorization: bearer sk-mine" in endpoint.headers[0].lower()


texts = st.text(st.sampled_from("ab 日{}"), max_size=60)
turns = st.lists(st.tuples(texts, texts), max_size=8)


@given(texts, turns, texts, st.integers(0, 120))
def test_history_is_trimmed_to_its_budget_and_the_question_is_whole(
    system: str, former: list[tuple[str, str]], question: str, budget: int
) -> None:
    """What is told is the newest exchanges that fit, each of them whole, however long the question is."""
    history: list[BaseMessage] = []
    for asked, answered in former:
        history += [HumanMessage(asked), AIMessage(answered)]
    inputs = chat_input(system, history, question, budget)
    told = inputs["history"]
    assert count_tokens(told) <= budget
    assert told == history[len(history) - len(told) :]
    assert len(told) % 2 == 0
    if len(told) < len(history):
        assert count_tokens(history[len(history) - len(told) - 2 :]) > budget, "one more would have fitted"
    messages = CHAT_PROMPT.invoke(inputs).to_messages()
    assert messages[-1] == HumanMessage(question)
    assert [message.content for message in messages if isinstance(message, SystemMessage)] == (
        [system] if system.strip() else []
    )


@given(st.text(), st.text())
def test_the_estimate_of_tokens_has_no_surprises(left: str, right: str) -> None:
    """Nothing is free but the empty text; a joined text is not dearer than its parts, and at most a token cheaper."""
    assert (estimate_tokens(left) == 0) == (left == "")
    apart = estimate_tokens(left) + estimate_tokens(right)
    assert apart - 1 <= estimate_tokens(left + right) <= apart
