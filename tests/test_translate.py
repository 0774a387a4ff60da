"""The translator over upstream events in any order that a graph may send them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk, ToolMessage

from streamlab.agent.translate import Translator, parsed
from streamlab.events.event import StreamEvent, encode
from streamlab.hub.log import Bounds


def upstream(
    kind: str, data: dict[str, Any], *, name: str = "", run: str = "run", parents: tuple[str, ...] = ("root",)
) -> dict[str, Any]:
    return {"event": kind, "data": data, "name": name, "run_id": run, "parent_ids": list(parents)}


def translated(events: list[dict[str, Any]]) -> list[StreamEvent]:
    translator = Translator(lambda: 0.0)
    return [ours for event in events for ours in translator.translate(event)]


def asked(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    message = AIMessage("", tool_calls=[{**call, "type": "tool_call"} for call in calls])
    return [upstream("on_chat_model_start", {}), upstream("on_chat_model_end", {"output": message})]


@st.composite
def rounds(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Calls of a few tools, and the events of running them: starts in order, ends and failures in any order."""
    arguments = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), min_size=1, max_size=6))
    calls: list[dict[str, Any]] = [
        {"id": f"call{n}", "name": tool, "args": {"x": x}} for n, (tool, x) in enumerate(arguments)
    ]
    events = [upstream("on_tool_start", {"input": c["args"]}, name=c["name"], run=f"t{c['id']}") for c in calls]
    for call in draw(st.permutations(calls)):
        inner = upstream(
            "on_chat_model_stream",
            {"chunk": AIMessageChunk(content="leak")},
            run="m",
            parents=("root", f"t{call['id']}"),
        )
        message = ToolMessage(f"{call['args']}", tool_call_id=call["id"], name=call["name"])
        end = {"output": message}
        failed = {"error": ValueError("no"), "tool_call_id": call["id"]}
        ends: list[tuple[str, dict[str, Any]]] = [("on_tool_end", end), ("on_tool_error", failed)]
        kind, data = draw(st.sampled_from(ends))
        events += [inner, upstream(kind, data, name=call["name"], run=f"t{call['id']}")]
    return calls, events


@given(rounds())
def test_every_call_has_one_result_after_it(made: tuple[list[dict[str, Any]], list[dict[str, Any]]]) -> None:
    """Whatever the order of ends and failures: one call and one result for each id, the arguments never mixed."""
    calls, events = made
    ours = translated([*asked(calls), *events])
    begun = {event.call_id: event.input for event in ours if event.type == "tool_call"}
    assert begun == {call["id"]: call["args"] for call in calls}
    for call in calls:
        kinds = [event.type for event in ours if getattr(event, "call_id", None) == call["id"]]
        assert kinds == ["tool_call", "tool_result"]
    assert not [event for event in ours if event.type == "text_delta"]


@given(rounds(), st.data())
def test_a_run_that_is_cut_has_no_result_without_its_call(
    made: tuple[list[dict[str, Any]], list[dict[str, Any]]], data: st.DataObject
) -> None:
    """At any cut, results are a part of the calls."""
    calls, events = made
    cut = data.draw(st.integers(0, len(events)))
    ours = translated([*asked(calls), *events[:cut]])
    begun = [event.call_id for event in ours if event.type == "tool_call"]
    assert {event.call_id for event in ours if event.type == "tool_result"} <= set(begun)
    assert len(begun) == len(set(begun))


@pytest.mark.parametrize(
    ("output", "data"),
    [
        (ToolMessage('{"a": 1}', tool_call_id="1"), {"a": 1}),
        (ToolMessage("no JSON {", tool_call_id="1"), "no JSON {"),
        ({"a": ["[1]"]}, {"a": [[1]]}),
        ("7", "7"),
        ("[broken", "[broken"),
        (7, 7),
        (None, None),
        (ValueError("bad"), "bad"),
    ],
)
def test_outputs_of_any_shape_become_plain_data(output: Any, data: Any) -> None:
    """Messages, mappings, JSON text, other text, numbers, exceptions."""
    assert parsed(output) == data


@pytest.mark.parametrize("character", ["x", '"', "\\", "\0", "あ", "🙂"])
def test_a_result_of_megabytes_fits_into_an_event(character: str) -> None:
    """Whatever it is written with: its beginning is told, and the run goes on."""
    call = {"id": "1", "name": "fetch", "args": {}}
    message = ToolMessage(character * 5_000_000, tool_call_id="1", name="fetch")
    *_, result = translated([*asked([call]), upstream("on_tool_end", {"output": message}, name="fetch")])
    assert result.type == "tool_result"
    assert 50_000 < len(encode(result)) < Bounds().event_size
